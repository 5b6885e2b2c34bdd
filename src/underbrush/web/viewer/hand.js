/**
 * A pointer for who has no mouse: arrows move it over the image, Space paints while it is held, Enter puts the brush
 * down and takes it up, Escape ends it. What it does goes through the same events as a mouse, so that every tool works,
 * and the pixels under it are told as those under a mouse are.
 */
import { PLANES, planeSize } from "./geometry.js";
import { back } from "./orientation.js";

/** @typedef {import("./geometry.js").Plane} Plane */
/** No pointer of a browser has this number. */
const POINTER = 0x7fff_0000;
/** A key that stays down goes faster with each repetition, up to so many CSS pixels at a time. */
const FASTEST = 20;
/** The pointer never comes nearer to an edge of the view than this (CSS pixels): the image moves instead. */
const MARGIN = 32;
/** Where in a pixel it stands: just beside the middle, on which a lasso would be cut now here, now there by rounding. */
const WITHIN = 0.45;
/** A mouse that is pushed by so much (screen pixels) takes over; a table that is knocked does not. */
const PUSHED = 3;
const MARK = `<svg width="41" height="41" viewBox="-20.5 -20.5 41 41" aria-hidden="true"><path d="M-19 0h9M10 0h9M0-19v9M0 10v9" stroke="#000" stroke-width="4"/><path d="M-19 0h9M10 0h9M0-19v9M0 10v9" stroke="#fff" stroke-width="2"/></svg>`;

/**
 * How far one press goes, in pixels of the image: one, or where those are smaller than the screen's, as many as one of
 * these shows; the n-th repetition of a key that stays down goes farther.
 * @param {number} scale CSS pixels per pixel of the image
 * @param {number} repetition from 0
 */
export function stride(scale, repetition) {
  const least = Math.max(1, Math.ceil(1 / scale - 1e-9));
  if (repetition === 0) return least;
  return Math.max(least, Math.round(Math.min(FASTEST, 2 + repetition) / scale));
}

export class Hand {
  /** @param {import("./index.js").Mounted} app */
  constructor(app) {
    this.app = app;
    this.on = false;
    this.down = false;
    /** @type {{u: number, v: number}} in pixels of the plane */
    this.at = { u: 0, v: 0 };
    /** @type {Plane} */
    this.plane = "xy";
    this.lane = "";
    this.repetition = 0;
    this.frame = 0;
    this.mark = document.createElement("div");
    this.mark.className = "hand";
    this.mark.style.cssText = "position:absolute;left:0;top:0;margin:-20.5px 0 0 -20.5px;pointer-events:none;z-index:1;line-height:0";
    this.mark.innerHTML = MARK;
    this.mouse = { x: NaN, y: NaN };
  }

  listen() {
    const { app } = this;
    app.hear(app.viewer.on("view", () => this.followSoon()));
    app.hear(app.viewer.on("place", () => this.followSoon()));
    app.hear(app.painting.on("active", () => this.painted()));
    const moved = (/** @type {PointerEvent} */ event) => this.pushed(event);
    window.addEventListener("pointermove", moved);
    const away = () => this.press(false);
    window.addEventListener("blur", away);
    app.hear(() => {
      window.removeEventListener("pointermove", moved);
      window.removeEventListener("blur", away);
      cancelAnimationFrame(this.frame);
    });
  }

  get viewer() {
    return this.app.viewer.pane(this.plane);
  }

  /** Enter: the pointer comes; then the brush goes down, and up again. */
  enter() {
    if (!this.on) return this.start();
    this.press(!this.down);
    // A fill and a pick are done at once: there is nothing to hold.
    if (this.down && !this.app.painting.active) this.press(false);
  }

  start() {
    const { viewer, painting } = this.app;
    if (!viewer.lane) return;
    this.plane = viewer.active.place.plane;
    this.lane = viewer.lane.id;
    const { cx, cy } = viewer.active.look;
    this.at = painting.at?.inside ? { u: painting.at.u, v: painting.at.v } : { u: cx, v: cy };
    this.on = true;
    this.down = false;
    this.goTo(this.at);
  }

  leave() {
    if (!this.on) return;
    this.press(false);
    this.on = false;
    this.mark.remove();
    this.away();
    this.tell();
  }

  /** @private The view has no pointer over it any more. */
  away() {
    this.viewer.surface?.dispatchEvent(new PointerEvent("pointerleave", { pointerId: POINTER }));
  }

  /**
   * The brush is put down or taken up.
   * @param {boolean} on
   */
  press(on) {
    if (!this.on || on === this.down) return;
    if (on && this.lost) this.follow();
    this.down = on;
    this.send(on ? "pointerdown" : "pointerup");
    this.tell();
  }

