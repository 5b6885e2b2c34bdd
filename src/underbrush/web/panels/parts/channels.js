/** The channels of the raw image: a click shows one alone, a second one all again; eyes and colours of a composite. */
import { computed, nextTick, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { hex, rgbOf } from "./classes.js";
import { app, keysOf, link } from "./link.js";

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
/** More channels than this have a filter box. */
const MANY = 8;

export const Channels = {
  components: { Icon, IconButton },
  props: { names: { type: Array, default: () => [] }, mode: { type: String, default: "composite" }, chosen: { type: Number, default: 0 }, first: { type: Array, default: () => [0, 1, 2] } },
  emits: ["choose"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const filter = ref("");
    const list = ref(/** @type {HTMLElement | null} */ (null));
    /** How several channels were shown, for the way back. */
    let together = "composite";
    watch(
      () => props.mode,
      (now) => {
        if (now !== "single") together = now;
      },
      { immediate: true },
    );
    const set = (/** @type {any} */ change) => app()?.setLayer("raw", change);
    const looks = computed(() => link.layers.raw?.channels || {});
    const rows = computed(() =>
      props.names
        .map((/** @type {string} */ name, /** @type {number} */ at) => ({ name, at }))
        .filter((/** @type {{name: string}} */ row) => row.name.toLowerCase().includes(filter.value.trim().toLowerCase())),
    );
    const solo = (/** @type {number} */ at) => {
      emit("choose", at);
      if (props.mode === "single" && props.chosen === at) set({ mode: together });
      else set({ mode: "single", channel: at });
    };
    const seen = (/** @type {number} */ at) => looks.value[String(at)]?.visible ?? props.first.includes(at);
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 })[event.key];
      const at = event.target instanceof HTMLElement ? event.target.dataset.channel : undefined;
      if (at === undefined) return;
      if (by) {
        const all = /** @type {HTMLElement[]} */ ([...(list.value?.querySelectorAll("[data-channel]") || [])]);
        all[all.indexOf(/** @type {HTMLElement} */ (event.target)) + by]?.focus();
      } else if (event.key === "Enter" || event.key === " ") solo(Number(at));
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    // By key (G) the channel may be one that is out of sight.
    watch(
      () => props.chosen,
      async () => {
        await nextTick();
        list.value?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
      },
    );
    return {
      filter,
      list,
      rows,
      solo,
      seen,
      key,
      MANY,
      eye: (/** @type {number} */ at) => set({ channels: { [at]: { visible: !seen(at) } } }),
      colourOf: (/** @type {number} */ at) =>
        hex(looks.value[String(at)]?.colour || (props.mode === "rgb" ? PRIMARY[at % 3] : COMPOSITE[at % COMPOSITE.length])),
      recolour: (/** @type {number} */ at, /** @type {string} */ colour) => set({ channels: { [at]: { colour: rgbOf(colour) } } }),
      soloKey: computed(() => keysOf("channel:+1").join(" ")),
    };
  },
  template: `
    <label v-if="names.length > MANY" class="field s">
      <Icon n="search" /><input v-model="filter" placeholder="Filter" aria-label="Filter the channels">
    </label>
    <div class="channels" role="listbox" aria-label="Channels" ref="list" @keydown="key">
      <div v-for="row in rows" :key="row.at" class="chan" role="option" :data-channel="row.at" :aria-label="row.name"
          :aria-selected="chosen === row.at ? 'true' : 'false'" :tabindex="chosen === row.at || !rows.some((one) => one.at === chosen) ? 0 : -1"
          :data-tip="mode === 'single' && chosen === row.at ? 'All channels again' : row.name + ' alone'" :data-key="soloKey" @click="solo(row.at)">
        <label v-if="mode === 'composite'" class="sw pickable" :style="{ '--c': colourOf(row.at) }" :data-tip="'Colour of ' + row.name" @click.stop>
          <input type="color" :value="colourOf(row.at)" :aria-label="'Colour of ' + row.name" @change="recolour(row.at, $event.target.value)">
        </label>
        <span v-else-if="mode === 'rgb'" class="sw" :style="{ '--c': colourOf(row.at) }"></span>
        <span class="trunc grow">{{ row.name }}</span>
        <span v-if="mode === 'single' && chosen === row.at" class="dim solo">alone</span>
        <IconButton v-if="mode === 'composite'" :icon="seen(row.at) ? 'eye' : 'eyeoff'" :name="(seen(row.at) ? 'Hide ' : 'Show ') + row.name"
            @click.stop="eye(row.at)" />
      </div>
      <p v-if="!rows.length" class="note">No channel has this in its name.</p>
    </div>
  `,
};
