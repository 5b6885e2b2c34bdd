/** What lies over the image: eye, opacity, fill or outline; contrast of the raw image. */
import { computed, ref, watch } from "vue";
import { Icon, IconButton, Menu, Slider } from "./basics.js";
import { hex, rgbOf } from "./classes.js";
import { gammaAt, gammaPlace, movedRange, outline, shareOf, shown, typed, valueAt } from "./contrast.js";
import { address, app, keysOf, link, shownLane } from "./link.js";

/** A histogram with two handles: what is black and what is white. */
export const Histogram = {
  props: { histogram: Object, low: Number, high: Number, whole: Boolean },
  emits: ["range"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const box = ref(/** @type {HTMLElement | null} */ (null));
    const path = computed(() => outline(props.histogram));
    const left = computed(() => shareOf(props.histogram, props.low) * 100);
    const right = computed(() => shareOf(props.histogram, props.high) * 100);
    const least = computed(() => (props.whole ? 1 : (props.histogram.edges.at(-1) - props.histogram.edges[0]) / 1000 || 1e-6));
    const put = (/** @type {0 | 1} */ which, /** @type {number} */ value) =>
      emit("range", movedRange([props.low, props.high], which, value, least.value));
    let held = /** @type {0 | 1 | -1} */ (-1);
    const share = (/** @type {PointerEvent} */ event) => {
      const at = /** @type {HTMLElement} */ (box.value).getBoundingClientRect();
      return (event.clientX - at.left) / at.width;
    };
    const down = (/** @type {PointerEvent} */ event) => {
      if (event.button !== 0) return;
      const at = share(event) * 100;
      held = Math.abs(at - left.value) <= Math.abs(at - right.value) && !(left.value === right.value && at > left.value) ? 0 : 1;
      /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
      put(held, valueAt(props.histogram, share(event), props.whole));
    };
    const move = (/** @type {PointerEvent} */ event) => {
      if (held >= 0) put(/** @type {0 | 1} */ (held), valueAt(props.histogram, share(event), props.whole));
    };
    const key = (/** @type {KeyboardEvent} */ event, /** @type {0 | 1} */ which) => {
      const by = /** @type {Record<string, number>} */ ({
        ArrowRight: 1,
        ArrowUp: 1,
        ArrowLeft: -1,
        ArrowDown: -1,
        PageUp: 10,
        PageDown: -10,
      })[event.key];
      if (!by) return;
      const step = Math.max(least.value, (props.histogram.edges.at(-1) - props.histogram.edges[0]) / 200);
      put(which, valueAt(props.histogram, shareOf(props.histogram, (which ? props.high : props.low) + by * step), props.whole));
      event.preventDefault();
      event.stopPropagation();
    };
    return {
      box,
      path,
      left,
      right,
      down,
      move,
      key,
      shown,
      up: () => {
        held = -1;
      },
    };
  },
  template: `
    <div class="histo" ref="box" data-tip="Histogram, logarithmic. Drag the edges." @pointerdown="down" @pointermove="move"
        @pointerup="up" @pointercancel="up">
      <svg :viewBox="'0 0 ' + histogram.counts.length + ' 40'" preserveAspectRatio="none" aria-hidden="true">
        <path :d="path" fill="#747b86" />
      </svg>
      <span class="w" :style="{ left: left + '%', right: 100 - right + '%' }"></span>
      <span class="handle" role="slider" tabindex="0" aria-label="Black" :style="{ left: left + '%' }" :aria-valuenow="low"
          :aria-valuetext="shown(low)" @keydown="key($event, 0)">
      </span>
      <span class="handle" role="slider" tabindex="0" aria-label="White" :style="{ left: right + '%' }" :aria-valuenow="high"
          :aria-valuetext="shown(high)" @keydown="key($event, 1)">
      </span>
    </div>
  `,
};

