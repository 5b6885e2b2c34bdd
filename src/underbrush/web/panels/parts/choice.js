/** Arithmetic of a choice of features: which cells can be, how many features they give. No DOM. */

/**
 * @typedef {{id: string, name: string, group: string, tensor: boolean, min: number}} Filter
 * @typedef {{scales: number[], cells: Record<string, boolean[]>, flat: boolean[]}} Choice  flat: 2D, one a scale
 * @typedef {{z: number, y: number, x: number}} Sizes  the smallest of all images
 */

/** The smallest size of an image that a scale can be computed on. @param {number} scale */
export const neededSize = (scale) => Math.ceil(3.5 * scale) + 1;

/**
 * Why a cell cannot be chosen, or "".
 * @param {Filter} filter @param {number} scale @param {boolean} flat @param {Sizes} sizes
 */
export function impossible(filter, scale, flat, sizes) {
  if (scale < filter.min) return `${scale} px is too small for this filter: ${filter.min} px or more.`;
  const least = Math.min(sizes.y, sizes.x, flat ? Infinity : sizes.z),
    needed = neededSize(scale);
  if (needed <= least) return "";
  return !flat && needed <= Math.min(sizes.y, sizes.x)
    ? `The images have ${sizes.z} slices and this scale needs ${needed}: choose 2D below.`
    : `The smallest image has ${least} px and this scale needs ${needed}.`;
}

/** Taps of a kernel on each side: its window is so many sigmas wide. @param {number} window @param {number} sigma */
const radius = (window, sigma) => Math.max(1, Math.floor(window * sigma + 0.5));

/**
 * How many pixels on each side a value depends on. Above a sigma of 1 the image is smoothed first, and the filter itself
 * has a sigma of 1; a structure tensor filters twice, with half the sigma and with the whole.
 * @param {string} filter id @param {number} scale
 */
export function reach(filter, scale) {
  const own = Math.min(scale, 1), first = radius(3.5, scale > 1 ? Math.sqrt(scale * scale - 1) : scale);
  return first + (filter.startsWith("StructureTensor") ? radius(2, own / 2) + radius(2, own) : radius(2, own));
}

/**
 * The choice with a scale changed; the same where another one has that sigma.
 * @param {Choice} choice @param {number} at @param {number} scale @param {Filter[]} filters @param {Sizes} sizes
 * @returns {Choice}
 */
export function withChangedScale(choice, at, scale, filters, sizes) {
  if (choice.scales.includes(scale)) return choice;
  const ticked = filters.filter((filter) => choice.cells[filter.id][at]), flat = choice.flat[at];
  const after = withScale(withoutScale(choice, at), scale, flat), place = after.scales.indexOf(scale);
  return withCells(after, ticked.map((filter) => [filter, place]), true, sizes);
}

/**
 * How many features a choice gives.
 * @param {Choice} choice @param {Filter[]} filters @param {number} channels
 */
export function featureCount(choice, filters, channels) {
  let sum = 0;
  for (const filter of filters) {
    choice.scales.forEach((_, at) => {
      if (choice.cells[filter.id][at]) sum += filter.tensor ? (choice.flat[at] ? 2 : 3) : 1;
    });
  }
  return sum * channels;
}

/**
 * The choice with cells set; cells that cannot be stay off.
 * @param {Choice} choice @param {[Filter, number][]} cells filter and place of the scale @param {boolean} on @param {Sizes} sizes
 * @returns {Choice}
 */
export function withCells(choice, cells, on, sizes) {
  const after = { ...choice.cells };
  for (const [filter, at] of cells) {
    const row = [...after[filter.id]];
    row[at] = on && !impossible(filter, choice.scales[at], choice.flat[at], sizes);
    after[filter.id] = row;
  }
  return { ...choice, cells: after };
}

/**
 * Whether a click on a head switches its cells on: unless all that can be are on.
 * @param {Choice} choice @param {[Filter, number][]} cells @param {Sizes} sizes
 */
export function turnsOn(choice, cells, sizes) {
  return cells.some(
    ([filter, at]) => !choice.cells[filter.id][at] && !impossible(filter, choice.scales[at], choice.flat[at], sizes),
  );
}

/**
 * The choice with one more scale, in order; the same where it has it.
 * @param {Choice} choice @param {number} scale @param {boolean} flat
 * @returns {Choice}
 */
export function withScale(choice, scale, flat) {
  if (choice.scales.includes(scale)) return choice;
  const at = choice.scales.filter((one) => one < scale).length;
  const put = (/** @type {any[]} */ list, /** @type {any} */ value) => [...list.slice(0, at), value, ...list.slice(at)];
  return {
    scales: put(choice.scales, scale),
    flat: put(choice.flat, flat),
    cells: Object.fromEntries(Object.entries(choice.cells).map(([id, row]) => [id, put(row, false)])),
  };
}

/** The choice without a scale. @param {Choice} choice @param {number} at @returns {Choice} */
export function withoutScale(choice, at) {
  const cut = (/** @type {any[]} */ list) => list.filter((_, place) => place !== at);
  return {
    scales: cut(choice.scales),
    flat: cut(choice.flat),
    cells: Object.fromEntries(Object.entries(choice.cells).map(([id, row]) => [id, cut(row)])),
  };
}

/** The choice with a scale in 2D or 3D; cells that cannot be any more are off. @param {Choice} choice @param {number} at @param {boolean} flat @param {Filter[]} filters @param {Sizes} sizes @returns {Choice} */
export function withFlat(choice, at, flat, filters, sizes) {
  const after = { ...choice, flat: choice.flat.map((one, place) => (place === at ? flat : one)) };
  return withCells(
    after,
    filters.filter((filter) => impossible(filter, choice.scales[at], flat, sizes)).map((filter) => [filter, at]),
    false,
    sizes,
  );
}