  /** @param {number} right @param {number} below -1, 0 or 1 @param {boolean} repeat the key stayed down */
  step(right, below, repeat) {
    if (this.lost) this.follow();
    const { frame } = this.viewer;
    if (!frame) return;
    this.repetition = repeat ? this.repetition + 1 : 0;
    const far = (/** @type {number} */ scale) => stride(scale / frame.ratio, this.repetition);
    const [along, across] = back(frame.orientation, right, below);
    this.goTo({ u: this.at.u + along * far(frame.sx), v: this.at.v + across * far(frame.sy) });
  }

  /** To a pixel of the plane; the image moves where it would leave the view. @param {{u: number, v: number}} at */
  goTo({ u, v }) {
    const { viewer } = this;
    if (!viewer.lane) return this.leave();
    const { width, height } = planeSize(viewer.lane, this.plane);
    const within = (/** @type {number} */ value, /** @type {number} */ size) => Math.min(size - 1, Math.max(0, Math.floor(value))) + WITHIN;
    this.at = { u: within(u, width), v: within(v, height) };
    const { px, py } = viewer.imageToScreen(this.at.u, this.at.v), { clientWidth, clientHeight } = viewer.element;
    const out = (/** @type {number} */ value, /** @type {number} */ size) =>
      value < MARGIN ? size / 3 - value : value > size - MARGIN ? (size * 2) / 3 - value : 0;
    const [dx, dy] = [out(px, clientWidth), out(py, clientHeight)];
    if (dx || dy) this.app.viewer.panBy(dx, dy);
    this.follow();
  }

  /** Somebody went to a pixel: the pointer goes there, too. @param {{z: number, y: number, x: number}} pixel */
  arrive(pixel) {
    if (!this.on) return;
    this.press(false);
    this.lane = this.app.viewer.lane?.id ?? "";
    const { u, v } = PLANES[this.plane];
    this.goTo({ u: pixel[u], v: pixel[v] });
  }

  /** The view changed under the pointer: it stays on its pixel. */
  followSoon() {
    if (!this.on) return;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.follow());
  }

  /** @private Its view is hidden or has another image, and it did not follow yet. @returns {boolean} */
  get lost() {
    const { viewer } = this.app;
    return !viewer.isShown(this.plane) || viewer.lane?.id !== this.lane;
  }

  follow() {
    if (!this.on) return;
    const { app } = this;
    if (!app.viewer.lane) return this.leave();
    if (this.lost) {
      this.press(false);
      this.away();
      if (!app.viewer.isShown(this.plane)) this.plane = app.viewer.current;
      this.lane = app.viewer.lane.id;
      const { cx, cy } = this.viewer.look;
      return this.goTo({ u: cx, v: cy });
    }
    const { px, py } = this.viewer.imageToScreen(this.at.u, this.at.v);
    if (this.mark.parentElement !== this.viewer.element) this.viewer.element.append(this.mark);
    this.mark.style.transform = `translate(${px}px,${py}px)`;
    this.send("pointermove");
    this.tell();
  }

  /** A stroke that was ended by something else (another slice, another image) has taken the brush up. */
  painted() {
    if (!this.down || this.app.painting.active) return;
    this.down = false;
    this.tell();
  }

  /** @param {PointerEvent} event of the mouse: who takes it does not want two pointers */
  pushed({ isTrusted, pointerType, screenX, screenY }) {
    if (!isTrusted || pointerType === "touch") return;
    const { mouse } = this;
    const far = Math.hypot(screenX - mouse.x, screenY - mouse.y);
    // What moves under a mouse that stands still is told as a move, too.
    if (this.on && !(far >= PUSHED) && Number.isFinite(mouse.x)) return;
    this.mouse = { x: screenX, y: screenY };
    if (this.on && Number.isFinite(far)) this.leave();
  }

  /** @private @param {"pointerdown" | "pointermove" | "pointerup"} type */
  send(type) {
    const { viewer, app } = this, { surface, element } = viewer;
    const { px, py } = viewer.imageToScreen(this.at.u, this.at.v), corner = element.getBoundingClientRect();
    const { erase, pick } = app.tools.held;
    surface?.dispatchEvent(new PointerEvent(type, {
      bubbles: true, cancelable: true, pointerId: POINTER, pointerType: "keyboard", button: type === "pointermove" ? -1 : 0, buttons: this.down ? 1 : 0,
      clientX: corner.left + px, clientY: corner.top + py, shiftKey: erase, altKey: pick,
    }));
  }

  tell() {
    const { on, down } = this;
    this.app.emit("hand", { on, down });
  }
}
