/** A position that somebody types. Pure; sizes are t c z y x, numbers count from 0. */

/** @typedef {{t: number, z: number, y: number, x: number}} Place */
/** @typedef {keyof Place} Axis */
const AT = Object.freeze({ t: 0, z: 2, y: 3, x: 4 });

/** The axes that an image has, in the order in which they are told. @param {number[]} shape @returns {Axis[]} */
export const axesOf = (shape) => /** @type {Axis[]} */ (["x", "y", ...(shape[2] > 1 ? ["z"] : []), ...(shape[0] > 1 ? ["t"] : [])]);

/**
 * "540, 262", "540 262 12" or "z 12, x 540": what is not named is as it was.
 * @param {string} text @param {number[]} shape @param {Place} now
 * @returns {{place: Place | null, sentence: string}} the sentence says why there is none
 */
export function placeFrom(text, shape, now) {
  const axes = axesOf(shape), order = axes.join(", ");
  const words = text.trim().toLowerCase().match(/[a-z]\s*[:=]?\s*-?[\d.]+|-?[\d.]+|[^\s,;]+/g) ?? [];
  /** @type {Place} */
  const place = { t: now.t, z: now.z, y: now.y, x: now.x };
  if (!words.length || words.length > axes.length) return { place: null, sentence: `Type ${order}, such as ${axes.map((axis) => now[axis]).join(", ")}.` };
  for (const [n, word] of words.entries()) {
    const found = /^(?:([a-z])\s*[:=]?\s*)?(-?\d+(?:\.\d+)?)$/.exec(word), axis = /** @type {Axis} */ (found?.[1] ?? axes[n]);
    if (!found || !axes.includes(axis)) return { place: null, sentence: `“${word}” is no position: type ${order}.` };
    const at = Math.floor(Number(found[2])), size = shape[AT[axis]];
    if (at < 0 || at >= size) return { place: null, sentence: `${axis} goes from 0 to ${(size - 1).toLocaleString("en-US")} in this image.` };
    place[axis] = at;
  }
  return { place, sentence: "" };
}
