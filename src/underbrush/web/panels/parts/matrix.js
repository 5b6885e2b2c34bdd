/** Step 2: filters x scales in a sheet over the image, by click, by dragging over cells, by heads, by keys. */
import { computed, onBeforeUnmount, onMounted, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { impossible, turnsOn, withCells, withFlat } from "./choice.js";
import { cancel, changed, chosenIs, coarseness, count, drafting, inMicrometres, micrometres, recall, scaleText, selectionOf, show, use } from "./feature_draft.js";
import { ReachDisc } from "./reach.js";
import { app, link } from "./link.js";
import { counted } from "./words.js";

/** Slices this many times farther apart than pixels are better filtered one by one. */
const COARSE = 3;
/** So long (milliseconds) a draft rests before its cost is measured. */
const REST = 500;

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./choice.js").Filter} Filter */

/** Keys and pointers on the cells. @param {import("vue").Ref<HTMLElement | null>} table */
function cellDeeds(table) {
  const here = ref([0, 0]);
  let painting = /** @type {boolean | null} */ (null);
  const choice = () => /** @type {Choice} */ (drafting.draft);
  const put = (/** @type {[Filter, number][]} */ cells, /** @type {boolean} */ on) => {
    if (!drafting.locked) drafting.draft = withCells(choice(), cells, on, drafting.sizes);
  };
  const over = (/** @type {Filter} */ filter, /** @type {number} */ at) => {
    drafting.over = { id: filter.id, scale: choice().scales[at], flat: choice().flat[at] };
  };
  const down = (/** @type {PointerEvent} */ event, /** @type {Filter} */ filter, /** @type {number} */ at) => {
    if (event.button !== 0) return;
    /** @type {HTMLElement} */ (event.currentTarget).releasePointerCapture?.(event.pointerId);
    here.value = [drafting.filters.indexOf(filter), at];
    painting = !choice().cells[filter.id][at];
    put([[filter, at]], painting);
  };
  const enter = (/** @type {PointerEvent} */ event, /** @type {Filter} */ filter, /** @type {number} */ at) => {
    over(filter, at);
    if (painting !== null && event.buttons & 1) put([[filter, at]], painting);
    else painting = null;
  };
  const focus = (/** @type {Filter} */ filter, /** @type {number} */ at) => {
    here.value = [drafting.filters.indexOf(filter), at];
    over(filter, at);
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    const by = /** @type {Record<string, [number, number]>} */ ({
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
    })[event.key];
    const target = event.target instanceof HTMLElement ? event.target : null;
    if (!target?.dataset.cell) return; // heads are buttons of their own
    if (by) {
      const rows = drafting.filters.length,
        columns = choice().scales.length,
        inside = (/** @type {number} */ at, /** @type {number} */ end) => Math.max(0, Math.min(end - 1, at));
      here.value = [inside(here.value[0] + by[0], rows), inside(here.value[1] + by[1], columns)];
      /** @type {HTMLElement | null | undefined} */ (table.value?.querySelector(`[data-cell="${here.value.join(" ")}"]`))?.focus();
    } else if (event.key === " " || event.key === "Enter") {
      const filter = drafting.filters[here.value[0]];
      put([[filter, here.value[1]]], !choice().cells[filter.id][here.value[1]]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const all = (/** @type {Filter[]} */ filters, /** @type {number[] | null} */ places = null) =>
    /** @type {[Filter, number][]} */ (
      filters.flatMap((filter) => (places || choice().scales.map((_, at) => at)).map((at) => [filter, at]))
    );
  const head = (/** @type {[Filter, number][]} */ cells) => put(cells, turnsOn(choice(), cells, drafting.sizes));
  return { here, down, enter, focus, key, all, head };
}

/** While features are chosen the image is looked at and not painted on. */
function lookOnly() {
  let tool = "";
  watch(
    () => link.step === 2,
    (now) => {
      if (now) {
        tool = link.tool.tool;
        app()?.setTool("navigate");
      } else if (tool) {
        if (link.tool.tool === "navigate") app()?.setTool(tool);
        tool = "";
        show(null);
      }
    },
  );
}

/** How long the draft takes, measured on this computer. @param {any} props @param {any} emit */
function measured(props, emit) {
  const wanted = computed(() => JSON.stringify([selectionOf(), drafting.channels, drafting.volume]));
  let timer = 0;
  const ask = () => {
    clearTimeout(timer);
    if (link.step !== 2 || props.cost?.key === wanted.value || !count.value) return;
    timer = window.setTimeout(() => emit("act", { name: "cost", key: wanted.value, selection: selectionOf() }), REST);
  };
  watch([wanted, () => link.step], ask);
  onBeforeUnmount(() => clearTimeout(timer));
  return computed(() => {
    const { key, ms } = props.cost || {};
    if (!count.value || key !== wanted.value || !(ms > 0)) return "";
    return `${ms >= 9.5 ? Math.round(ms).toLocaleString("en-US") : Number(ms.toPrecision(2))} ms per Mpx`;
  });
}

/** The matrix with what is in use; changes are a draft until they are used. */
export const FeatureTable = {
  components: { Icon, IconButton, ReachDisc },
  props: {
    filters: { type: Array, default: () => [] },
    chosen: { type: Object, default: null },
    sizes: { type: Object, default: () => ({ z: 1, y: 1, x: 1 }) },
    channels: { type: Number, default: 1 },
    volume: Boolean,
    vigra: Boolean,
    locked: Boolean,
    cost: { type: Object, default: null },
  },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const table = ref(/** @type {HTMLElement | null} */ (null));
    watch(
      () => ({ ...props }),
      ({ filters, chosen, sizes, channels, volume, vigra, locked }) => chosenIs({ filters, chosen, sizes, channels, volume, vigra, locked }),
      { immediate: true },
    );
    onMounted(recall);
    lookOnly();
    const groups = computed(() =>
      [...new Set(drafting.filters.map((one) => one.group))].map((name) => ({
        name,
        filters: drafting.filters.filter((one) => one.group === name),
      })),
    );
    const choice = () => /** @type {Choice} */ (drafting.draft);
    const why = (/** @type {Filter} */ filter, /** @type {number} */ at) =>
      impossible(filter, choice().scales[at], choice().flat[at], drafting.sizes);
    const setFlat = (/** @type {number} */ at, /** @type {boolean} */ flat) => {
      drafting.draft = withFlat(choice(), at, flat, drafting.filters, drafting.sizes);
    };
    return {
      ...cellDeeds(table),
      d: drafting,
      table,
      link,
      changed,
      groups,
      why,
      use,
      count,
      counted,
      cancel,
      inMicrometres,
      micrometres,
      scaleText,
      cost: measured(props, emit),
      flip: (/** @type {number} */ at) => setFlat(at, !choice().flat[at]),
      allFlat: () => choice().scales.forEach((_, at) => setFlat(at, true)),
      proposal: computed(() =>
        drafting.volume && coarseness.value > COARSE && drafting.draft && !drafting.draft.flat.every(Boolean)
          ? `Slices are ${coarseness.value.toFixed(1)} times farther apart than pixels: 2D suits them.`
          : "",
      ),
      flatTip: (/** @type {number} */ at) =>
        choice().flat[at] ? "Slice by slice. Click for 3D." : "Through the slices. Click for slice by slice (2D).",
      isShown: (/** @type {Filter} */ filter, /** @type {number} */ scale) =>
        drafting.shown?.id === filter.id && drafting.shown.scale === scale,
      place: (/** @type {Filter} */ filter) => drafting.filters.indexOf(filter),
    };
  },
  template: `
    <div class="featurelayer">
      <ReachDisc />
      <button v-if="!d.open" type="button" class="btn s reopen" data-tip="Filters and scales" @click="d.open = true">
        Choose features
      </button>
      <section v-else class="sheet" aria-label="Features">
        <div class="bar">
          <h2>Features</h2>
          <span class="grow"></span>
          <span class="dim">{{ d.locked ? 'The project is open for reading only.' : 'Click, or drag over cells, rows and heads' }}</span>
          <IconButton icon="x" name="Close" @click="d.open = false" />
        </div>
        <div v-if="proposal && !d.locked" class="callout inset">
          <Icon n="info" />
          <span class="grow">{{ proposal }}</span>
          <button type="button" class="btn s" @click="allFlat">Use 2D</button>
        </div>
        <div v-if="d.draft" class="mxroom" @pointerleave="d.over = null" @focusout="d.over = null">
          <table class="mx" :class="{ still: d.locked }" ref="table" @keydown="key">
            <thead>
              <tr>
                <th class="scalehead">
                  <span class="fg">Scale</span><br><span class="dim">px{{ micrometres ? ', and µm' : '' }}</span>
                </th>
                <th v-for="(scale, at) in d.draft.scales" :key="scale" class="sg">
                  <button type="button" class="headcell" :disabled="d.locked" :data-tip="'All filters at ' + scaleText(scale) + ' px'"
                      @click="head(all(d.filters, [at]))">
                    {{ scaleText(scale) }}<small v-if="micrometres">{{ inMicrometres(scale) }}</small>
                  </button>
                </th>
              </tr>
            </thead>
            <tbody v-for="group in groups">
              <tr class="grp">
                <th :colspan="d.draft.scales.length + 1">
                  <button type="button" class="headcell" :disabled="d.locked" data-tip="The whole group"
                      @click="head(all(group.filters))">
                    {{ group.name }}
                  </button>
                </th>
              </tr>
              <tr v-for="filter in group.filters" class="row">
                <th scope="row">
                  <button type="button" class="headcell" :disabled="d.locked" data-tip="The whole row" @click="head(all([filter]))">
                    {{ filter.name }}
                  </button>
                </th>
                <td v-for="(scale, at) in d.draft.scales" :key="scale">
                  <span class="c" role="checkbox"
                      :class="{ on: d.draft.cells[filter.id][at], no: why(filter, at), shown: isShown(filter, scale) }"
                      :data-cell="place(filter) + ' ' + at" :tabindex="here[0] === place(filter) && here[1] === at ? 0 : -1"
                      :aria-label="filter.name + ' ' + scaleText(scale) + ' px'"
                      :aria-checked="d.draft.cells[filter.id][at] ? 'true' : 'false'"
                      :aria-disabled="why(filter, at) || d.locked ? 'true' : null" :data-tip="why(filter, at) || null"
                      @focus="focus(filter, at)" @pointerdown="down($event, filter, at)" @pointerover="enter($event, filter, at)">
                    <Icon v-if="d.draft.cells[filter.id][at]" n="check" />
                  </span>
                </td>
              </tr>
            </tbody>
            <tbody>
              <tr class="dimrow">
                <th scope="row">2D or 3D</th>
                <td v-for="(scale, at) in d.draft.scales" :key="scale">
                  <button v-if="d.volume" type="button" class="btn-quiet flatcell" :disabled="d.locked"
                      :aria-label="scaleText(scale) + ' px: ' + (d.draft.flat[at] ? '2D, slice by slice' : '3D')"
                      :data-tip="flatTip(at)" @click="flip(at)">
                    {{ d.draft.flat[at] ? '2D' : '3D' }}
                  </button>
                  <span v-else data-tip="These images have no z">2D</span>
                </td>
              </tr>
            </tbody>
          </table>
        </div>
        <div class="foot">
          <span class="fg">{{ counted(count, 'feature') }}</span>
          <span class="dim" data-tip="Measured on this computer, on one core">{{ cost }}</span>
          <span class="grow"></span>
          <template v-if="!d.locked">
            <button type="button" class="btn" :disabled="!changed" @click="cancel">Cancel</button>
            <button type="button" class="btn primary" :disabled="!changed" @click="use">Use these</button>
          </template>
        </div>
      </section>
    </div>
  `,
};
