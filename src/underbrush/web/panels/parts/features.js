/** Step 2, left: presets, the channels that feed the features, scales. */
import { computed, nextTick, ref } from "vue";
import { Icon, IconButton } from "./basics.js";
import { withChangedScale, withoutScale, withScale } from "./choice.js";
import { coarseness, drafting, inMicrometres, micrometres, scaleText } from "./feature_draft.js";
import { command, link, shownLane } from "./link.js";
import { counted } from "./words.js";

/** Presets, and what is chosen now. */
export const Presets = {
  components: { Icon },
  props: {
    presets: { type: Array, default: () => [] },
    chosen: { type: String, default: "" },
    selection: { type: Object, default: null },
    count: { type: Number, default: 0 },
    channels: { type: Number, default: 0 },
    locked: Boolean,
  },
  setup(/** @type {any} */ props) {
    const own = computed(() => {
      const last = drafting.last;
      return !props.chosen && last && JSON.stringify(props.selection) === JSON.stringify(last.selection);
    });
    const rows = computed(() => {
      const all = props.presets.map((/** @type {any} */ one) => ({ ...one, on: one.name === props.chosen }));
      const last = drafting.last && { ...drafting.last, name: "Last used", tip: "The last own choice in this browser", on: own.value };
      return last ? [...all.slice(0, -1), last, ...all.slice(-1)] : all;
    });
    const choose = (/** @type {any} */ preset) => {
      if (!props.locked && !preset.on) command({ type: "set_features", selection: preset.selection }, `Features: ${preset.name}.`);
    };
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 })[event.key];
      if (!by) return;
      const all = /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("button")]);
      const next = all[(all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by + all.length) % all.length];
      next.focus();
      event.preventDefault();
      event.stopPropagation();
    };
    return { rows, own, choose, key, counted };
  },
  template: `
    <section class="sec">
      <div class="sec-h"><h3>Presets</h3></div>
      <div class="vstack radios" role="radiogroup" aria-label="Presets" @keydown="key">
        <button v-for="preset in rows" type="button" class="check radio" :class="{ on: preset.on }" role="radio"
            :aria-checked="preset.on ? 'true' : 'false'" :disabled="locked" :data-tip="preset.tip" @click="choose(preset)">
          <i></i>
          <span class="grow">{{ preset.name }}</span>
          <span class="dim">{{ preset.count }}</span>
        </button>
      </div>
      <p class="fg below2">{{ chosen || (own ? 'Last used' : 'Own choice') }}: {{ counted(count, 'feature') }}</p>
    </section>
  `,
};

/** More channels than this have a filter box. */
const MANY = 8;

/** Which channels are filtered. */
export const FeatureChannels = {
  components: { Icon },
  setup() {
    const filter = ref("");
    const names = computed(() => {
      const lane = shownLane();
      return Array.from({ length: lane?.shape[1] || 1 }, (_, at) => lane?.channels?.[at] || (lane?.rgb && at < 3 ? ["Red", "Green", "Blue"][at] : (lane?.shape[1] || 1) > 1 ? `Channel ${at}` : "Grey"));
    });
    const used = computed(() => {
      const chosen = link.state?.settings?.channels;
      return new Set(chosen || names.value.map((_, at) => at));
    });
    const rows = computed(() =>
      names.value
        .map((name, at) => ({ name, at, on: used.value.has(at), only: used.value.size === 1 && used.value.has(at) }))
        .filter(({ name }) => name.toLowerCase().includes(filter.value.trim().toLowerCase())),
    );
    const send = (/** @type {number[]} */ list) =>
      command({ type: "set_channels", channels: list.length === names.value.length ? null : list.sort((a, b) => a - b) });
    const flip = (/** @type {number} */ at) => {
      const after = new Set(used.value);
      if (!after.delete(at)) after.add(at);
      if (after.size) send([...after]);
    };
    const all = () => send(names.value.map((_, at) => at));
    return { d: drafting, filter, names, used, rows, flip, all, MANY };
  },
  template: `
    <section class="sec">
      <div class="sec-h">
        <h3>Channels</h3>
        <span v-if="names.length > 1" class="dim">{{ used.size }} of {{ names.length }}</span>
        <button v-if="used.size < names.length && !d.locked" type="button" class="btn-quiet headbtn" data-tip="All channels" @click="all">All</button>
      </div>
      <label v-if="names.length > MANY" class="field s below">
        <Icon n="search" /><input v-model="filter" placeholder="Filter" aria-label="Filter the channels that feed the features">
      </label>
      <div class="vstack checks" :class="{ many: names.length > MANY }">
        <button v-for="row in rows" type="button" class="check" :class="{ on: row.on }" role="checkbox" :aria-checked="row.on ? 'true' : 'false'"
            :disabled="d.locked" :aria-disabled="row.only ? 'true' : null"
            :data-tip="row.only ? 'One channel at least feeds the features' : null" @click="flip(row.at)">
          <i><Icon v-if="row.on" n="check" /></i><span class="trunc">{{ row.name }}</span>
        </button>
      </div>
      <p class="note below2">Which channels feed the features.</p>
    </section>
  `,
};