/** One row: eye, name, opacity. */
const Row = {
  components: { IconButton, Slider },
  props: {
    name: String,
    layer: Object,
    keyed: String,
    ready: { type: Boolean, default: true },
    opacity: { type: Boolean, default: true },
  },
  emits: ["set"],
  template: `
    <div class="layer" :class="{ hid: !layer.visible }">
      <div class="h">
        <IconButton :icon="layer.visible ? 'eye' : 'eyeoff'" :name="(layer.visible ? 'Hide ' : 'Show ') + name.toLowerCase()"
            :keyed="keyed" :pressed="layer.visible ? 'true' : 'false'" @click="$emit('set', { visible: !layer.visible })" />
        <span class="name trunc"><slot name="name">{{ name }}</slot></span>
        <template v-if="opacity">
          <Slider :value="Math.round((layer.opacity ?? 1) * 100)" :off="!layer.visible" :name="'Opacity of ' + name.toLowerCase()"
              tip="Opacity" :text="Math.round((layer.opacity ?? 1) * 100) + ' %'" :page="20"
              @slide="$emit('set', { opacity: $event / 100 })" />
          <span class="pc">{{ Math.round((layer.opacity ?? 1) * 100) }} %</span>
        </template>
      </div>
      <div v-if="$slots.default" class="sub"><slot></slot></div>
    </div>
  `,
};

/** As the viewer colours the channels of a composite and of a colour image, where nobody chose. */
const COMPOSITE = [
  [0, 255, 0],
  [255, 0, 255],
  [0, 120, 255],
  [255, 255, 0],
  [0, 255, 255],
  [255, 128, 0],
];
const PRIMARY = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
];

