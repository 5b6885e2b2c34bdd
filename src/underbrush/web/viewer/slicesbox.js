/**
 * Where the three slices lie in the volume: a box in a slanted view, with what the views show at its place in it.
 */
import { PLANES, imageArea, planeSize, stretch } from "./geometry.js";

/**
 * @typedef {import("./geometry.js").Lane} Lane
 * @typedef {import("./geometry.js").Plane} Plane
 * @typedef {{x: number, y: number, z: number}} Voxel
 * @typedef {{origin: [number, number], x: [number, number], y: [number, number], z: [number, number]}} Slant
 *   where the voxel 0, 0, 0 lies, and one voxel on along each axis, in CSS pixels
 */

/** How the axes run on the screen: x to the right and down, y down, z to the right and up. @type {Record<"x" | "y" | "z", [number, number]>} */
const AXES = { x: [0.62, 0.2], y: [0, 0.86], z: [0.62, -0.36] };
const EDGE = 22;
const TOP = 40;
/** The longer side of a slice that is kept, in pixels: the box is small. */
const KEPT = 224;
const EDGES = [[0, 1], [0, 2], [1, 3], [2, 3], [4, 5], [4, 6], [5, 7], [6, 7], [0, 4], [1, 5], [2, 6], [3, 7]];

/**
 * The largest slanted view of a volume that fits, in the middle.
 * @param {Lane} lane @param {number} width @param {number} height CSS pixels
 * @returns {Slant}
 */
export function slantOf(lane, width, height) {
  const [, , nz, ny, nx] = lane.shape;
  const size = { x: nx, y: ny * stretch(lane, "y"), z: nz * stretch(lane, "z") };
  const points = corners(size.x, size.y, size.z).map(([x, y, z]) => [0, 1].map((k) => AXES.x[k] * x + AXES.y[k] * y + AXES.z[k] * z));
  const [left, right] = [Math.min(...points.map((p) => p[0])), Math.max(...points.map((p) => p[0]))];
  const [top, bottom] = [Math.min(...points.map((p) => p[1])), Math.max(...points.map((p) => p[1]))];
  const scale = Math.max(0, Math.min((width - 2 * EDGE) / (right - left), (height - TOP - EDGE) / (bottom - top)));
  const along = (/** @type {"x" | "y" | "z"} */ axis) => /** @type {[number, number]} */ (AXES[axis].map((part) => part * scale * stretch(lane, axis)));
  return {
    origin: [width / 2 - ((left + right) / 2) * scale, (TOP + height - EDGE) / 2 - ((top + bottom) / 2) * scale],
    x: along("x"), y: along("y"), z: along("z"),
  };
}

/** @param {Slant} slant @param {number} x @param {number} y @param {number} z @returns {[number, number]} CSS pixels */
export function onSlant({ origin, x: ex, y: ey, z: ez }, x, y, z) {
  return [origin[0] + ex[0] * x + ey[0] * y + ez[0] * z, origin[1] + ex[1] * x + ey[1] * y + ez[1] * z];
}

/** @param {number} x @param {number} y @param {number} z */
const corners = (x, y, z) => [[0, 0, 0], [x, 0, 0], [0, y, 0], [x, y, 0], [0, 0, z], [x, 0, z], [0, y, z], [x, y, z]];

