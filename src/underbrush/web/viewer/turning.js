import { zoomFactor } from "./wheel.js";

/**
 * What the wheel means over the image: zoom, slices, times or the size of the brush, as somebody set it.
 *
 * @typedef {"auto" | "slice" | "zoom"} Plain  what the wheel alone does; auto: slices of volumes, zoom otherwise
 * @typedef {"brush" | "slices" | "time"} Shifted  what it does with Shift
 * @typedef {"zoom" | "slice" | "slices" | "time" | "brush"} Meaning  slices: ten at a time
 */

/** What can be set, for whoever offers it. */
export const PLAIN = Object.freeze(/** @type {Plain[]} */ (["auto", "slice", "zoom"]));
export const SHIFTED = Object.freeze(/** @type {Shifted[]} */ (["brush", "slices", "time"]));

/**
 * @param {{ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean}} turn
 * @param {{plain: Plain, shifted: Shifted, depth: number, times: number}} how depth, times: how many slices and times there are
 * @returns {Meaning}
 */
export function meaning({ ctrlKey, metaKey, altKey, shiftKey }, { plain, shifted, depth, times }) {
  if (ctrlKey || metaKey) return "zoom";
  // Some desktops take Alt and the wheel for themselves: nothing is reached by it alone.
  const far = altKey ? "slices" : shiftKey ? shifted : null;
  if (far === "slices" && depth > 1) return "slices";
  if ((far === "slices" || far === "time") && times > 1) return "time";
  if (far === "time" && depth > 1) return "slices";
  if (shiftKey) return "brush";
  if (depth > 1 && plain !== "zoom") return "slice";
  return plain === "slice" && times > 1 ? "time" : "zoom";
}

/** @param {import("./index.js").Mounted} app @param {WheelEvent} event */
export function turned(app, event) {
  event.preventDefault();
  const { viewer, places } = app, what = meaning(event, { ...app.wheelMeans, depth: places.depth, times: viewer.lane?.shape[0] ?? 1 });
  if (what === "zoom") {
    const corner = viewer.surface.getBoundingClientRect();
    return viewer.zoomAt(event.clientX - corner.left, event.clientY - corner.top, zoomFactor(event));
  }
  const steps = app.wheel.steps(event);
  if (what === "brush") app.stepBrush(-steps);
  else if (!steps || app.painting.active) return; // nothing moves under a stroke
  else if (what === "time") app.setTime(viewer.place.t + steps);
  else places.step(what === "slices" ? 10 * steps : steps);
}
