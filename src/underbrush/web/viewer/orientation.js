/**
 * How a plane lies in its view: upright, turned by a right angle or two, mirrored, or both; eight ways in all. Pure.
 *
 * Columns u and rows v of the plane run on the screen as four numbers a, b, c, d say, each -1, 0 or 1:
 *
 *     to the right: a u + b v        down: c u + d v
 *
 * Nobody but geometry.js (positions) and the two renderers (textures) needs to know them: whatever is drawn, asked for or
 * painted has its place in u and v.
 */

/** @typedef {readonly [number, number, number, number]} Orientation */
/** @typedef {"left" | "right" | "swap" | "upright"} Turn */

/** @type {Orientation} */
export const UPRIGHT = Object.freeze(/** @type {Orientation} */ ([1, 0, 0, 1]));

/** What is done to a view as it is seen: turned against the clock and with it, its two axes swapped. @type {Readonly<Record<string, Orientation>>} */
const TURNS = Object.freeze({ left: [0, 1, -1, 0], right: [0, -1, 1, 0], swap: [0, 1, 1, 0] });

/** The eight, by what a person would say of them. @type {Readonly<Record<string, string>>} */
const NAMES = Object.freeze({
  "1,0,0,1": "", "0,-1,1,0": "turned right", "-1,0,0,-1": "upside down", "0,1,-1,0": "turned left",
  "0,1,1,0": "axes swapped", "-1,0,0,1": "mirrored", "1,0,0,-1": "flipped", "0,-1,-1,0": "axes swapped, upside down",
});

/** @param {any} value @returns {value is Orientation} */
export function isOrientation(value) {
  return Array.isArray(value) && value.length === 4 && Object.hasOwn(NAMES, value.join());
}

/** Empty: upright. @param {Orientation} orientation */
export const nameOf = (orientation) => NAMES[orientation.join()];

/** @param {Orientation} a @param {Orientation} b */
export const isSame = (a, b) => a.join() === b.join();

/** From columns and rows to right and down. @param {Orientation} orientation @param {number} u @param {number} v @returns {[number, number]} */
export const onto = ([a, b, c, d], u, v) => [a * u + b * v, c * u + d * v];

/** From right and down to columns and rows. @param {Orientation} orientation @param {number} x @param {number} y @returns {[number, number]} */
export const back = ([a, b, c, d], x, y) => [a * x + c * y, b * x + d * y];

/** @param {Orientation} orientation @param {Turn} turn @returns {Orientation} @throws {RangeError} */
export function turned(orientation, turn) {
  if (turn === "upright") return UPRIGHT;
  if (!Object.hasOwn(TURNS, turn)) throw new RangeError(`A view cannot be turned ${JSON.stringify(turn)}.`);
  const [a, b, c, d] = TURNS[turn], [e, f, g, h] = orientation;
  // + 0: there is no -0 among the numbers that are kept.
  return [a * e + b * g + 0, a * f + b * h + 0, c * e + d * g + 0, c * f + d * h + 0];
}

/** Whether columns run down and rows across. @param {Orientation} orientation */
export const isAcross = ([a]) => a === 0;

/** How much room there is along columns and rows. @template {{width: number, height: number}} T @param {T} port @param {Orientation} orientation @returns {T} */
export function roomAlong(port, orientation) {
  return isAcross(orientation) ? { ...port, width: port.height, height: port.width } : port;
}

/** A point of a view (0 to 1 from its left and upper edge) as a point of the plane. @param {Orientation} orientation @param {number} x @param {number} y @returns {[number, number]} */
export function partOf(orientation, x, y) {
  const [u, v] = back(orientation, x - 0.5, y - 0.5);
  return [u + 0.5, v + 0.5];
}
