// What lies over the picture and is no part of it: the outline of the brush, the crosshair. Drawn light on dark, so that it
// shows on anything, in a small canvas of its own: moving the pointer draws no tile.
import { imageToScreen } from "./geometry.js";

/** @typedef {import("./geometry.js").Frame} Frame */

/** An outline is never smaller than this (CSS pixels). */
const LEAST = 3;

export class Cursor {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.canvas = document.createElement("canvas");
    this.canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%;pointer-events:none";
    parent.append(this.canvas);
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    /** @type {ArrayLike<number>[] | null} closed outlines in u, v */
    this.loops = null;
    /** @type {{u: number, v: number} | null} */
    this.cross = null;
    this.empty = true;
  }

  /** @param {Frame} frame */
  draw(frame) {
    const { canvas, pen } = this;
    if (canvas.width !== frame.width || canvas.height !== frame.height) Object.assign(canvas, { width: frame.width, height: frame.height });
    else if (!this.empty) pen.clearRect(0, 0, canvas.width, canvas.height);
    this.empty = !this.loops && !this.cross;
    if (this.empty) return;
    pen.setTransform(frame.ratio, 0, 0, frame.ratio, 0, 0);
    const cross = new Path2D(), loops = new Path2D();
    if (this.cross) crossPath(cross, frame, this.cross);
    if (this.loops) loopPath(loops, frame, this.loops);
    this.stroke(cross, "rgba(0,0,0,.6)", "rgba(255,255,255,.7)"); // it stands over what is looked at
    this.stroke(loops, "rgba(0,0,0,.75)", "#fff");
    pen.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** Light on dark. @private @param {Path2D} path @param {string} dark @param {string} light */
  stroke(path, dark, light) {
    for (const [width, colour] of /** @type {[number, string][]} */ ([[3, dark], [1, light]])) {
      this.pen.lineWidth = width;
      this.pen.strokeStyle = colour;
      this.pen.stroke(path);
    }
  }
}

/** @param {Path2D} path @param {Frame} frame @param {ArrayLike<number>[]} loops */
function loopPath(path, frame, loops) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  const screen = loops.map((loop) => Array.from({ length: loop.length / 2 }, (_, i) => imageToScreen(frame, loop[2 * i], loop[2 * i + 1])));
  for (const { px, py } of screen.flat()) (left = Math.min(left, px), top = Math.min(top, py), right = Math.max(right, px), bottom = Math.max(bottom, py));
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

/** A cross with a gap in the middle, where the pixel is. @param {Path2D} path @param {Frame} frame @param {{u: number, v: number}} cross */
function crossPath(path, frame, cross) {
  const { px, py } = imageToScreen(frame, cross.u, cross.v), x = snap(px, frame), y = snap(py, frame);
  const wide = frame.width / frame.ratio, high = frame.height / frame.ratio, gap = 8;
  for (const [x0, y0, x1, y1] of [[0, y, x - gap, y], [x + gap, y, wide, y], [x, 0, x, y - gap], [x, y + gap, x, high]]) {
    path.moveTo(x0, y0);
    path.lineTo(x1, y1);
  }
}

/** To the middle of a device pixel, so that lines are sharp. @param {number} value @param {Frame} frame */
const snap = (value, frame) => (Math.floor(value * frame.ratio) + 0.5) / frame.ratio;