export class SlicesBox {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.canvas = document.createElement("canvas");
    this.canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%";
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Position of the slices in the volume");
    parent.append(this.canvas);
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    /** @type {Map<Plane, {canvas: HTMLCanvasElement, key: string}>} */
    this.kept = new Map();
  }

  /**
   * Takes what a view shows; its canvas must just have been drawn. What lies outside of the view stays as it was seen
   * last on the same slice.
   * @param {import("./viewer.js").Viewer} viewer
   */
  take(viewer) {
    const { lane, place, frame, canvas } = viewer;
    if (!lane || !frame || !canvas || !canvas.width || !canvas.height) return;
    const size = planeSize(lane, place.plane), scale = Math.min(1, KEPT / Math.max(size.width, size.height));
    const kept = this.kept.get(place.plane) ?? { canvas: document.createElement("canvas"), key: "" };
    const key = `${lane.id}|${lane.v}|${place.t}|${place.slice}`;
    const [width, height] = [Math.max(1, Math.round(size.width * scale)), Math.max(1, Math.round(size.height * scale))];
    if (kept.key !== key || kept.canvas.width !== width || kept.canvas.height !== height) Object.assign(kept.canvas, { width, height });
    kept.key = key;
    this.kept.set(place.plane, kept);
    const [left, top, right, bottom] = imageArea(frame, size);
    const x0 = Math.max(0, left), y0 = Math.max(0, top), x1 = Math.min(canvas.width, right), y1 = Math.min(canvas.height, bottom);
    const pen = kept.canvas.getContext("2d");
    if (!pen || x1 - x0 < 1 || y1 - y0 < 1) return;
    // Kept upright, however the view is turned.
    const [a, b, c, d] = frame.orientation, kx = width / (size.width * frame.sx), ky = height / (size.height * frame.sy);
    pen.setTransform(kx * a, ky * b, kx * c, ky * d, -kx * (a * frame.ox + c * frame.oy), -ky * (b * frame.ox + d * frame.oy));
    pen.drawImage(canvas, x0, y0, x1 - x0, y1 - y0, x0, y0, x1 - x0, y1 - y0);
    pen.resetTransform();
  }

  /** @param {Lane} lane @param {Voxel} at */
  draw(lane, at) {
    const { canvas, pen } = this, ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) return;
    const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, box.width, box.height);
    const slant = slantOf(lane, box.width, box.height), [, , nz, ny, nx] = lane.shape;
    const ends = corners(nx, ny, nz).map(([x, y, z]) => onSlant(slant, x, y, z));
    pen.lineWidth = 1;
    pen.strokeStyle = "#ffffff47";
    for (const [a, b] of EDGES) this.line(ends[a], ends[b]);
    this.slice(slant, "xz", { x: 0, y: at.y + 0.5, z: 0 }, lane, ratio, 0.9);
    this.slice(slant, "zy", { x: at.x + 0.5, y: 0, z: 0 }, lane, ratio, 0.9);
    this.slice(slant, "xy", { x: 0, y: 0, z: at.z + 0.5 }, lane, ratio, 0.8);
    pen.font = "13px system-ui, sans-serif";
    pen.fillStyle = "#b9bec7";
    pen.textAlign = "center";
    for (const [name, [x, y, z], [dx, dy]] of /** @type {[string, number[], number[]][]} */ ([["x", [nx / 2, ny, 0], [-6, 16]], ["y", [0, ny / 2, 0], [-10, 4]], ["z", [nx, ny, nz / 2], [8, 14]]])) {
      const [px, py] = onSlant(slant, x, y, z);
      pen.fillText(name, px + dx, py + dy);
    }
  }

  /** @private @param {[number, number]} a @param {[number, number]} b */
  line(a, b) {
    this.pen.beginPath();
    this.pen.moveTo(...a);
    this.pen.lineTo(...b);
    this.pen.stroke();
  }

  /** @private @param {Slant} slant @param {Plane} plane @param {Voxel} start @param {Lane} lane @param {number} ratio @param {number} opacity */
  slice(slant, plane, start, lane, ratio, opacity) {
    const { pen } = this, kept = this.kept.get(plane)?.canvas, { width, height } = planeSize(lane, plane);
    const [ox, oy] = onSlant(slant, start.x, start.y, start.z), eu = slant[PLANES[plane].u], ev = slant[PLANES[plane].v];
    pen.save();
    pen.setTransform(ratio * eu[0], ratio * eu[1], ratio * ev[0], ratio * ev[1], ratio * ox, ratio * oy);
    pen.globalAlpha = opacity;
    if (kept) pen.drawImage(kept, 0, 0, width, height);
    pen.globalAlpha = 1;
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.strokeStyle = "#ffffffd9";
    pen.stroke();
    pen.restore();
  }
}