/** Contrast of the raw image: histogram, range, automatic, gamma, channels. */
const Raw = {
  components: { Icon, IconButton, Menu, Row, Slider, Histogram },
  setup() {
    const histogram = ref(/** @type {import("./contrast.js").Histogram | null} */ (null));
    const failed = ref(false);
    const lane = computed(shownLane);
    const raw = computed(() => link.layers.raw || {});
    const chosen = ref(0);
    const modeNow = computed(
      () =>
        raw.value.mode ??
        (lane.value?.rgb && lane.value.shape[1] >= 3 ? "rgb" : (lane.value?.shape[1] || 1) > 1 ? "composite" : "single"),
    );
    const channel = computed(() =>
      Math.min((lane.value?.shape[1] || 1) - 1, modeNow.value === "single" ? raw.value.channel || 0 : chosen.value),
    );
    const shownChannel = computed(() => raw.value.channels?.[String(channel.value)] || {});
    const whole = computed(() => !lane.value?.dtype.startsWith("float"));
    const low = computed(() => shownChannel.value.low ?? histogram.value?.auto[0] ?? 0);
    const high = computed(() => shownChannel.value.high ?? histogram.value?.auto[1] ?? 255);
    const cache = /** @type {Map<string, any>} */ (new Map());
    watch(
      [() => lane.value?.id, () => lane.value?.v, channel],
      async () => {
        const one = lane.value;
        if (!one || one.missing) {
          histogram.value = null;
          return;
        }
        const url = address(`/api/p/${link.project}/lanes/${one.id}/histogram?c=${channel.value}&v=${encodeURIComponent(one.v)}`);
        try {
          if (!cache.has(url)) {
            const answer = await fetch(url);
            if (!answer.ok) throw new Error(String(answer.status));
            cache.set(url, await answer.json());
          }
          failed.value = false;
          histogram.value = cache.get(url);
        } catch {
          failed.value = true;
          histogram.value = null;
        }
      },
      { immediate: true },
    );
    const set = (/** @type {any} */ props) => app()?.setLayer("raw", props);
    const setChannel = (/** @type {any} */ props) => set({ channels: { [channel.value]: props } });
    const type = (/** @type {0 | 1} */ which, /** @type {Event} */ event) => {
      const field = /** @type {HTMLInputElement} */ (event.target),
        value = typed(field.value);
      if (value === null) {
        field.value = shown(which ? high.value : low.value);
        return;
      }
      const [a, b] = movedRange([low.value, high.value], which, value, whole.value ? 1 : 1e-6);
      setChannel({ low: a, high: b });
      field.value = shown(which ? b : a);
    };
    const names = computed(() =>
      Array.from(
        { length: lane.value?.shape[1] || 1 },
        (_, at) => lane.value?.channels?.[at] || (lane.value?.rgb && at < 3 ? ["Red", "Green", "Blue"][at] : `Channel ${at}`),
      ),
    );
    const many = computed(() => names.value.length > 1);
    const channelMenu = computed(() => [
      ...(lane.value?.rgb ? [{ id: "rgb", text: "Colour (RGB)", on: modeNow.value === "rgb" }] : []),
      { id: "composite", text: "Composite", on: modeNow.value === "composite" },
      { line: true },
      ...names.value.map((name, at) => ({ id: `c${at}`, text: name, on: modeNow.value === "single" && channel.value === at })),
    ]);
    const mode = (/** @type {string} */ id) => {
      if (id.startsWith("c") && id !== "composite") set({ mode: "single", channel: Number(id.slice(1)) });
      else set({ mode: id });
    };
    const modeName = computed(() =>
      modeNow.value === "rgb" ? "Colour" : modeNow.value === "composite" ? "Composite" : names.value[channel.value],
    );
    const seen = (/** @type {number} */ at) => raw.value.channels?.[String(at)]?.visible ?? at < 3;
    const eye = (/** @type {number} */ at) => set({ channels: { [at]: { visible: !seen(at) } } });
    const colourOf = (/** @type {number} */ at) =>
      hex(
        raw.value.channels?.[String(at)]?.colour ||
          (modeNow.value === "rgb" ? PRIMARY[at % 3] : COMPOSITE[at % COMPOSITE.length]),
      );
    const recolour = (/** @type {number} */ at, /** @type {string} */ colour) =>
      set({ channels: { [at]: { colour: rgbOf(colour) } } });
    const auto = () => app()?.do("contrast");
    return {
      link,
      lane,
      raw,
      chosen,
      channel,
      histogram,
      failed,
      whole,
      low,
      high,
      shownChannel,
      set,
      setChannel,
      type,
      names,
      many,
      channelMenu,
      mode,
      modeNow,
      modeName,
      seen,
      eye,
      colourOf,
      recolour,
      auto,
      shown,
      gammaAt,
      gammaPlace,
      autoKey: computed(() => keysOf("contrast").join(" ")),
    };
  },
  template: `
    <Row name="Raw" :layer="{ visible: raw.visible !== false }" :opacity="false" @set="set">
      <template #name>Raw</template>
      <template #default>
        <div v-if="many" class="hstack">
          <span class="grow">Channels</span>
          <Menu :name="'Channels: ' + modeName" :items="channelMenu" kind="field s select short-select"
              tip="Which channels are shown" right @choose="mode">
            <span class="trunc">{{ modeName }}</span>
            <Icon n="down" />
          </Menu>
        </div>
        <div v-if="many && modeNow !== 'single'" class="channels" role="listbox" aria-label="Channels">
          <div v-for="(name, at) in names" class="chan" role="option" :aria-selected="chosen === at ? 'true' : 'false'"
              tabindex="0" @click="chosen = at" @keydown.enter="chosen = at">
            <label v-if="modeNow === 'composite'" class="sw pickable" :style="{ '--c': colourOf(at) }"
                :data-tip="'Colour of ' + name">
              <input type="color" :value="colourOf(at)" :aria-label="'Colour of ' + name"
                  @change="recolour(at, $event.target.value)">
            </label>
            <span v-else class="sw" :style="{ '--c': colourOf(at) }"></span>
            <span class="trunc grow">{{ name }}</span>
            <IconButton v-if="modeNow === 'composite'" :icon="seen(at) ? 'eye' : 'eyeoff'" :name="(seen(at) ? 'Hide ' : 'Show ') + name"
                @click.stop="eye(at)" />
          </div>
        </div>
        <Histogram v-if="histogram" :histogram="histogram" :low="low" :high="high" :whole="whole"
            @range="setChannel({ low: $event[0], high: $event[1] })" />
        <div v-else class="histo none"><span v-if="failed" class="note">No histogram: the image could not be read.</span></div>
        <div class="hstack">
          <span class="field s short">
            <input :value="shown(low)" aria-label="Black" data-tip="What is shown black" @change="type(0, $event)">
          </span>
          <span class="dim">to</span>
          <span class="field s short">
            <input :value="shown(high)" aria-label="White" data-tip="What is shown white" @change="type(1, $event)">
          </span>
          <span class="grow"></span>
          <button type="button" class="btn s" data-tip="Automatic contrast, 0.1 to 99.9 %, same for all images" :data-key="autoKey"
              @click="auto">
            <Icon n="auto" />Auto <kbd>{{ autoKey }}</kbd>
          </button>
        </div>
        <div class="hstack">
          <span>Gamma</span>
          <Slider :value="gammaPlace(shownChannel.gamma ?? 1)" :min="-100" :max="100" name="Gamma"
              tip="Gamma: to the left darker, to the right brighter" :text="String(shownChannel.gamma ?? 1)"
              @slide="setChannel({ gamma: gammaAt($event) })" />
          <span class="pc fg num">{{ (shownChannel.gamma ?? 1).toFixed(2) }}</span>
        </div>
      </template>
    </Row>
  `,
};

