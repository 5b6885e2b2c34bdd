/** What lies over the image: eye, opacity, fill or outline, and of which class. */
import { computed, ref } from "vue";
import { Icon, Menu } from "./basics.js";
import { hex } from "./classes.js";
import { LayerRow } from "./layer_row.js";
import { app, keysOf, link, shownLane } from "./link.js";
import { ALONE, TINT, lookOf } from "./looks.js";
import { Raw } from "./raw.js";

/** The section of the layers. */
export const Layers = {
  components: { Icon, Menu, Row: LayerRow, Raw },
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
    // A line of one pixel at the strength of a fill is hardly seen: each style has its own.
    const strengths = { fill: 0.35, outline: 1 };
    const restyle = (/** @type {"fill" | "outline"} */ style) => {
      const now = layer("segmentation", { style: "fill", opacity: strengths.fill });
      if (now.style === style) return;
      strengths[/** @type {"fill" | "outline"} */ (now.style)] = now.opacity;
      set("segmentation", { style, opacity: strengths[style] });
    };
    const named = computed(() => !!shownLane() && !shownLane()?.dtype.startsWith("float") && !shownLane()?.rgb);
    const look = computed(() => lookOf(link.layers.raw || {}, shownLane()));
    const random = computed(() => look.value === "random");
    /** The channel that is shown alone. */
    const channel = computed(() => Math.min((shownLane()?.shape[1] || 1) - 1, link.layers.raw?.channel || 0));
    const tinted = computed(() => look.value === "single" && !!link.layers.raw?.channels?.[String(channel.value)]?.colour);
    const looks = computed(() =>
      shownLane() && ALONE.includes(look.value)
        ? [
            { line: true },
            { id: "grey", text: "Grey", on: look.value === "single" && !tinted.value },
            { id: "tint", text: "Tinted in a colour", on: tinted.value },
            { id: "mask", text: "As a mask: all above 0 in one colour", on: look.value === "mask" },
          ]
        : [],
    );
    const show = (/** @type {string} */ id) => {
      const at = channel.value;
      if (id === "mask") set("raw", { mode: "mask", channel: at });
      else set("raw", { mode: "single", channel: at, channels: { [at]: { colour: id === "tint" ? TINT : null } } });
    };
    const menu = computed(() => [
      { id: "raw", text: "Only the raw image", keys: keysOf("rawOnly") },
      { id: "swipe", text: "Line between raw image and result", keys: keysOf("swipe"), on: link.swipe.fraction !== null },
      { id: "usual", text: "Usual layers" },
      ...looks.value,
      ...(named.value ? [{ id: "random", text: "Random colours for numbered objects", on: random.value }] : []),
      { line: true },
      { id: "fold", text: "Fold this panel", keys: keysOf("sidePanels") },
    ]);
    /** What random colours are taken off for: what suits the image, or grey where the project itself says random. */
    const plain = () => (lookOf({}, shownLane()) === "random" ? "single" : null);
    const choose = (/** @type {string} */ id) => {
      if (id === "fold") {
        link.rightOpen = false;
        return;
      }
      if (id === "random") return set("raw", { mode: random.value ? plain() : "random" });
      if (["grey", "tint", "mask"].includes(id)) return show(id);
      if (id === "swipe") return app()?.do("swipe");
      const on = id === "usual";
      set("labels", { visible: on });
      set("segmentation", { visible: on });
      set("uncertainty", { visible: false });
      set("mask", { visible: on });
      for (const one of classes.value) set(`probability:${one.id}`, { visible: false });
    };
    return {
      link,
      classes,
      mask: computed(() => shownLane()?.mask),
      layer,
      probabilityOf,
      set,
      restyle,
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
                data-tip="Fill the classes with their colour" @click="restyle('fill')">
              Fill
            </button>
            <button type="button" :aria-pressed="layer('segmentation', {}).style === 'outline' ? 'true' : 'false'"
                data-tip="Only the edges of the classes" @click="restyle('outline')">
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
      <Row v-if="mask" name="Mask" :layer="layer('mask', { visible: true, opacity: 0.6 })" @set="set('mask', $event)">
        <template #name><span :data-tip="mask.missing || 'Outside of it results are 0'">Mask</span></template>
        <template v-if="mask.missing" #default><p class="note">{{ mask.missing }}</p></template>
      </Row>
      <Raw />
    </section>
  `,
};
