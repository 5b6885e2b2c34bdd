/**
 * The choice of features while it is made: one for the matrix, the scales and the list of images. It becomes a command
 * with "Use these"; until then nothing is computed with it.
 */
import { computed, reactive } from "vue";
import { featureCount, reach } from "./choice.js";
import { app, command, shownLane } from "./link.js";
import { counted } from "./words.js";

/** @typedef {import("./choice.js").Choice} Choice */
/** @typedef {import("./choice.js").Filter} Filter */
/** A feature image that can be looked at; `part`: which eigenvalue. @typedef {{name: string, id: string, scale: number, flat: boolean, channel: number, part: number}} FeatureImage */

const LAST = "underbrush.features.last";

export const drafting = reactive({
  filters: /** @type {Filter[]} */ ([]),
  chosen: /** @type {Choice | null} */ (null),
  draft: /** @type {Choice | null} */ (null),
  sizes: { z: 1, y: 1, x: 1 },
  channels: 1,
  volume: false,
  vigra: false,
  locked: false,
  open: true,
  /** What the pointer or the focus is on in the matrix. */
  over: /** @type {{id: string, scale: number, flat: boolean} | null} */ (null),
  /** The feature image that is shown. */
  shown: /** @type {FeatureImage | null} */ (null),
  last: /** @type {{selection: any, count: number} | null} */ (null),
});

/** @param {Choice} choice */
const copied = (choice) => /** @type {Choice} */ (JSON.parse(JSON.stringify(choice)));

/** What the server says is chosen; a draft that nobody sent is given up for it. @param {any} said */
export function chosenIs(said) {
  const before = JSON.stringify(drafting.chosen);
  Object.assign(drafting, said);
  if (JSON.stringify(said.chosen) !== before) drafting.draft = said.chosen && copied(said.chosen);
}

export const changed = computed(() => !!drafting.draft && JSON.stringify(drafting.draft) !== JSON.stringify(drafting.chosen));
export const count = computed(() => (drafting.draft ? featureCount(drafting.draft, drafting.filters, drafting.channels) : 0));

/** The draft as the server takes it; null: nothing chosen. */
export function selectionOf() {
  const { draft, filters, vigra } = drafting;
  if (!draft || !Object.values(draft.cells).flat().some(Boolean)) return null;
  return {
    filters: filters.map((one) => one.id),
    scales: draft.scales,
    matrix: filters.map((one) => draft.cells[one.id]),
    in_2d: draft.flat,
    vigra_structure: vigra,
  };
}

export function cancel() {
  drafting.draft = drafting.chosen && copied(drafting.chosen);
}

/** Sends the draft, and remembers it for other projects. */
export async function use() {
  const selection = selectionOf(), number = count.value;
  const answer = await command({ type: "set_features", selection }, `${counted(number, "feature")} chosen.`);
  if (answer.ok && selection) remember(selection, number);
}

/** @param {any} selection @param {number} number */
function remember(selection, number) {
  drafting.last = { selection, count: number };
  try {
    localStorage.setItem(LAST, JSON.stringify(drafting.last));
  } catch {
    /* a private window: as long as it is open */
  }
}

/** What was used last in this browser, in whatever project. */
export function recall() {
  try {
    const last = JSON.parse(localStorage.getItem(LAST) || "null");
    if (Array.isArray(last?.selection?.scales) && Number.isFinite(last.count)) drafting.last = last;
  } catch {
    /* as if there was none */
  }
}

// -- feature images ---------------------------------------------------------------------------------------------------

/** @param {FeatureImage | null} image null: the raw image again */
export function show(image) {
  const before = drafting.shown;
  if (before && before.name !== image?.name) app()?.setLayer(`feature:${before.name}`, { visible: false });
  drafting.shown = image;
  if (image) app()?.setLayer(`feature:${image.name}`, { visible: true });
}

/** "3.5 px", "3.5 px, GFP, 2nd": what tells images of one filter apart. @param {FeatureImage} image */
export function titleOf(image) {
  const filter = drafting.filters.find((one) => one.id === image.id);
  const name = shownLane()?.channels?.[image.channel] || `channel ${image.channel}`;
  return [
    `${scaleText(image.scale)} px${drafting.volume ? (image.flat ? ", 2D" : ", 3D") : ""}`,
    ...(drafting.channels > 1 ? [name] : []),
    ...(filter?.tensor ? [["1st", "2nd", "3rd"][image.part]] : []),
  ].join(", ");
}

/** Filter and title of the image that is shown, or "". */
export const shownTitle = computed(() => {
  const image = drafting.shown,
    name = drafting.filters.find((one) => one.id === image?.id)?.name;
  return image && name ? `${name}, ${titleOf(image)}` : "";
});

/** Scales as they are written: one decimal at least. @param {number} scale */
export const scaleText = (scale) => (Number.isInteger(scale) ? scale.toFixed(1) : String(scale));

/** Whose reach is drawn over the image. */
export const reaching = computed(() => {
  const { over, shown } = drafting, one = over || shown;
  return one ? { ...one, pixels: reach(one.id, one.scale) } : null;
});

/** Micrometres of a pixel along x, or 0. */
export const micrometres = computed(() => {
  const [size, unit] = shownLane()?.pixel_size?.x || [0, ""];
  return size * ({ µm: 1, "μm": 1, um: 1, micron: 1, micrometer: 1, micrometre: 1, nm: 1e-3, mm: 1e3 }[unit] || 0);
});

/** How many times farther apart slices are than pixels; 1 where it is not known. */
export const coarseness = computed(() => {
  const { x, z } = shownLane()?.pixel_size || {};
  return x && z && x[0] > 0 && z[0] > 0 && x[1] === z[1] ? z[0] / x[0] : 1;
});

/** What is said of a length in pixels where the size of a pixel is known. @param {number} pixels */
export const inMicrometres = (pixels) => {
  const length = pixels * micrometres.value;
  return length ? (length < 9.95 ? length.toPrecision(2) : String(Math.round(length))) : "";
};