/** The section of the layers. */
export const Layers = {
  components: { Icon, IconButton, Menu, Row, Raw, Slider },
  props: { foldable: { type: Boolean, default: true } },
  setup() {
    const layer = (/** @type {string} */ name, /** @type {any} */ usual) => ({ ...usual, ...(link.layers[name] || {}) });
    const of = ref(0);
    const classes = computed(() => link.state?.classes || []);
    const probabilityOf = computed(
      () =>
        classes.value.find((one) => one.id === of.value) ||
        classes.value.find((one) => link.layers[`probability:${one.id}`]?.visible) ||
        classes.value[1] ||
        classes.value[0],
    );
    const set = (/** @type {string} */ name, /** @type {any} */ props) => app()?.setLayer(name, props);
    const another = (/** @type {string} */ id) => {
      const before = probabilityOf.value,
        was = before ? layer(`probability:${before.id}`, {}) : {};
      if (before) set(`probability:${before.id}`, { visible: false });
      of.value = Number(id);
      set(`probability:${id}`, { visible: true, opacity: was.opacity ?? 0.5 });
    };
    const menu = [
      { id: "raw", text: "Only the raw image", keys: keysOf("rawOnly") },
      { id: "usual", text: "Usual layers" },
      { line: true },
      { id: "fold", text: "Fold this panel" },
    ];
    const choose = (/** @type {string} */ id) => {
      if (id === "fold") {
        link.rightOpen = false;
        return;
      }
      const on = id === "usual";
      set("labels", { visible: on });
      set("segmentation", { visible: on });
      set("uncertainty", { visible: false });
      for (const one of classes.value) set(`probability:${one.id}`, { visible: false });
    };
    return {
      link,
      classes,
      layer,
      probabilityOf,
      set,
      another,
      menu,
      choose,
      hex,
      key: (/** @type {string} */ action) => keysOf(action).join(" "),
    };
  },
  template: `
    <section class="sec">
      <div class="sec-h">
        <h3>Layers</h3>
        <Menu name="Layer options" icon="more" kind="ib" :items="menu" right @choose="choose" />
      </div>
      <Row name="Labels" :layer="layer('labels', { visible: true, opacity: 1 })" :keyed="key('layer:labels')"
          @set="set('labels', $event)" />
      <Row name="Segmentation" :layer="layer('segmentation', { visible: true, opacity: 0.35 })" :keyed="key('layer:segmentation')"
          @set="set('segmentation', $event)">
        <template v-if="layer('segmentation', { visible: true }).visible" #default>
          <div class="seg s" role="radiogroup" aria-label="Segmentation as">
            <button type="button" :aria-pressed="layer('segmentation', {}).style !== 'outline' ? 'true' : 'false'"
                data-tip="Fill the classes with their colour" @click="set('segmentation', { style: 'fill' })">
              Fill
            </button>
            <button type="button" :aria-pressed="layer('segmentation', {}).style === 'outline' ? 'true' : 'false'"
                data-tip="Only the edges of the classes" @click="set('segmentation', { style: 'outline' })">
              Outline
            </button>
          </div>
        </template>
      </Row>
      <Row v-if="probabilityOf" name="Probability"
          :layer="layer('probability:' + probabilityOf.id, { visible: false, opacity: 0.5 })" :keyed="key('layer:probability')"
          @set="set('probability:' + probabilityOf.id, $event)">
        <template v-if="layer('probability:' + probabilityOf.id, {}).visible" #default>
          <Menu :name="'Probability of ' + probabilityOf.name" kind="field s select" tip="Of which class"
              :items="classes.map((one) => ({ id: String(one.id), text: one.name, swatch: hex(one.colour) }))" @choose="another">
            <span class="sw" :style="{ '--c': hex(probabilityOf.colour) }"></span>
            <span class="trunc">{{ probabilityOf.name }}</span>
            <Icon n="down" />
          </Menu>
        </template>
      </Row>
      <Row name="Uncertainty" :layer="layer('uncertainty', { visible: false, opacity: 0.5 })" :keyed="key('layer:uncertainty')"
          @set="set('uncertainty', $event)" />
      <Raw />
    </section>
  `,
};
