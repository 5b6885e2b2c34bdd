/** How far a feature looks: a disc over the image, at the pointer, or beside the sheet. */
import { computed, onBeforeUnmount, onMounted, reactive, ref } from "vue";
import { drafting, inMicrometres, reaching, shownTitle } from "./feature_draft.js";
import { link, shownLane } from "./link.js";

/** Axes of the columns and rows of a plane. @type {Record<string, ["x" | "z", "y" | "z"]>} */
const AXES = { xy: ["x", "y"], xz: ["x", "z"], zy: ["z", "y"] };

/** Pixels of an axis as long as those of x: its size over that of x. @param {"x" | "y" | "z"} axis */
function stretch(axis) {
  const size = shownLane()?.pixel_size || {},
    [own, unit] = size[axis] || [0, ""],
    [x, of] = size.x || [0, ""];
  return own > 0 && x > 0 && unit === of ? own / x : 1;
}

export const ReachDisc = {
  setup() {
    const at = reactive({ x: 0, y: 0, plane: "xy", held: false });
    const root = ref(/** @type {HTMLElement | null} */ (null));
    const follow = (/** @type {PointerEvent} */ event) => {
      const own = root.value?.parentElement?.getBoundingClientRect(),
        over = event.target instanceof Element ? event.target.closest("[data-plane]") : null;
      at.held = !!(own && over && link.step === 2);
      if (!own || !at.held) return;
      Object.assign(at, { x: event.clientX - own.left, y: event.clientY - own.top, plane: over?.getAttribute("data-plane") });
    };
    onMounted(() => document.addEventListener("pointermove", follow, { passive: true }));
    onBeforeUnmount(() => document.removeEventListener("pointermove", follow));
    const disc = computed(() => {
      const one = reaching.value;
      if (!one || (drafting.volume && !at.held)) return null;
      const scale = link.zoom.zoom / (window.devicePixelRatio || 1),
        [rx, ry] = AXES[at.held ? at.plane : "xy"].map((axis) => (axis === "z" && one.flat ? 0.5 : one.pixels + 0.5) * scale * stretch(axis));
      const micro = inMicrometres(one.pixels),
        // Away from the pointer it stands where the image is free: right of the sheet.
        [x, y] = at.held ? [`${at.x}px`, `${at.y}px`] : ["calc(50% + 270px)", "50%"];
      return {
        place: { left: `calc(${x} - ${rx.toFixed(1)}px)`, top: `calc(${y} - ${ry.toFixed(1)}px)`, width: `${2 * rx}px`, height: `${2 * ry}px` },
        says: `reach ${one.pixels} px${micro ? `, ${micro} µm` : ""}`,
      };
    });
    return { root, disc, shown: shownTitle };
  },
  template: `
    <div ref="root" class="reach">
      <span v-if="disc" class="disc" :style="disc.place"><i></i><span>{{ disc.says }}</span></span>
      <div v-if="shown" class="vctl vtag featuretag"><span class="strong">{{ shown }}</span></div>
    </div>
  `,
};
