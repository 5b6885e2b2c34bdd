/** Step 1: the images of the project. */
import { computed, ref } from "vue";
import { Icon, IconButton } from "./basics.js";
import { address, app, command, link } from "./link.js";
import { counted, pixelSize, sizes } from "./words.js";

/** The left panel: add images. */
export const AddImages = {
  components: { Icon },
  emits: ["act"],
  setup(/** @type {any} */ _props, /** @type {any} */ { emit }) {
    const path = ref("");
    const add = () => {
      if (path.value.trim()) {
        emit("act", { name: "add", paths: [path.value.trim()] });
        path.value = "";
      }
    };
    const locked = computed(() => !!link.state?.read_only);
    return {
      path,
      add,
      link,
      locked,
      counted,
      browse: () => {
        link.dialog = "add";
      },
      missing: computed(() => (link.state?.lanes || []).filter((one) => one.missing).length),
    };
  },
  template: `
    <div>
      <section class="sec">
        <div class="sec-h"><h3>Add images</h3></div>
        <template v-if="!locked">
          <div class="empty lean"><p>Drop images here, or browse this computer. They stay where they are.</p></div>
          <form class="vstack" @submit.prevent="add">
            <span class="field">
              <input v-model="path" placeholder="Path, or pattern such as data/*.tif"
                  aria-label="Path, or pattern such as data/*.tif" spellcheck="false">
            </span>
            <div class="hstack">
              <button type="submit" class="btn s grow" :disabled="!path.trim()"><Icon n="plus" />Add</button>
              <button type="button" class="btn s grow" data-tip="Files of the machine that runs Underbrush" @click="browse">
                <Icon n="folder" />Browse
              </button>
            </div>
          </form>
        </template>
        <p v-else class="note">The project is open for reading only.</p>
      </section>
      <section class="sec">
        <div class="sec-h"><h3>Project</h3></div>
        <div class="kv">
          <span>Images</span>
          <span>{{ link.state?.lanes.length || 0 }}</span>
          <template v-if="missing"><span>Missing</span><span>{{ missing }}</span></template>
        </div>
      </section>
    </div>
  `,
};

/** The table. */
export const ImageTable = {
  components: { Icon, IconButton },
  setup() {
    const filter = ref(""),
      broken = ref(/** @type {Record<string, boolean>} */ ({})),
      selected = ref("");
    const lanes = computed(() =>
      (link.state?.lanes || []).filter(
        (one) => !filter.value || `${one.nickname} ${one.location || ""}`.toLowerCase().includes(filter.value.toLowerCase()),
      ),
    );
    const one = computed(() => (link.state?.lanes || []).find((lane) => lane.id === selected.value));
    const remove = () => {
      const lane = one.value;
      if (lane) command({ type: "remove_lane", id: lane.id }, `${lane.nickname} removed from the project; the file stays.`);
    };
    const shown = (/** @type {any} */ lane) => {
      if (!lane.missing) {
        app()?.setLane(lane.id);
        link.step = 3;
      }
    };
    const key = (/** @type {KeyboardEvent} */ event, /** @type {any} */ lane) => {
      const row = /** @type {HTMLElement} */ (event.currentTarget);
      if (event.key === "ArrowDown") /** @type {HTMLElement | null} */ (row.nextElementSibling)?.focus();
      else if (event.key === "ArrowUp") /** @type {HTMLElement | null} */ (row.previousElementSibling)?.focus();
      else if (event.key === "Enter") shown(lane);
      else if (event.key === " ") selected.value = lane.id;
      else if (event.key === "Delete") {
        selected.value = lane.id;
        remove();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const move = (/** @type {number} */ by) => {
      const lane = one.value,
        at = (link.state?.lanes || []).findIndex((row) => row.id === lane?.id) + by;
      if (lane && at >= 0 && at < (link.state?.lanes.length || 0)) command({ type: "move_lane", id: lane.id, place: at });
    };
    const picture = (/** @type {any} */ lane) =>
      address(`/api/p/${link.project}/lanes/${lane.id}/thumbnail?v=${encodeURIComponent(lane.v)}`);
    const strokes = (/** @type {any} */ lane) =>
      Object.values(lane.strokes || {}).reduce((/** @type {number} */ sum, /** @type {any} */ row) => sum + row[0], 0);
    return {
      link,
      filter,
      lanes,
      broken,
      selected,
      one,
      remove,
      shown,
      key,
      move,
      picture,
      sizes,
      pixelSize,
      strokes,
      counted,
      axes: (/** @type {any} */ lane) => [...lane.axes].join(" "),
    };
  },
  template: `
    <div class="page">
      <div class="bar">
        <h2>Images</h2>
        <span class="pill">{{ link.state?.lanes.length || 0 }}</span>
        <span class="grow"></span>
        <span class="field s w200"><Icon n="search" /><input v-model="filter" placeholder="Filter" aria-label="Filter"></span>
        <template v-if="!link.state?.read_only">
          <button type="button" class="btn s" :disabled="!one" data-tip="Earlier in the order" @click="move(-1)">Move up</button>
          <button type="button" class="btn s" :disabled="!one" data-tip="Later in the order" @click="move(1)">Move down</button>
          <button type="button" class="btn s" :disabled="!one" data-tip="Takes it out of the project; the file stays" data-key="Del"
              @click="remove">
            Remove
          </button>
        </template>
      </div>
      <div class="scroll">
        <table v-if="lanes.length" class="tbl pic">
          <thead>
            <tr>
              <th class="w56"><span class="sr">Picture</span></th>
              <th>Nickname</th>
              <th>Axes</th>
              <th class="num">Shape</th>
              <th>Type</th>
              <th class="num">Pixel</th>
              <th>Location</th>
              <th class="num">Strokes</th>
              <th>Warnings</th>
            </tr>
          </thead>
          <tbody>
            <tr v-for="lane in lanes" :key="lane.id" tabindex="0" :aria-selected="lane.id === selected ? 'true' : 'false'"
                @click="selected = lane.id" @dblclick="shown(lane)" @keydown="key($event, lane)">
              <td>
                <img v-if="!lane.missing && !broken[lane.id]" class="thumb" :src="picture(lane)" alt="" loading="lazy"
                    @error="broken[lane.id] = true">
                <span v-else class="thumb ph"><Icon n="file" /></span>
              </td>
              <td class="nm">{{ lane.nickname }}</td>
              <td>{{ axes(lane) }}</td>
              <td class="num">{{ sizes(lane.shape, lane.axes) }}</td>
              <td>{{ lane.rgb ? lane.dtype + ', colour' : lane.dtype }}</td>
              <td class="num">
                <template v-if="pixelSize(lane.pixel_size)">{{ pixelSize(lane.pixel_size) }}</template>
                <span v-else class="dim">–</span>
              </td>
              <td class="place" :data-tip="lane.location || ''">{{ lane.location || '–' }}</td>
              <td class="num">{{ strokes(lane) }}</td>
              <td class="warns">
                <span v-if="lane.missing" class="badge err" :data-tip="lane.missing"><Icon n="error" />missing</span>
                <span v-else class="dim">–</span>
              </td>
            </tr>
          </tbody>
        </table>
        <div v-else class="empty middle">
          <p class="fg">{{ filter ? 'No image has “' + filter + '” in its name.' : 'No images yet.' }}</p>
          <p v-if="!filter">Drop images here, or add them on the left. They stay where they are.</p>
        </div>
      </div>
    </div>
  `,
};
