/**
 * How the views are turned, kept for each project in this browser: what is upright for an eye is not always upright in
 * the file.
 */
import { UPRIGHT, isOrientation, isSame, turned } from "./orientation.js";

/** @typedef {import("./geometry.js").Plane} Plane */
/** @typedef {import("./orientation.js").Orientation} Orientation */

/**
 * What was kept, by plane; what is not an orientation is left out.
 * @param {string | null | undefined} text @returns {Map<Plane, Orientation>}
 */
export function orientationsFrom(text) {
  let kept = null;
  try {
    kept = JSON.parse(text ?? "null");
  } catch {
    // as if nothing was kept
  }
  const pairs = Object.entries(kept ?? {}).filter(([plane, one]) => ["xy", "xz", "zy"].includes(plane) && isOrientation(one));
  return new Map(/** @type {[Plane, Orientation][]} */ (pairs));
}

export class Facing {
  /** @param {import("./index.js").Mounted} app @param {Storage | null} storage where they are kept; null: nowhere */
  constructor(app, storage) {
    this.app = app;
    this.storage = storage;
    this.key = `underbrush.turned.${app.options.project}`;
    /** @type {Map<Plane, Orientation>} */
    this.of = new Map();
  }

  listen() {
    try {
      this.of = orientationsFrom(this.storage?.getItem(this.key));
    } catch {
      // a browser that forbids its memory: upright
    }
    this.app.hear(this.app.viewer.on("pane", () => this.apply()));
    this.apply();
  }

  /** @private All views that were made by now. */
  apply() {
    const { viewer } = this.app;
    for (const plane of viewer.panes.keys()) viewer.setOrientation(plane, this.of.get(plane) ?? UPRIGHT);
  }

  /**
   * A stroke that is being painted ends before the view turns under it.
   * @param {import("./orientation.js").Turn} turn @param {Plane} [plane] without it the view that is meant @throws {RangeError}
   */
  turn(turn, plane = this.app.viewer.place.plane) {
    const to = turned(this.of.get(plane) ?? UPRIGHT, turn);
    this.app.painting.finish();
    if (isSame(to, UPRIGHT)) this.of.delete(plane);
    else this.of.set(plane, to);
    this.apply();
    try {
      this.storage?.setItem(this.key, JSON.stringify(Object.fromEntries(this.of)));
    } catch {
      // not kept: turned for as long as this page is there
    }
  }
}
