/** Arithmetic of the contrast: histogram bars, and where its two handles stand. No DOM. */

/** @typedef {{edges: number[], counts: number[], auto: [number, number]}} Histogram */

/**
 * The outline of a histogram, logarithmic, in a box of `bars` x 40.
 * @param {Histogram} histogram
 */
export function outline(histogram) {
  const heights = histogram.counts.map((count) => Math.log1p(Math.max(0, count)));
  const top = Math.max(...heights, 1e-9);
  return `M0 40${heights.map((height, at) => `V${(40 - (36 * height) / top).toFixed(1)}H${at + 1}`).join("")}V40Z`;
}

/**
 * A value as a share of the histogram's width, 0 to 1, clamped.
 * @param {Histogram} histogram @param {number} value
 */
export function shareOf(histogram, value) {
  const low = histogram.edges[0],
    high = histogram.edges[histogram.edges.length - 1];
  return high > low ? Math.max(0, Math.min(1, (value - low) / (high - low))) : 0;
}

/**
 * The value at a share of the width; whole numbers where the image has them.
 * @param {Histogram} histogram @param {number} share @param {boolean} whole
 */
export function valueAt(histogram, share, whole) {
  const low = histogram.edges[0],
    high = histogram.edges[histogram.edges.length - 1];
  const value = low + Math.max(0, Math.min(1, share)) * (high - low);
  return whole ? Math.round(value) : Number(value.toPrecision(4));
}

/**
 * Low and high after one was moved: they never cross, and a range is never empty.
 * @param {[number, number]} range @param {0 | 1} which @param {number} value @param {number} least
 * @returns {[number, number]}
 */
export function movedRange(range, which, value, least) {
  return which === 0 ? [Math.min(value, range[1] - least), range[1]] : [range[0], Math.max(value, range[0] + least)];
}

/**
 * Low and high after one was typed: it counts as it stands, and takes the other along where they would cross. So both
 * count when they are typed one after the other, in any order.
 * @param {[number, number]} range @param {0 | 1} which @param {number} value @param {number} least
 * @returns {[number, number]}
 */
export function typedRange(range, which, value, least) {
  return which === 0 ? [value, Math.max(range[1], value + least)] : [Math.min(range[0], value - least), value];
}

/** A pixel value for people. @param {number} value */
export function shown(value) {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(4)));
}

/** What a person typed as a number, or null. @param {string} text */
export function typed(text) {
  const value = Number(text.replaceAll(",", "").replaceAll(" ", "").replace("−", "-"));
  return text.trim() !== "" && Number.isFinite(value) ? value : null;
}

/** Gamma 0.1 to 10 on a slider of -100 to 100: the middle is 1. @param {number} place */
export const gammaAt = (place) => Number((10 ** (place / 100)).toFixed(2));
/** @param {number} gamma */
export const gammaPlace = (gamma) => Math.round(100 * Math.log10(Math.max(0.1, Math.min(10, gamma))));
