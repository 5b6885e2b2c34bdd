/** The histogram with its two handles. */
import { computed, ref } from "vue";
import { movedRange, outline, shareOf, shown, valueAt } from "./contrast.js";

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
