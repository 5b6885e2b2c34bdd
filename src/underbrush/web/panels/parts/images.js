/** Step 1: the images of the project. */
import { computed, ref, watch } from "vue";
import { Icon, IconButton, Menu } from "./basics.js";
import { clicked, moves } from "./choosing.js";
import { ImageLook } from "./image_look.js";
import { findValues, valuesOf } from "./image_values.js";
import { address, app, command, link, say } from "./link.js";
import { selection } from "./selection.js";
import { alike, bytes, counted, halves, pixelSize, placeParts, sizes } from "./words.js";

const locked = () => !!link.state?.read_only;
const all = () => link.state?.lanes || [];

/** The left panel: add images, and how many there are. */
export const AddImages = {
  components: { Icon, Menu },
  props: { facts: { type: Object, default: () => ({}) } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const path = ref("");
    const typed = () => path.value.trim();
    const add = () => {
      if (!typed()) return;
      emit("act", { name: "add", paths: [typed()] });
      path.value = "";
    };
    const ALONG = [
      { text: "Slices, along z", id: "z" },
      { text: "Time points, along t", id: "t" },
      { text: "Channels, along c", id: "c" },
    ];
    const sequence = (/** @type {string} */ axis) => {
      selection.axis = axis;
      if (typed()) {
        emit("act", { name: "sequence", paths: [typed()], axis });
        path.value = "";
      } else link.dialog = "sequence";
    };
    const rows = computed(() => /** @type {any[]} */ (Object.values(props.facts)));
    return {
      path,
      add,
      link,
      locked: computed(locked),
      ALONG,
      sequence,
      counted,
      bytes,
      browse: () => {
        link.dialog = "add";
      },
      missing: computed(() => all().filter((one) => one.missing).length),
      embedded: computed(() => rows.value.filter((one) => one.storage === "embedded").length),
      size: computed(() => rows.value.reduce((sum, one) => sum + one.size, 0)),
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
              <input v-model="path" placeholder="Path, URL or pattern (data/*.tif)" aria-label="Path, URL or pattern such as data/*.tif"
                  spellcheck="false">
            </span>
            <div class="hstack">
              <button type="submit" class="btn s grow" :disabled="!path.trim()"><Icon n="plus" />Add</button>
              <button type="button" class="btn s grow" data-tip="Files of the machine that runs Underbrush" @click="browse">
                <Icon n="folder" />Browse
              </button>
            </div>
            <Menu name="Sequence" text="Sequence" icon="stack" kind="btn s wide" :items="ALONG"
                tip="Several files as one image, put together along an axis" @choose="sequence" />
          </form>
        </template>
        <p v-else class="note">The project is open for reading only.</p>
      </section>
      <section class="sec">
        <div class="sec-h"><h3>Project</h3></div>
        <div class="kv">
          <span>Images</span>
          <span>{{ link.state?.lanes.length || 0 }}</span>
          <span>Linked, embedded</span>
          <span>{{ (link.state?.lanes.length || 0) - embedded }}, {{ embedded }}</span>
          <template v-if="size"><span>On disk</span><span>{{ bytes(size) }}</span></template>
          <template v-if="missing"><span>Missing</span><span>{{ missing }}</span></template>
        </div>
      </section>
    </div>
  `,
};

/**
 * Questions that were answered with "as it is" are kept in this browser, by image and by kind of file, so that later
 * files of the kind are not asked about again; other answers are in the project.
 */
function answered() {
  const key = () => `underbrush.axes.${link.project}`;
  const read = () => {
    try {
      return /** @type {string[]} */ (JSON.parse(localStorage.getItem(key()) || "[]"));
    } catch {
      return [];
    }
  };
  const known = ref(read());
  return {
    has: (/** @type {string} */ one) => known.value.includes(one),
    add: (/** @type {string[]} */ some) => {
      known.value = [...new Set([...known.value, ...some])];
      try {
        localStorage.setItem(key(), JSON.stringify(known.value));
      } catch {
        /* a private window: asked again after a reload */
      }
    },
  };
}

/** The table. */
export const ImageTable = {
  components: { Icon, IconButton, ImageLook },
  props: { facts: { type: Object, default: () => ({}) }, questions: { type: Array, default: () => [] } },
  setup(/** @type {any} */ props) {
    const filter = ref(""),
      broken = ref(/** @type {Record<string, boolean>} */ ({})),
      answers = answered();
    const lanes = computed(() =>
      all().filter(
        (one) => !filter.value || `${one.nickname} ${one.location || ""}`.toLowerCase().includes(filter.value.toLowerCase()),
      ),
    );
    const differ = computed(() => alike(all().map((lane) => lane.nickname)));
    const ids = computed(() => lanes.value.map((lane) => lane.id));
    watch(ids, () => {
      const there = all().map((lane) => lane.id);
      selection.lanes = selection.lanes.filter((id) => there.includes(id));
    });
    const asked = computed(() => {
      const open = (/** @type {string} */ id) => !answers.has(id) && all().some((lane) => lane.id === id);
      return props.questions
        .filter((/** @type {any} */ one) => !answers.has(`kind ${one.key}`))
        .map((/** @type {any} */ one) => (one.flat ? one : { ...one, lanes: one.lanes.filter(open) }))
        .filter((/** @type {any} */ one) => one.lanes.length);
    });
    const doubtful = computed(() => asked.value.flatMap((/** @type {any} */ one) => (one.flat ? [] : one.lanes)));
    const answer = async (/** @type {any} */ question, /** @type {any} */ way) => {
      if (question.flat) {
        answers.add([`kind ${question.key}`]);
        if (way.command && (await command(way.command)).ok) say("Features are computed slice by slice.", { undo: true });
        return;
      }
      const axes = way.axes;
      const asItIs = question.lanes.every((/** @type {string} */ id) => all().find((lane) => lane.id === id)?.axes === axes);
      answers.add(asItIs ? [...question.lanes, `kind ${question.key}`] : question.lanes);
      for (const id of question.lanes) {
        if (all().find((lane) => lane.id === id)?.axes === axes) continue;
        if (!(await command({ type: "set_axes", id, axes })).ok) return;
      }
      say(`${counted(question.lanes.length, "image")} read as ${[...axes].join(" ")}.`);
    };
    const pick = (/** @type {string} */ id, /** @type {any} */ event = {}) => {
      const next = clicked(ids.value, selection.lanes, selection.anchor, id, {
        shift: event.shiftKey,
        ctrl: event.ctrlKey || event.metaKey,
      });
      selection.lanes = next.chosen;
      selection.anchor = next.anchor;
    };
    const remove = async () => {
      const gone = all().filter((lane) => selection.lanes.includes(lane.id));
      const said = gone.length === 1 ? gone[0].nickname : `${gone.length.toLocaleString("en-US")} images`;
      for (const lane of gone) if (!(await command({ type: "remove_lane", id: lane.id })).ok) return;
      const more = gone.length > 1 ? " Undo brings back one at a time." : "";
      if (gone.length) say(`${said} removed from the project; files stay.${more}`, { undo: true });
    };
    const move = async (/** @type {number} */ by) => {
      const order = all().map((lane) => lane.id);
      for (const step of moves(order, selection.lanes, by))
        if (!(await command({ type: "move_lane", id: step.id, place: step.place })).ok) return;
    };
    const shown = (/** @type {any} */ lane) => {
      if (lane.missing) return say("The file is missing: Repair says where it is now.", { level: "warning" });
      app()?.setLane(lane.id);
      link.step = 3;
    };
    const key = (/** @type {KeyboardEvent} */ event, /** @type {any} */ lane) => {
      const row = /** @type {HTMLElement} */ (event.currentTarget);
      const next = /** @type {HTMLElement | null} */ (
        event.key === "ArrowDown" ? row.nextElementSibling : event.key === "ArrowUp" ? row.previousElementSibling : null
      );
      if (event.altKey && event.key.startsWith("Arrow") && !locked()) {
        if (!selection.lanes.includes(lane.id)) pick(lane.id);
        move(event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0);
      } else if (next) {
        next.focus();
        const id = ids.value[lanes.value.indexOf(lane) + (event.key === "ArrowDown" ? 1 : -1)];
        if (event.shiftKey && id) pick(id, { shiftKey: true });
      } else if (event.key === "Enter") shown(lane);
      else if (event.key === " ") pick(lane.id, { ctrlKey: event.ctrlKey || selection.lanes.length > 1 });
      else if (event.key === "a" && (event.ctrlKey || event.metaKey)) selection.lanes = [...ids.value];
      else if (event.key === "Escape") selection.lanes = [];
      else if (event.key === "Delete" && !locked()) {
        if (!selection.lanes.includes(lane.id)) pick(lane.id);
        remove();
      } else if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      event.stopPropagation();
    };
    const picture = (/** @type {any} */ lane) =>
      address(`/api/p/${link.project}/lanes/${lane.id}/thumbnail?v=${encodeURIComponent(lane.v)}`);
    const repair = (/** @type {any} */ lane) => {
      pick(lane.id);
      link.dialog = "repair";
    };
    return {
      link,
      selection,
      filter,
      lanes,
      broken,
      asked,
      doubtful,
      answer,
      pick,
      remove,
      shown,
      key,
      move,
      picture,
      repair,
      told: (/** @type {string} */ name) => halves(name, differ.value),
      sizes,
      pixelSize,
      placeParts,
      counted,
      findValues,
      valuesOf,
      /** Whether any image is one of several in its file. */
      inside: computed(() => lanes.value.some((lane) => props.facts[lane.id]?.inner)),
      locked: computed(locked),
      fact: (/** @type {any} */ lane) => props.facts[lane.id] || {},
      replace: () => {
        link.dialog = "replace";
      },
    };
  },
  template: `
    <div class="page">
      <div class="bar">
        <h2>Images</h2>
        <span class="pill">{{ link.state?.lanes.length || 0 }}</span>
        <span class="grow"></span>
        <span class="field s w160"><Icon n="search" /><input v-model="filter" placeholder="Filter" aria-label="Filter"></span>
        <template v-if="!locked">
          <IconButton icon="down" class="up" name="Move up" keyed="Alt ↑" :disabled="!selection.lanes.length" @click="move(-1)" />
          <IconButton icon="down" name="Move down" keyed="Alt ↓" :disabled="!selection.lanes.length" @click="move(1)" />
          <button type="button" class="btn s" :disabled="selection.lanes.length !== 1"
              data-tip="Another file for this image; strokes stay where they fit" @click="replace">
            Replace
          </button>
          <button type="button" class="btn s" :disabled="!selection.lanes.length" data-tip="Takes it out of the project; the file stays"
              data-key="Del" @click="remove">
            Remove
          </button>
        </template>
      </div>
      <div class="scroll">
        <template v-if="!locked">
          <div v-for="one in asked" :key="one.key" class="callout inset" role="group" :aria-label="one.title">
            <Icon n="warn" />
            <div class="grow">
              <p class="strong">{{ one.title }}</p>
              <p class="dim below">{{ one.detail }}</p>
              <div class="hstack wrap">
                <button v-for="(way, n) in one.options" type="button" class="btn s" :class="{ primary: !n }"
                    :data-tip="way.tip || 'Axes ' + [...way.axes].join(' ')" @click="answer(one, way)">
                  {{ way.text }}
                </button>
              </div>
            </div>
          </div>
        </template>
        <table v-if="lanes.length" class="tbl pic images">
          <thead>
            <tr>
              <th class="w56"><span class="sr">Picture</span></th>
              <th>Nickname</th>
              <th>Axes</th>
              <th class="num">Shape</th>
              <th>Type</th>
              <th class="num">Pixel</th>
              <th class="values num" data-tip="Of a sample of the first channel">Values</th>
              <th>Location</th>
              <th v-if="inside" class="inner">Dataset</th>
              <th>Level</th>
              <th>Warnings</th>
            </tr>
          </thead>
          <tbody>
            <tr v-for="lane in lanes" :key="lane.id" :data-lane="lane.id" tabindex="0" :aria-selected="selection.lanes.includes(lane.id) ? 'true' : 'false'"
                @click="pick(lane.id, $event)" @dblclick="shown(lane)" @keydown.self="key($event, lane)">
              <td>
                <img v-if="!lane.missing && !broken[lane.id + lane.v]" class="thumb" :src="picture(lane)" alt="" loading="lazy"
                    @load="findValues(lane)" @error="broken[lane.id + lane.v] = true">
                <span v-else class="thumb ph"><Icon n="file" /></span>
              </td>
              <td class="nm"><span class="parted" :data-tip="lane.nickname"><span class="trunc">{{ told(lane.nickname)[0] }}</span><span v-if="told(lane.nickname)[1]">{{ told(lane.nickname)[1] }}</span></span></td>
              <td :class="{ doubt: doubtful.includes(lane.id) }">{{ [...lane.axes].join(' ') }}</td>
              <td class="num">{{ sizes(lane.shape, lane.axes) }}</td>
              <td>{{ lane.rgb ? lane.dtype + ', colour' : lane.dtype }}</td>
              <td class="num">
                <template v-if="pixelSize(lane.pixel_size)">{{ pixelSize(lane.pixel_size) }}</template>
                <span v-else class="dim">–</span>
              </td>
              <td class="values num">{{ valuesOf(lane) || '–' }}</td>
              <td class="place" :data-tip="lane.location || ''">
                <template v-if="fact(lane).storage === 'embedded' || !lane.location">{{ lane.location ? 'embedded' : '–' }}</template>
                <span v-else class="parted"><span class="trunc folder">{{ placeParts(lane.location)[0] }}</span><span class="trunc">{{ placeParts(lane.location)[1] }}</span></span>
              </td>
              <td v-if="inside" class="inner" :data-tip="fact(lane).inner || ''">{{ fact(lane).inner || '–' }}</td>
              <td>{{ fact(lane).level || '–' }}</td>
              <td class="warns">
                <template v-if="lane.missing">
                  <span class="badge err" :data-tip="lane.missing"><Icon n="error" />missing</span>
                  <button v-if="!locked" type="button" class="btn-quiet fg" data-tip="Say where it is now; mends all images of its folder"
                      @click.stop="repair(lane)">
                    Repair
                  </button>
                </template>
                <span v-else-if="doubtful.includes(lane.id)" class="badge warn" data-tip="The file does not say what its axes mean">
                  <Icon n="warn" />axes in doubt
                </span>
                <span v-else-if="fact(lane).warnings?.length" class="badge warn" tabindex="0"
                    :data-tip="fact(lane).warnings.map((w) => w[1]).join(' ')">
                  <Icon n="warn" />{{ fact(lane).warnings[0][0] }}{{ fact(lane).warnings.length > 1 ? ', ' + (fact(lane).warnings.length - 1) + ' more' : '' }}
                </span>
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
      <ImageLook />
    </div>
  `,
};
