/** Sizes of pixels as they are typed and shown: along x and y, along z, and their unit. No DOM. */
import { common } from "./choosing.js";
import { typed } from "./contrast.js";

/** @typedef {Record<string, [number, string]>} Sizes */
/** What the fields show: `flat` is one number, or x and y apart; empty: not known; null: images differ. @typedef {{flat: string | null, deep: string | null, unit: string | null}} Fields */

export const UNITS = ["µm", "nm", "mm"];
/** @type {Record<string, number>} in micrometres */
const LENGTHS = { "µm": 1, nm: 1e-3, mm: 1e3, cm: 1e4, m: 1e6, Å: 1e-4, pm: 1e-6 };

/** A number; a comma is a point here: nobody has pixels of a thousand. @param {string} text */
const number = (text) => typed(text.replace(",", "."));

/** @param {number} value */
const shown = (value) => String(Number(value.toPrecision(6)));

/** A length in another unit; null where one of them is no length. @param {[number, string] | undefined} size @param {string} unit @returns {number | null} */
export function inUnit(size, unit) {
  if (!size || !(size[0] > 0) || !LENGTHS[size[1]] || !LENGTHS[unit]) return null;
  return size[1] === unit ? size[0] : (size[0] * LENGTHS[size[1]]) / LENGTHS[unit];
}

/** The fields of one image. @param {Sizes} sizes @param {string} [wanted] in this unit @returns {Fields} */
export function fieldsOf(sizes, wanted) {
  const said = [sizes.x, sizes.y, sizes.z].find((size) => size?.[0] > 0 && LENGTHS[size[1]]);
  const unit = wanted || (said && UNITS.includes(said[1]) ? said[1] : "µm");
  const [x, y, z] = [sizes.x, sizes.y, sizes.z].map((size) => inUnit(size, unit));
  const [across, down] = [x ?? y, y ?? x];
  const flat = across === null || down === null ? "" : shown(across) === shown(down) ? shown(across) : `${shown(across)}  ${shown(down)}`;
  return { flat, deep: z === null ? "" : shown(z), unit };
}

/** The fields of several images. @param {Sizes[]} all @param {string} [wanted] @returns {Fields} */
export function commonFields(all, wanted) {
  const each = all.map((sizes) => fieldsOf(sizes, wanted));
  const of = (/** @type {"flat" | "deep" | "unit"} */ key) => /** @type {string | null} */ (common(each.map((fields) => fields[key])));
  return { flat: of("flat"), deep: of("deep"), unit: of("unit") };
}

/**
 * The sizes of an image after something was typed; `deep` null: it stays. A sentence where it is no size.
 * @param {Sizes} before @param {{flat: string | null, deep: string | null, unit: string}} fields @returns {Sizes | string}
 */
export function sizesOf(before, { flat, deep, unit }) {
  /** @type {Sizes} */
  const sizes = { ...before };
  const numbers = (flat ?? "").trim().split(/\s*[x×;]\s*|\s+/).filter(Boolean).map(number);
  if (flat !== null) {
    if (numbers.length > 2 || numbers.some((one) => one === null || !(one > 0))) return "A pixel size is a number above 0, or two: along x, along y.";
    delete sizes.x;
    delete sizes.y;
    if (numbers.length) Object.assign(sizes, { x: [numbers[0], unit], y: [numbers.at(-1), unit] });
  }
  if (deep !== null) {
    const z = deep.trim() ? number(deep) : undefined;
    if (z === null || (z !== undefined && !(z > 0))) return "The distance of slices is a number above 0.";
    delete sizes.z;
    if (z !== undefined) sizes.z = [z, unit];
  }
  return sizes;
}
