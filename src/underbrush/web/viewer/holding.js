/**
 * A banner that comes or goes makes the image less or more high while somebody aims at a pixel of it. What is on the
 * screen stays where it is: the view moves in its element as far as the element moved. Where all of the image was in
 * sight it is so again when the banner has gone, or the pointer.
 */

import { UPRIGHT, back } from "./orientation.js";

/** @typedef {{left: number, top: number, width: number, height: number}} Rect CSS pixels of the window */
/** @typedef {{rect: Rect, window: string}} Measure window: its size and pixels, as text */
/** @typedef {{cx: number, cy: number, zoom: number}} Look */

/**
 * Whether only the upper edge moved, in a window that stayed as it was.
 * @param {Measure} before @param {Measure} after
 */
export function fromAbove(before, after) {
  const { rect: a } = before, { rect: b } = after;
  const near = (/** @type {number} */ one, /** @type {number} */ other) => Math.abs(one - other) < 1;
  const aside = near(a.left, b.left) && near(a.width, b.width), below = near(a.top + a.height, b.top + b.height);
  return before.window === after.window && aside && below && !near(a.top, b.top);
}

/**
 * The view with which all pixels stay where they are on the screen.
 * @param {{look: Look, sx: number, sy: number, ratio: number, orientation?: import("./orientation.js").Orientation}} view before @param {Rect} a where it was @param {Rect} b where it is now
 * @returns {Look}
 */
export function held({ look, sx, sy, ratio, orientation = UPRIGHT }, a, b) {
  const [dx, dy] = back(orientation, b.left + b.width / 2 - a.left - a.width / 2, b.top + b.height / 2 - a.top - a.height / 2);
  return { cx: look.cx + (dx * ratio) / sx, cy: look.cy + (dy * ratio) / sy, zoom: look.zoom };
}

export class Holding {
  /** @param {import("./orthoview.js").OrthoView} views */
  constructor(views) {
    this.views = views;
    /** @type {Measure | null} */
    this.last = null;
    /** What was fitted, and would be again. @type {{at: Measure, plane: import("./geometry.js").Plane, look: Look} | null} */
    this.fitted = null;
    this.frame = 0;
  }

  /** A view is about to take another size; the others of a volume have their old one, too. */
  resizing() {
    const { views, last: before } = this, after = { rect: views.element.getBoundingClientRect(), window: sizeOfWindow() };
    this.last = after;
    if (!before || !views.lane || isSame(before, after)) return;
    if (!fromAbove(before, after)) return this.kept() ? this.refit() : undefined;
    const { active } = views, { frame, box } = active, aimed = views.pointed !== null && views.isShown(views.pointed);
    // Without a pointer nobody aims: what is fitted is fitted anew, and the views of a volume keep their middle.
    if (!frame || !box || (!aimed && (active.fitted || views.shown.length > 1))) return;
    const was = this.kept();
    if (was && Math.abs(was.at.rect.top - after.rect.top) < 1) return this.refit();
    const at = was?.at ?? (active.fitted ? before : null), look = held({ ...frame, look: active.look }, box, active.element.getBoundingClientRect());
    views.setView(look.cx, look.cy, look.zoom);
    this.fitted = at && { at, plane: active.place.plane, look: { ...active.look } };
    this.together();
  }

  /** What was fitted is so again. @private */
  refit() {
    this.fitted = null;
    for (const viewer of this.views.shown) viewer.fitted = true; // with their size they fit themselves
    this.together();
  }

  /** All views of a volume take their size now: what fits depends on all of them. @private */
  together() {
    for (const viewer of this.views.shown) viewer.resize();
  }

  /** The pointer left a view. */
  left() {
    if (!this.fitted || this.frame) return;
    // It may have gone to the next view of a volume.
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.views.pointed !== null) return;
      if (this.kept()) this.views.fit();
      this.fitted = null;
    });
  }

  /** What was fitted, if nobody moved the view since. @private */
  kept() {
    const { fitted, views } = this, look = fitted && views.pane(fitted.plane).look;
    return look && fitted && fitted.look.cx === look.cx && fitted.look.cy === look.cy && fitted.look.zoom === look.zoom ? fitted : null;
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }
}

/** @param {Measure} a @param {Measure} b */
function isSame({ rect: a, window: one }, { rect: b, window: other }) {
  return one === other && a.left === b.left && a.top === b.top && a.width === b.width && a.height === b.height;
}

function sizeOfWindow() {
  return [window.innerWidth, window.innerHeight, window.devicePixelRatio].join(" ");
}
