/**
 * Pointers on the image: strokes, erasing, lasso, fill, pick and pan, by mouse, pen and finger.
 *
 * What a pointer does is settled when it goes down: tool, class, size, image, plane and slice stay as they were
 * until it goes up. A stroke that the browser breaks off (pointer taken away, window hidden) counts up to there.
 */
import { MAX_RUNS, Stroke, centre, outline, pixelsOf, runsOf } from "./brush.js";
import { Emitter } from "./emitter.js";
import { polygonRows } from "./lasso.js";

/** A finger is ignored for so long (milliseconds) after a pen was near: it is the hand that holds the pen. */
const PEN_NEAR = 1500;
/** A second finger that comes so soon was meant to pinch, and what the first one painted was not meant. */
const PINCH = 300;
/** Corners of a lasso nearer to each other than this (image pixels) say nothing new. */
const CORNER = 0.25;
/** A pointer that moved less than this (CSS pixels) clicked. */
const STILL = 3;
/** A lasso takes no more corners than this; the server takes 100,000. */
const MAX_CORNERS = 50000;

/**
 * @typedef {import("./brush.js").Sheet} Sheet
 * @typedef {{u: number, v: number, t: number, z: number, y: number, x: number, inside: boolean}} Place
 * @typedef {{surface: HTMLElement, locate: (event: any) => Place | null,
 *            panBy: (dx: number, dy: number) => void, zoomAt: (px: number, py: number, factor: number) => void,
 *            echo: (runs: ArrayLike<number>, classId: number, token: string, lane?: string) => void,
 *            dropEcho: (token: string, revision?: number) => void,
 *            drawCursor: (loops: number[][] | null) => void}} Canvas what is used of `Viewer`
 * @typedef {{token: string, pixels: number}} Mark how a command shows until it is acknowledged
 * @typedef {{canvas: Canvas, tools: import("./tools.js").Tools, sheet: () => (Sheet & {lane: string}) | null,
 *            commit: (command: import("./strokestore.js").Command, stroke: number, mark: Mark | null) => void,
 *            pick: (place: Place) => void, level?: (start: PointerEvent) => Deed | null, point?: (place: Place) => void, maxRuns?: number, now?: () => number}} Options
 *   sheet: what is shown now; null: nothing that can be painted on. commit: a command is made; commands of one stroke
 *   have one number; the mark comes with the last command that the echo stands for. point: clicked where a drag would pan
 */

/** @typedef {{move: (event: PointerEvent) => void, end: () => void, drop: () => void, sheet?: Sheet & {lane: string}}} Deed what a pointer does while it is down */

/** Events: "notice" ({level, sentence}), "active" (boolean). */
export class Painting extends Emitter {
  /** @param {Options} options */
  constructor(options) {
    super();
    this.options = options;
    this.canvas = options.canvas;
    this.tools = options.tools;
    this.now = options.now ?? (() => performance.now());
    this.marks = 0;
    this.strokes = 0;
    /** @type {Set<EventTarget>} */
    this.surfaces = new Set();
    /** @type {{id: number, type: string, deed: Deed, began: number, x: number, y: number} | null} */
    this.active = null;
    /** @type {Map<number, {x: number, y: number}>} fingers that are down */
    this.fingers = new Map();
    /** @type {{distance: number, x: number, y: number} | null} */
    this.pinch = null;
    this.penSeen = -Infinity;
    /** @type {Place | null} */
    this.at = null;
    /** @type {(() => void)[]} */
    this.undo = [];
  }

  listen() {
    this.listenTo(this.canvas.surface);
    this.hear(window, "blur", () => this.finish());
    // A surface that lost its pointer under load is not always told that it left.
    this.hear(window, "pointermove", (event) => this.at && !this.active && !this.surfaces.has(event.target) && this.hover(null));
    this.hear(window, "pagehide", () => this.finish());
    this.hear(document, "visibilitychange", () => document.hidden && this.finish());
    this.undo.push(this.tools.on("tool", () => this.drawCursor()));
  }

  /** @private @param {EventTarget} target @param {string} name @param {(event: any) => void} fn */
  hear(target, name, fn) {
    target.addEventListener(name, fn);
    this.undo.push(() => target.removeEventListener(name, fn));
  }

  /** One more view that is painted on. @param {HTMLElement} surface */
  listenTo(surface) {
    this.surfaces.add(surface);
    const on = this.hear.bind(this);
    on(surface, "pointerdown", (event) => this.down(event));
    on(surface, "pointermove", (event) => this.move(event));
    on(surface, "pointerup", (event) => this.up(event));
    on(surface, "pointercancel", (event) => this.up(event));
    on(surface, "lostpointercapture", (event) => this.up(event));
    on(surface, "pointerleave", () => this.hover(null));
    on(surface, "contextmenu", (event) => event.preventDefault());
    // Middle click pastes on some systems, and scrolls on others.
    on(surface, "mousedown", (event) => event.button === 1 && event.preventDefault());
    on(surface, "auxclick", (event) => event.preventDefault());
  }

