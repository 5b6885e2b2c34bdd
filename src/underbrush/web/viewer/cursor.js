// What lies over the picture and is no part of it: the outline of the brush, the crosshair. Drawn light on dark, so that it
// shows on anything. The outline has a canvas of just its size, which is moved: a canvas over the whole view costs a
// computer without a graphics card more at each move of the pointer than all the rest.
import { imageToScreen } from "./geometry.js";

/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Edges device pixels */

/** An outline is never smaller than this (CSS pixels). */
const LEAST = 3;
/** Device pixels round an outline for its lines, and steps in which its canvas grows. */
const MARGIN = 4, STEP = 32;

export class Cursor {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.lines = layer(parent, "crosshair");
    this.outline = layer(parent, "outline");
    /** @type {ArrayLike<number>[] | null} closed outlines in u, v */
    this.loops = null;
    /** @type {{u: number, v: number} | null} */
    this.cross = null;
    this.crossed = "";
  }

  /** @param {Frame} frame */
  draw(frame) {
    this.drawCross(frame);
    this.drawOutline(frame);
  }

  /** Over the whole view; drawn only when it or the view has changed. @private @param {Frame} frame */
  drawCross(frame) {
    const { canvas, pen } = this.lines, { cross } = this;
    const place = cross && imageToScreen(frame, cross.u, cross.v);
    const now = place ? `${place.px},${place.py},${frame.width},${frame.height},${frame.ratio}` : "";
    if (now === this.crossed) return;
    this.crossed = now;
    canvas.hidden = !place;
    if (!place) return;
    Object.assign(canvas, { width: frame.width, height: frame.height }); // which clears it
    fit(canvas, { left: 0, top: 0, right: frame.width, bottom: frame.height }, frame);
    pen.setTransform(frame.ratio, 0, 0, frame.ratio, 0, 0);
    const path = new Path2D();
    crossPath(path, frame, place);
    stroke(pen, path, "rgba(0,0,0,.6)", "rgba(255,255,255,.7)"); // it stands over what is looked at
  }

  /** In a canvas of its size, which is hidden and not cleared where there is none. @private @param {Frame} frame */
  drawOutline(frame) {
    const { canvas, pen } = this.outline;
    const screen = this.loops?.map((loop) => Array.from({ length: loop.length / 2 }, (_, i) => imageToScreen(frame, loop[2 * i], loop[2 * i + 1])));
    const edges = screen && edgesOf(screen, frame);
    canvas.hidden = !edges;
    if (!screen || !edges) return;
    const width = Math.ceil((edges.right - edges.left) / STEP) * STEP, height = Math.ceil((edges.bottom - edges.top) / STEP) * STEP;
    const { left, top } = edges, path = new Path2D();
    loopPath(path, frame, screen);
    // The canvas lies at whole device pixels, so that lines stay sharp.
    fit(canvas, { left, top, right: left + width, bottom: top + height }, frame);
    Object.assign(canvas, { width, height });
    pen.setTransform(frame.ratio, 0, 0, frame.ratio, -left, -top);
    stroke(pen, path, "rgba(0,0,0,.75)", "#fff");
  }
}

/** A canvas over the picture that is not in the way of the pointer. @param {HTMLElement} parent @param {string} name */
function layer(parent, name) {
  const canvas = document.createElement("canvas");
  canvas.dataset.over = name;
  canvas.style.cssText = "position:absolute;left:0;top:0;pointer-events:none";
  canvas.hidden = true;
  parent.append(canvas);
  return { canvas, pen: /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")) };
}

/** Puts a canvas to these device pixels of the view. @param {HTMLCanvasElement} canvas @param {Edges} edges @param {Frame} frame */
function fit(canvas, { left, top, right, bottom }, { ratio }) {
  Object.assign(canvas.style, {
    width: `${(right - left) / ratio}px`,
    height: `${(bottom - top) / ratio}px`,
    transform: `translate(${left / ratio}px, ${top / ratio}px)`,
  });
}

/** What of outlines is in sight, with room for their lines; null: nothing. @param {{px: number, py: number}[][]} screen @param {Frame} frame @returns {Edges | null} */
function edgesOf(screen, frame) {
  const { ratio } = frame, box = boundsOf(screen), room = MARGIN + LEAST * ratio;
  const left = Math.max(0, Math.floor(box.left * ratio - room)), top = Math.max(0, Math.floor(box.top * ratio - room));
  const right = Math.min(frame.width, Math.ceil(box.right * ratio + room)), bottom = Math.min(frame.height, Math.ceil(box.bottom * ratio + room));
  return left < right && top < bottom ? { left, top, right, bottom } : null;
}

/** @param {{px: number, py: number}[][]} screen @returns {Edges} in CSS pixels */
function boundsOf(screen) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const loop of screen)
    for (const { px, py } of loop) {
      box.left = Math.min(box.left, px);
      box.top = Math.min(box.top, py);
      box.right = Math.max(box.right, px);
      box.bottom = Math.max(box.bottom, py);
    }
  return box;
}

/** Light on dark. @param {CanvasRenderingContext2D} pen @param {Path2D} path @param {string} dark @param {string} light */
function stroke(pen, path, dark, light) {
  for (const [width, colour] of /** @type {[number, string][]} */ ([[3, dark], [1, light]])) {
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.stroke(path);
  }
}

/** @param {Path2D} path @param {Frame} frame @param {{px: number, py: number}[][]} screen */
function loopPath(path, frame, screen) {
  const { left, top, right, bottom } = boundsOf(screen);
  if (right - left < LEAST || bottom - top < LEAST) {
    const x = (left + right) / 2, y = (top + bottom) / 2, size = Math.max(LEAST, right - left, bottom - top);
    path.rect(snap(x - size / 2, frame), snap(y - size / 2, frame), size, size);
    return;
  }
  for (const loop of screen) {
    loop.forEach(({ px, py }, i) => (i ? path.lineTo(snap(px, frame), snap(py, frame)) : path.moveTo(snap(px, frame), snap(py, frame))));
    path.closePath();
  }
}

/** A cross with a gap in the middle, where the pixel is. @param {Path2D} path @param {Frame} frame @param {{px: number, py: number}} place */
function crossPath(path, frame, { px, py }) {
  const x = snap(px, frame), y = snap(py, frame);
  const wide = frame.width / frame.ratio, high = frame.height / frame.ratio, gap = 8;
  for (const [x0, y0, x1, y1] of [[0, y, x - gap, y], [x + gap, y, wide, y], [x, 0, x, y - gap], [x, y + gap, x, high]]) {
    path.moveTo(x0, y0);
    path.lineTo(x1, y1);
  }
}

/** To the middle of a device pixel, so that lines are sharp. @param {number} value @param {Frame} frame */
const snap = (value, frame) => (Math.floor(value * frame.ratio) + 0.5) / frame.ratio;
