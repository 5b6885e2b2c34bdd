/** The raw image among the layers: contrast, gamma, channels. */
import { computed, ref, watch } from "vue";
import { Icon, Menu, Slider } from "./basics.js";
import { Channels } from "./channels.js";
import { hex, rgbOf } from "./classes.js";
import { gammaAt, gammaPlace, shown, typed, typedRange } from "./contrast.js";
import { Histogram } from "./histogram.js";
import { LayerRow } from "./layer_row.js";
import { ALONE, lookOf } from "./looks.js";
import { address, app, keysOf, link, shownLane } from "./link.js";
import { TypedField } from "./typed_field.js";

/** Contrast of the raw image: histogram, range, automatic, gamma, channels. */
export const Raw = {
  components: { Channels, Icon, Menu, Row: LayerRow, Slider, Histogram, TypedField },
  setup() {
    const histogram = ref(/** @type {import("./contrast.js").Histogram | null} */ (null));
    const failed = ref(false);
    const lane = computed(shownLane);
    const raw = computed(() => link.layers.raw || {});
    const chosen = ref(/** @type {number | null} */ (null));
    const look = computed(() => lookOf(raw.value, lane.value));
    const modeNow = computed(() => (ALONE.includes(look.value) ? "single" : look.value));
    const channel = computed(() =>
      Math.min((lane.value?.shape[1] || 1) - 1, modeNow.value === "single" ? raw.value.channel || 0 : (chosen.value ?? lane.value?.first?.[0] ?? 0)),
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
    const type = (/** @type {0 | 1} */ which, /** @type {string} */ text) => {
      const value = typed(text);
      if (value === null) return;
      const [a, b] = typedRange([low.value, high.value], which, value, whole.value ? 1 : 1e-6);
      setChannel({ low: a, high: b });
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
    const auto = () => app()?.do("contrast");
    /** The colour of a channel that is shown alone, where it is not grey. */
    const tint = computed(() => {
      if (look.value !== "mask" && (look.value !== "single" || !shownChannel.value.colour)) return null;
      return hex(shownChannel.value.colour || [255, 255, 255]);
    });
    const recolour = (/** @type {string} */ colour) => setChannel({ colour: rgbOf(colour) });
    return {
      tint,
      recolour,
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
      auto,
      shown,
      gammaAt,
      gammaPlace,
      autoKey: computed(() => keysOf("contrast").join(" ")),
    };
  },
  template: `
    <Row name="Raw" :layer="{ visible: raw.visible !== false }" :opacity="false" @set="set">
      <template #name>
        <span class="hstack">Raw
          <label v-if="tint" class="sw pickable" :style="{ '--c': tint }" data-tip="Colour of the raw image">
            <input type="color" :value="tint" aria-label="Colour of the raw image" @change="recolour($event.target.value)">
          </label>
        </span>
      </template>
      <template #default>
        <div v-if="many" class="hstack">
          <span class="grow">Channels</span>
          <Menu :name="'Channels: ' + modeName" :items="channelMenu" kind="field s select short-select"
              tip="Which channels are shown" right @choose="mode">
            <span class="trunc">{{ modeName }}</span>
            <Icon n="down" />
          </Menu>
        </div>
        <Channels v-if="many" :names="names" :mode="modeNow" :chosen="channel" :first="lane.first" @choose="chosen = $event" />
        <Histogram v-if="histogram" :histogram="histogram" :low="low" :high="high" :whole="whole"
            @range="setChannel({ low: $event[0], high: $event[1] })" />
        <p v-else-if="!lane" class="note">No image is shown.</p>
        <div v-else class="histo none"><span v-if="failed" class="note">No histogram: the image could not be read.</span></div>
        <div v-if="lane" class="hstack">
          <TypedField class="short" :value="shown(low)" name="Black" tip="What is shown black" @typed="type(0, $event)" />
          <span class="dim">to</span>
          <TypedField class="short" :value="shown(high)" name="White" tip="What is shown white" @typed="type(1, $event)" />
          <span class="grow"></span>
          <button type="button" class="btn s" data-tip="Automatic contrast, 0.1 to 99.9 %, same for all images" :data-key="autoKey"
              @click="auto">
            <Icon n="auto" />Auto <kbd v-if="autoKey && !autoKey.includes(' ')">{{ autoKey }}</kbd>
          </button>
        </div>
        <div v-if="lane" class="hstack">
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
