/** How the raw image is shown: one channel in grey, tinted, as a mask or in random colours; several; colour. No DOM. */

/** @typedef {import("./types").LaneState} LaneState */
/** @typedef {"single" | "composite" | "rgb" | "random" | "mask"} Look */

/** Looks of one channel alone. @type {readonly string[]} */
export const ALONE = Object.freeze(["single", "random", "mask"]);

/** A tint that no class begins with. @type {[number, number, number]} */
export const TINT = [0, 222, 222];

/** As ilastik calls them. @type {Readonly<Record<string, Look>>} */
const STORED = Object.freeze({ grayscale: "single", "alpha-modulated": "single", rgba: "rgb", "random-colortable": "random", "binary-mask": "mask" });

/**
 * The viewer's rule (viewer/layers.js): what somebody chose, what the project says, what suits the image.
 * @param {{mode?: string | null}} raw @param {Pick<LaneState, "shape" | "rgb" | "dtype" | "display"> | null | undefined} lane @returns {Look}
 */
export function lookOf(raw, lane) {
  const count = lane?.shape[1] || 1, said = /** @type {Look | null} */ (raw.mode ?? STORED[lane?.display ?? ""] ?? null);
  const wish = said === "random" && lane?.dtype.startsWith("float") ? null : said;
  const look = wish ?? (lane?.rgb && count >= 3 ? "rgb" : count > 1 ? "composite" : "single");
  return look === "rgb" && count < 3 ? "single" : look;
}
