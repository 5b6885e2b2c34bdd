/** Below the image: slices and times, and the images of the project as thumbnails. */
import { computed, onBeforeUnmount, ref, watch } from "vue";
import { Icon, IconButton, Slider, Switch } from "./basics.js";
import { hex } from "./classes.js";
import { address, app, keysOf, link, shownLane } from "./link.js";
import { alike, counted, halves, spot } from "./words.js";

/** Milliseconds a time point is shown at least when playing, and how long one that does not come is waited for. */
const FRAME = 125;
const STUCK = 2000;

/** Sliders for z and t, where the image has them. */
export const Dims = {
  components: { IconButton, Slider, Switch },
  props: { marks: { type: Object, default: () => ({}) } },
  setup(/** @type {any} */ props) {
    const playing = ref(0);
    const lane = computed(shownLane);
    const third = computed(() => ({ xy: "z", xz: "y", zy: "x" })[link.position.plane] || "z");
    const depth = computed(() => lane.value?.shape[{ z: 2, y: 3, x: 4 }[third.value] || 2] || 1);
    const times = computed(() => lane.value?.shape[0] || 1);
    const slice = computed(() => link.position.slice || 0);
    const place = computed(() => {
      const [size, unit] = lane.value?.pixel_size?.[third.value] || [0, ""];
      return size ? `${Number((slice.value * size).toPrecision(3))} ${unit}` : "";
    });
    const colours = computed(() => Object.fromEntries((link.state?.classes || []).map((one) => [one.id, hex(one.colour)])));
    const ticks = (/** @type {string} */ axis, /** @type {number} */ count) =>
      (props.marks[link.position.lane]?.[axis] || []).map((/** @type {[number, number]} */ [at, id]) => ({
        at: count > 1 ? (at / (count - 1)) * 100 : 0,
        colour: colours.value[id],
      }));
    let timer = 0;
    let off = () => {};
    /** The next time point comes when the one before is seen, at most eight a second; one that does not come is left out. */
    const next = () => {
      clearTimeout(timer);
      const wait = playing.value + FRAME - performance.now();
      if (wait > 0) {
        timer = window.setTimeout(next, wait);
        return;
      }
      playing.value = performance.now();
      timer = window.setTimeout(next, STUCK);
      app()?.setTime((link.position.t + 1) % times.value);
    };
    const stop = () => {
      clearTimeout(timer);
      off();
      playing.value = 0;
    };
    const play = () => {
      if (playing.value) return stop();
      playing.value = performance.now() - FRAME;
      off = app()?.on("complete", next) || off;
      next();
    };
    watch(() => link.position.lane, stop);
    onBeforeUnmount(stop);
    return {
      volume: computed(() => (lane.value?.shape[2] || 1) > 1),
      cross: (/** @type {boolean} */ on) => app()?.setCrosshair(on),
      timeKeys: computed(() => [...new Set([...keysOf("time:-1"), ...keysOf("time:+1")])].join(" ")),
      sliceKeys: computed(() => [...new Set([...keysOf("slice:-1"), ...keysOf("slice:+1")])].join(" ")),
      crossKey: computed(() => keysOf("crosshair").join(" ")),
      link,
      third,
      depth,
      times,
      slice,
      place,
      ticks,
      playing,
      play,
      spot,
      setSlice: (/** @type {number} */ n) => app()?.setSlice(n),
      setTime: (/** @type {number} */ n) => app()?.setTime(n),
    };
  },
  template: `
    <div class="dimslot">
      <div v-if="times > 1" class="dims">
        <span class="ax">t</span>
        <IconButton :icon="playing ? 'pause' : 'play'" :name="playing ? 'Pause' : 'Play'" @click="play" />
        <Slider :value="link.position.t" :max="times - 1" name="Time" tip="Time" :keyed="timeKeys"
            :text="spot(link.position.t, times)" :ticks="ticks('t', times)" @slide="setTime" />
        <span class="pos" :style="{ minWidth: spot(times - 1, times).length + 'ch' }">{{ spot(link.position.t, times) }}</span>
      </div>
      <div v-if="volume" class="dims">
        <span class="ax">{{ third }}</span>
        <Slider :value="slice" :max="depth - 1" name="Slice" tip="Slice" :keyed="sliceKeys" :text="spot(slice, depth)"
            :ticks="ticks(third, depth)" @slide="setSlice" />
        <span class="pos" :style="{ minWidth: spot(depth - 1, depth).length + 'ch' }">{{ spot(slice, depth) }}</span>
        <span v-if="place" class="dim">{{ place }}</span>
        <span class="sep"></span>
        <span class="hstack">
          Crosshair
          <Switch :on="!!link.position.crosshair" name="Crosshair" tip="Lines where the views cut each other" :keyed="crossKey"
              @flip="cross" />
        </span>
      </div>
    </div>
  `,
};

/** The images of the project. */
export const Lanes = {
  components: { Icon, IconButton },
  setup() {
    const broken = ref(/** @type {Record<string, boolean>} */ ({}));
    const lanes = computed(() => link.state?.lanes || []);
    const differ = computed(() => alike(lanes.value.map((lane) => lane.nickname)));
    const strokes = (/** @type {any} */ lane) =>
      Object.values(lane.strokes || {}).reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one[0], 0);
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1 })[event.key];
      if (!by) return;
      const all = /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll(".lane")]);
      const next = all[all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by];
      next?.focus();
      next?.click();
      event.preventDefault();
      event.stopPropagation();
    };
    const picture = (/** @type {any} */ lane) =>
      address(`/api/p/${link.project}/lanes/${lane.id}/thumbnail?v=${encodeURIComponent(lane.v)}`);
    return {
      link,
      lanes,
      strokes,
      key,
      picture,
      broken,
      counted,
      told: (/** @type {string} */ name) => halves(name, differ.value),
      show: (/** @type {string} */ id) => app()?.setLane(id),
      add: () => {
        link.step = 1;
        link.dialog = "add";
      },
    };
  },
  template: `
    <div class="lanes">
      <div class="lanelist" role="listbox" aria-label="Images" aria-orientation="horizontal" @keydown="key">
        <button v-for="lane in lanes" :key="lane.id" type="button" class="lane" role="option"
            :aria-current="lane.id === link.position.lane ? 'true' : null"
            :aria-selected="lane.id === link.position.lane ? 'true' : 'false'"
            :tabindex="lane.id === link.position.lane ? 0 : -1" :data-tip="lane.missing || lane.nickname" @click="show(lane.id)">
          <span v-if="lane.missing || broken[lane.id]" class="ph"><Icon :n="lane.missing ? 'warn' : 'image'" /></span>
          <img v-else :src="picture(lane)" alt="" loading="lazy" @error="broken[lane.id] = true">
          <span class="trunc text">
            <span class="n parted"><span class="trunc">{{ told(lane.nickname)[0] }}</span><span>{{ told(lane.nickname)[1] }}</span></span>
            <span class="d" :class="{ warn: lane.missing }">
              {{ lane.missing ? 'missing' : strokes(lane) ? counted(strokes(lane), 'stroke') : 'no strokes yet' }}
            </span>
          </span>
        </button>
      </div>
      <IconButton icon="plus" name="Add images" @click="add" />
    </div>
  `,
};