/** The sigmas: add, change, remove. */
export const FeatureScales = {
  components: { Icon, IconButton },
  setup() {
    const fresh = ref(""),
      unit = ref("px"),
      edited = ref(-1),
      typed = ref(""),
      root = ref(/** @type {HTMLElement | null} */ (null));
    /** @param {string} text @param {string} [of] @returns {number | null} pixels */
    const parsed = (text, of = "px") => {
      const value = Number(text.trim().replace(",", ".")) / (of === "µm" ? micrometres.value : 1),
        scale = Math.round(value * 1000) / 1000;
      return text.trim() && scale >= 0.1 && scale < 1000 ? scale : null;
    };
    const wrong = computed(() => fresh.value.trim() !== "" && parsed(fresh.value, unit.value) === null);
    const add = () => {
      const scale = parsed(fresh.value, unit.value);
      if (scale === null || !drafting.draft) return;
      drafting.draft = withScale(drafting.draft, scale, !drafting.volume || coarseness.value > 3);
      fresh.value = "";
    };
    const edit = async (/** @type {number} */ at) => {
      if (drafting.locked) return;
      edited.value = at;
      typed.value = String(drafting.draft?.scales[at] ?? "");
      await nextTick();
      const field = root.value?.querySelector("input");
      field?.select();
      field?.focus();
    };
    const change = () => {
      const scale = parsed(typed.value),
        at = edited.value;
      edited.value = -1;
      if (scale !== null && at >= 0 && drafting.draft) drafting.draft = withChangedScale(drafting.draft, at, scale, drafting.filters, drafting.sizes);
    };
    return {
      d: drafting,
      fresh,
      unit,
      edited,
      typed,
      root,
      wrong,
      add,
      edit,
      change,
      micrometres,
      inMicrometres,
      scaleText,
      drop: (/** @type {number} */ at) => {
        if (drafting.draft) drafting.draft = withoutScale(drafting.draft, at);
      },
      swap: () => {
        unit.value = unit.value === "px" && micrometres.value ? "µm" : "px";
      },
    };
  },
  template: `
    <section class="sec" v-if="d.draft">
      <div class="sec-h"><h3>Scales</h3></div>
      <div class="scalechips" ref="root">
        <span v-for="(scale, at) in d.draft.scales" :key="scale" class="scalechip">
          <input v-if="edited === at" class="scalefield" inputmode="decimal" v-model="typed" aria-label="Sigma in pixels"
              @keydown.enter="change" @keydown.esc.stop="edited = -1" @blur="change">
          <button v-else type="button" class="scalevalue" :disabled="d.locked" :aria-label="'Change ' + scaleText(scale) + ' px'"
              :data-tip="'Change ' + scaleText(scale) + ' px' + (micrometres ? ', ' + inMicrometres(scale) + ' µm' : '')" @click="edit(at)">
            {{ scaleText(scale) }}
          </button>
          <IconButton v-if="!d.locked && d.draft.scales.length > 1" class="t" icon="x" :name="'Remove ' + scaleText(scale) + ' px'" @click="drop(at)" />
        </span>
      </div>
      <form v-if="!d.locked" class="hstack newscale" @submit.prevent="add">
        <span class="field s" :class="{ err: wrong }">
          <input v-model="fresh" inputmode="decimal" placeholder="New scale" :aria-label="'New scale in ' + (unit === 'px' ? 'pixels' : 'micrometres')">
          <button v-if="micrometres" type="button" class="unit unitswap" data-tip="Pixels or micrometres" @click="swap">{{ unit }}</button>
          <span v-else class="unit">px</span>
        </span>
        <button type="submit" class="btn s" :disabled="!fresh.trim() || wrong"><Icon n="plus" />Add</button>
      </form>
      <p v-if="wrong" class="note">A sigma from 0.1 to 1,000 px.</p>
    </section>
  `,
};