  close() {
    this.finish();
    for (const undo of this.undo.splice(0)) undo();
  }

  // -- pointers -------------------------------------------------------------------------------------------------

  /** @param {PointerEvent} event */
  down(event) {
    if (event.pointerType === "touch" && this.touchDown(event)) return;
    this.notePen(event);
    if (this.active) return; // a second button or pointer does not disturb the first
    const deed = this.begin(event);
    if (!deed) return;
    event.preventDefault();
    this.active = { id: event.pointerId, type: event.pointerType, deed, began: this.now(), x: event.clientX, y: event.clientY };
    try {
      this.canvas.surface.setPointerCapture(event.pointerId);
    } catch {
      // The pointer is up already. Its end was told, or the next move has no button.
    }
    this.emit("active", true);
    deed.move(event);
  }

  /** @param {PointerEvent} event */
  move(event) {
    this.notePen(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.pinch) return this.pinching();
    const { active } = this;
    if (active?.id === event.pointerId) {
      if (event.buttons === 0 && event.pointerType !== "touch") return this.finish(); // its end was lost
      if (active.deed.sheet && !isSame(active.deed.sheet, this.options.sheet())) return this.finish();
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) active.deed.move(one);
    }
    if (event.pointerType !== "touch") this.hover(this.canvas.locate(event));
  }

  /** @param {PointerEvent} event */
  up(event) {
    this.fingers.delete(event.pointerId);
    if (this.fingers.size < 2) this.pinch = null;
    if (this.active?.id !== event.pointerId) return;
    // Where it goes up belongs to the stroke; a lost pointer has no place any more.
    const { deed } = this.active;
    if (event.type === "pointerup" && (!deed.sheet || isSame(deed.sheet, this.options.sheet()))) deed.move(event);
    this.finish();
  }

  /** Ends what is under way, as if the pointer had gone up. */
  finish() {
    const { active } = this;
    if (!active) return;
    this.active = null;
    active.deed.end();
    this.emit("active", false);
  }

  /** Drops what is under way, as if it had never begun (Escape, a pinch). What was sent already stays. */
  drop() {
    const { active } = this;
    if (!active) return;
    this.active = null;
    active.deed.drop();
    this.emit("active", false);
  }

  /** Drops a lasso that is being drawn. */
  cancel() {
    if (this.tools.tool === "lasso") this.drop();
  }

  /** @param {PointerEvent} event */
  notePen(event) {
    if (event.pointerType !== "pen") return;
    this.penSeen = this.now();
    if (!this.active) this.tools.hold("pen", isEraser(event));
  }

  /** @param {PointerEvent} event @returns {boolean} whether that is all that it means */
  touchDown(event) {
    if (this.now() - this.penSeen < PEN_NEAR || this.active?.type === "pen") return true;
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.fingers.size < 2) return false;
    if (this.active?.type === "touch" && this.now() - this.active.began < PINCH) this.drop();
    if (!this.active && this.fingers.size === 2) this.pinch = this.spread();
    return true;
  }

  spread() {
    const [a, b] = [...this.fingers.values()];
    return { distance: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  }

  pinching() {
    const before = this.pinch;
    if (!before || this.fingers.size < 2) return;
    const after = this.spread();
    const corner = this.canvas.surface.getBoundingClientRect();
    this.canvas.panBy(after.x - before.x, after.y - before.y);
    this.canvas.zoomAt(after.x - corner.left, after.y - corner.top, after.distance / before.distance);
    this.pinch = after;
  }

  // -- deeds ----------------------------------------------------------------------------------------------------

  /** @param {PointerEvent} event @returns {Deed | null} */
  begin(event) {
    const pan = event.button === 1 || (event.pointerType === "pen" && event.button === 2);
    if (event.button !== 0 && !pan && !isEraser(event)) return null;
    const deed = this.tools.deed({ shift: event.shiftKey, alt: event.altKey, eraser: isEraser(event), pan });
    if (deed.act === "pan") return this.pan(event);
    if (deed.act === "level") return this.options.level?.(event) ?? null;
    const sheet = this.options.sheet();
    if (!sheet) return null;
    if (deed.act === "none") this.emit("notice", { level: "info", sentence: deed.sentence });
    else if (deed.act === "pick") this.pick(event);
    else if (deed.act === "fill") this.fill(event, sheet, deed);
    else if (deed.act === "lasso") return this.lasso(sheet, deed.classId);
    else return this.stroke(sheet, deed.size, deed.classId);
    return null;
  }

  /** @param {PointerEvent} event */
  pick(event) {
    const place = this.canvas.locate(event);
    if (place?.inside) this.options.pick(place);
  }

  /** @param {PointerEvent} start @returns {Deed} */
  pan(start) {
    let [x, y] = [start.clientX, start.clientY];
    let far = 0;
    const move = (/** @type {PointerEvent} */ event) => {
      far = Math.max(far, Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY));
      if (far < STILL) return; // a hand that clicks is never quite still
      this.canvas.panBy(event.clientX - x, event.clientY - y);
      [x, y] = [event.clientX, event.clientY];
    };
    const end = () => {
      const place = far < STILL ? this.canvas.locate(start) : null;
      if (place) this.options.point?.(place);
    };
    return { move, end, drop: () => {} };
  }

  /**
   * @param {Sheet & {lane: string}} sheet
   * @param {number} size
   * @param {number} classId
   * @returns {Deed}
   */
  stroke(sheet, size, classId) {
    const stroke = new Stroke(sheet, size, this.options.maxRuns ?? MAX_RUNS);
    const number = ++this.strokes;
    let token = this.token();
    const send = () => {
      const pieces = stroke.take();
      pieces.forEach((runs, i) => {
        const last = i === pieces.length - 1; // the echo of all pieces stays until the last of them is there
        const mark = last ? { token, pixels: pixelsOf(runs) } : null;
        this.options.commit({ type: "paint", lane: sheet.lane, class: classId, runs }, number, mark);
      });
      if (!pieces.length) this.canvas.dropEcho(token);
      token = this.token();
    };
    return {
      sheet,
      move: (event) => {
        const place = this.canvas.locate(event);
        if (!place) return;
        const runs = stroke.to(place.u, place.v);
        if (runs.length) this.canvas.echo(runs, classId, token, sheet.lane);
        if (stroke.full) send();
      },
      end: send,
      drop: () => this.canvas.dropEcho(token),
    };
  }

  /** @param {Sheet & {lane: string}} sheet @param {number} classId @returns {Deed} */
  lasso(sheet, classId) {
    /** @type {number[]} */
    const points = [];
    const clear = () => this.drawCursor();
    return {
      sheet,
      move: (event) => {
        const place = this.canvas.locate(event);
        if (!place) return;
        const { u, v } = place;
        const n = points.length;
        if (n && (n >= 2 * MAX_CORNERS || Math.hypot(points[n - 2] - u, points[n - 1] - v) < CORNER)) return;
        points.push(u, v);
        this.canvas.drawCursor([points]);
      },
      end: () => {
        clear();
        const runs = runsOf(sheet, polygonRows(points, sheet.width, sheet.height));
        if (!runs.length) return;
        const { lane, t, plane, slice } = sheet;
        const mark = { token: this.token(), pixels: pixelsOf(runs) };
        this.canvas.echo(runs, classId, mark.token, lane);
        // The server fills outlines by the same rule; in zy the pixels one by one would be a very long message.
        const corners = points.flatMap((u, i) => (i % 2 ? [] : [[u, points[i + 1]]]));
        this.options.commit({ type: "lasso", lane, t, plane, slice, class: classId, points: corners }, ++this.strokes, mark);
      },
      drop: clear,
    };
  }

  /**
   * Filled on the server, which knows the values.
   * @param {PointerEvent} event
   * @param {Sheet & {lane: string}} sheet
   * @param {{classId: number, rule: import("./tools.js").FillRule}} deed
   */
  fill(event, { lane, plane }, { classId, rule }) {
    const place = this.canvas.locate(event);
    if (!place?.inside) return;
    const { t, z, y, x } = place;
    this.options.commit({ type: "fill", lane, t, z, y, x, class: classId, plane, ...rule }, ++this.strokes, null);
  }

  /** @returns {string} */
  token() {
    return `stroke ${++this.marks}`;
  }

  // -- cursor -----------------------------------------------------------------------------------------------------

  /** @param {Place | null} place */
  hover(place) {
    this.at = place;
    this.drawCursor();
  }

  /** The pixels that a click would set, as an outline. */
  drawCursor() {
    if (this.active && this.tools.tool === "lasso") return; // the lasso itself is drawn
    const { at, tools } = this;
    const sheet = at && this.options.sheet();
    const brush = sheet && !tools.held.pan && !tools.held.pick && (tools.tool === "brush" || tools.tool === "eraser" || tools.held.pen);
    this.canvas.surface.style.cursor = brush ? "none" : cursorOf(tools);
    if (!at || !brush) return this.canvas.drawCursor(null);
    const [column, row] = centre(at.u, at.v);
    this.canvas.drawCursor([outline(tools.size, column, row)]);
  }
}

/** @param {PointerEvent} event @returns {boolean} whether it is the eraser end of a pen */
export function isEraser(event) {
  return event.pointerType === "pen" && (event.button === 5 || (event.buttons & 32) !== 0);
}

/** @param {Sheet & {lane: string}} a @param {(Sheet & {lane: string}) | null} b @returns {boolean} */
function isSame(a, b) {
  return b !== null && a.lane === b.lane && a.t === b.t && a.plane === b.plane && a.slice === b.slice;
}

/** @param {import("./tools.js").Tools} tools @returns {string} */
function cursorOf(tools) {
  if (tools.held.pan || (tools.tool === "navigate" && !tools.held.pick)) return "grab";
  return tools.tool === "fill" ? "cell" : tools.tool === "level" ? "move" : "crosshair";
}
