/** Step 2: filters x scales, by click, by dragging over cells, by heads, by keys. */
import { computed, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { featureCount, impossible, turnsOn, withCells, withFlat, withoutScale, withScale } from "./choice.js";
import { command } from "./link.js";
import { counted } from "./words.js";

/** The matrix with what is in use; changes are a draft until they are used. */
export const FeatureTable = {
  components: { Icon, IconButton },
  props: {
    filters: { type: Array, default: () => [] },
    chosen: { type: Object, default: null },
    sizes: { type: Object, default: () => ({ z: 1, y: 1, x: 1 }) },
    micrometres: { type: Number, default: 0 },
    channels: { type: Number, default: 1 },
    volume: Boolean,
    vigra: Boolean,
    locked: Boolean,
  },
  setup(/** @type {any} */ props) {
    const draft = ref(/** @type {import("./choice.js").Choice | null} */ (null)),
      fresh = ref(""),
      here = ref([0, 0]),
      table = ref(/** @type {HTMLElement | null} */ (null));
    let painting = /** @type {boolean | null} */ (null);
    const changed = computed(() => !!draft.value && JSON.stringify(draft.value) !== JSON.stringify(props.chosen));
    watch(
      () => props.chosen,
      (now) => {
        draft.value = now ? JSON.parse(JSON.stringify(now)) : null;
      },
      { immediate: true },
    );
    const groups = computed(() =>
      [...new Set(props.filters.map((/** @type {any} */ one) => one.group))].map((name) => ({
        name,
        filters: props.filters.filter((/** @type {any} */ one) => one.group === name),
      })),
    );
    const choice = () => /** @type {import("./choice.js").Choice} */ (draft.value);
    const put = (/** @type {[any, number][]} */ cells, /** @type {boolean} */ on) => {
      if (!props.locked) draft.value = withCells(choice(), cells, on, props.sizes);
    };
    const all = (/** @type {any[]} */ filters, /** @type {number[] | null} */ places = null) =>
      /** @type {[any, number][]} */ (
        filters.flatMap((filter) => (places || choice().scales.map((_, at) => at)).map((at) => [filter, at]))
      );
    const head = (/** @type {[any, number][]} */ cells) => put(cells, turnsOn(choice(), cells, props.sizes));
    const why = (/** @type {any} */ filter, /** @type {number} */ at) =>
      impossible(filter, choice().scales[at], choice().flat[at], props.sizes);
    const down = (/** @type {PointerEvent} */ event, /** @type {any} */ filter, /** @type {number} */ at) => {
      if (event.button !== 0) return;
      /** @type {HTMLElement} */ (event.currentTarget).releasePointerCapture?.(event.pointerId);
      here.value = [props.filters.indexOf(filter), at];
      painting = !choice().cells[filter.id][at];
      put([[filter, at]], painting);
    };
    const over = (/** @type {PointerEvent} */ event, /** @type {any} */ filter, /** @type {number} */ at) => {
      if (painting !== null && event.buttons & 1) put([[filter, at]], painting);
      else painting = null;
    };
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, [number, number]>} */ ({
        ArrowDown: [1, 0],
        ArrowUp: [-1, 0],
        ArrowRight: [0, 1],
        ArrowLeft: [0, -1],
      })[event.key];
      if (by) {
        const rows = props.filters.length,
          columns = choice().scales.length;
        here.value = [
          Math.max(0, Math.min(rows - 1, here.value[0] + by[0])),
          Math.max(0, Math.min(columns - 1, here.value[1] + by[1])),
        ];
        /** @type {HTMLElement | null | undefined} */ (
          table.value?.querySelector(`[data-cell="${here.value.join(" ")}"]`)
        )?.focus();
      } else if (event.key === " " || event.key === "Enter") {
        const filter = props.filters[here.value[0]];
        put([[filter, here.value[1]]], !choice().cells[filter.id][here.value[1]]);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const add = () => {
      const scale = Number(fresh.value.replace(",", "."));
      if (!(scale > 0 && scale < 1000)) return;
      draft.value = withScale(choice(), Math.round(scale * 1000) / 1000, !props.volume);
      fresh.value = "";
    };
    const use = () => {
      const { scales, cells, flat } = choice(),
        none = !Object.values(cells).flat().some(Boolean);
      const selection = none
        ? null
        : {
            filters: props.filters.map((/** @type {any} */ one) => one.id),
            scales,
            matrix: props.filters.map((/** @type {any} */ one) => cells[one.id]),
            in_2d: flat,
            vigra_structure: props.vigra,
          };
      command({ type: "set_features", selection }, `${counted(count.value, "feature")} chosen.`);
    };
    const count = computed(() => (draft.value ? featureCount(choice(), props.filters, props.channels) : 0));
    return {
      draft,
      fresh,
      here,
      table,
      changed,
      groups,
      put,
      all,
      head,
      why,
      down,
      over,
      key,
      add,
      use,
      count,
      counted,
      cancel: () => {
        draft.value = JSON.parse(JSON.stringify(props.chosen));
      },
      drop: (/** @type {number} */ at) => {
        draft.value = withoutScale(choice(), at);
      },
      flat: (/** @type {number} */ at) => {
        draft.value = withFlat(choice(), at, !choice().flat[at], props.filters, props.sizes);
      },
      micro: (/** @type {number} */ scale) => (props.micrometres ? Number((scale * props.micrometres).toPrecision(2)) : ""),
      place: (/** @type {any} */ filter) => props.filters.indexOf(filter),
    };
  },
  template: `
    <div class="page">
      <div class="bar">
        <h2>Features</h2>
        <span class="pill">{{ count }}</span>
        <span class="dim hintline">
          {{ locked ? 'The project is open for reading only.' : 'Click, or drag over cells, rows and heads' }}
        </span>
        <span class="grow"></span>
        <template v-if="!locked">
          <button type="button" class="btn s" :disabled="!changed" @click="cancel">Cancel</button>
          <button type="button" class="btn s primary" :disabled="!changed" @click="use">Use these</button>
        </template>
      </div>
      <div class="scroll">
        <div v-if="draft" class="padded wide">
          <table class="mx" ref="table" @keydown="key">
            <thead>
              <tr>
                <th class="scalehead">
                  <span class="fg">Scale</span>
                  <br>
                  <span class="dim">px{{ micrometres ? ', and µm' : '' }}</span>
                </th>
                <th v-for="(scale, at) in draft.scales" :key="scale" class="sg">
                  <button type="button" class="headcell" :disabled="locked" :data-tip="'All filters at ' + scale + ' px'"
                      @click="head(all(filters, [at]))">
                    {{ scale }}<small v-if="micrometres">{{ micro(scale) }}</small>
                  </button>
                </th>
              </tr>
            </thead>
            <tbody v-for="group in groups">
              <tr class="grp">
                <th :colspan="draft.scales.length + 1">
                  <button type="button" class="headcell" :disabled="locked" data-tip="The whole group"
                      @click="head(all(group.filters))">
                    {{ group.name }}
                  </button>
                </th>
              </tr>
              <tr v-for="filter in group.filters" class="row">
                <th scope="row">
                  <button type="button" class="headcell" :disabled="locked" data-tip="The whole row" @click="head(all([filter]))">
                    {{ filter.name }}
                  </button>
                </th>
                <td v-for="(scale, at) in draft.scales" :key="scale">
                  <span class="c" :class="{ on: draft.cells[filter.id][at], no: why(filter, at) }" role="checkbox"
                      :data-cell="place(filter) + ' ' + at" :tabindex="here[0] === place(filter) && here[1] === at ? 0 : -1"
                      :aria-label="filter.name + ' ' + scale + ' px'"
                      :aria-checked="draft.cells[filter.id][at] ? 'true' : 'false'"
                      :aria-disabled="why(filter, at) || locked ? 'true' : null" :data-tip="why(filter, at) || null"
                      @focus="here = [place(filter), at]" @pointerdown="down($event, filter, at)"
                      @pointerover="over($event, filter, at)">
                    <Icon v-if="draft.cells[filter.id][at]" n="check" />
                  </span>
                </td>
              </tr>
            </tbody>
            <tbody>
              <tr class="dimrow">
                <th scope="row">2D or 3D</th>
                <td v-for="(scale, at) in draft.scales" :key="scale">
                  <button v-if="volume" type="button" class="btn-quiet flatcell" :disabled="locked"
                      :aria-label="scale + ' px: ' + (draft.flat[at] ? '2D, slice by slice' : '3D')"
                      :data-tip="draft.flat[at] ? 'Slice by slice; click for 3D' : 'In 3D; click for slice by slice'"
                      @click="flat(at)">
                    {{ draft.flat[at] ? '2D' : '3D' }}
                  </button>
                  <span v-else data-tip="These images have no z">2D</span>
                </td>
              </tr>
              <tr v-if="!locked">
                <th></th>
                <td v-for="(scale, at) in draft.scales" :key="scale" class="mid">
                  <IconButton v-if="draft.scales.length > 1" class="t" icon="x" :name="'Remove the scale ' + scale + ' px'"
                      @click="drop(at)" />
                </td>
              </tr>
            </tbody>
          </table>
          <form v-if="!locked" class="hstack newscale" @submit.prevent="add">
            <span class="field s">
              <input v-model="fresh" inputmode="decimal" placeholder="New scale" aria-label="New scale in pixels">
              <span class="unit">px</span>
            </span>
            <button type="submit" class="btn s" :disabled="!fresh.trim()"><Icon n="plus" />Add</button>
          </form>
        </div>
      </div>
    </div>
  `,
};
