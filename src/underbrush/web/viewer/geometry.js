// Where a pixel lies: planes and axes, levels, screen and image. Pure; no DOM.
// u: columns of a plane, v: its rows, both in pixels of level 0; w: the axis that is not shown. All doubles.
import { UPRIGHT, back, onto } from "./orientation.js";

/** @typedef {"xy" | "xz" | "zy"} Plane */
/** @typedef {"x" | "y" | "z"} Axis */
/** @typedef {import("./orientation.js").Orientation} Orientation */
/**
 * What the viewer needs of a lane of the state; shape is t, c, z, y, x.
 * @typedef {{id: string, shape: number[], dtype: string, rgb?: boolean, v: string, levels: number, tile?: number,
 *   pixel_size?: Record<string, [number, string] | null> | null, channels?: string[], range?: [number, number] | number[] | null,
 *   mask?: {v: string, missing?: string} | null, display?: string, first?: number[]}} Lane
 * display: the display mode that ilastik stored; first: the channels that a composite begins with
 */
/** @typedef {{width: number, height: number, depth: number}} PlaneSize */
/** @typedef {[number, number, number, number]} Box  x0, y0, x1, y1: start inclusive, stop exclusive */
/**
 * A view that nobody changes: centre in u, v; zoom; the viewport in device pixels; device pixels per CSS pixel.
 * `sx`, `sy`: device pixels a pixel along u and v. `ox`, `oy`: where u = 0, v = 0 lies, in device pixels, whole, so that
 * at 100 % image and screen pixels coincide.
 * @typedef {{cx: number, cy: number, zoom: number, width: number, height: number, ratio: number,
 *   sx: number, sy: number, ox: number, oy: number, orientation: Orientation}} Frame
 */

/** Part of a device pixel, far below what anybody sees and far above what doubles round off. */
const HAIR = 1 / 1024;

/** @type {Record<Plane, {u: Axis, v: Axis, w: Axis}>} */
export const PLANES = {
  xy: { u: "x", v: "y", w: "z" },
  xz: { u: "x", v: "z", w: "y" },
  zy: { u: "z", v: "y", w: "x" },
};

export const ZOOM_MOST = 64;

/** Place of an axis in a lane's shape (t, c, z, y, x). */
const PLACE = { z: 2, y: 3, x: 4 };

/** @param {Lane} lane @param {Plane} plane @returns {PlaneSize} */
export function planeSize(lane, plane) {
  const { u, v, w } = PLANES[plane];
  return { width: lane.shape[PLACE[u]], height: lane.shape[PLACE[v]], depth: lane.shape[PLACE[w]] };
}

/** @type {Record<string, number>} */
const METRES = {
  m: 1, metre: 1, meter: 1, cm: 1e-2, centimeter: 1e-2, mm: 1e-3, millimeter: 1e-3,
  "µm": 1e-6, "μm": 1e-6, um: 1e-6, micron: 1e-6, micrometer: 1e-6, micrometre: 1e-6,
  nm: 1e-9, nanometer: 1e-9, "Å": 1e-10, angstrom: 1e-10, pm: 1e-12, picometer: 1e-12,
};

/**
 * The length of a pixel in metres, or null where it is not known or is no length.
 * @param {Lane} lane @param {Axis} axis @returns {number | null}
 */
export function pixelMetres(lane, axis) {
  const size = lane.pixel_size?.[axis];
  if (!size || !(size[0] > 0) || !Number.isFinite(size[0])) return null;
  const unit = METRES[size[1]] ?? METRES[String(size[1]).toLowerCase()];
  return unit ? size[0] * unit : null;
}

/**
 * How much an axis is stretched against x: its pixel size over that of x; 1 where either is unknown, or where the
 * ratio is so large (over 1000) that it can only be a mistake in the file.
 * @param {Lane} lane @param {Axis} axis
 */
export function stretch(lane, axis) {
  const own = pixelMetres(lane, axis), x = pixelMetres(lane, "x");
  if (own === null || x === null) return 1;
  const ratio = own / x;
  return ratio > 1000 || ratio < 1e-3 ? 1 : ratio;
}

/**
 * How many pixels of level 0 one pixel of a level is wide and high. z is never reduced.
 * @param {Plane} plane @param {number} level @returns {{du: number, dv: number}}
 */
export function levelStep(plane, level) {
  const { u, v } = PLANES[plane], step = 2 ** level;
  return { du: u === "z" ? 1 : step, dv: v === "z" ? 1 : step };
}

/** Columns and rows of the plane at a level. @param {PlaneSize} size @param {Plane} plane @param {number} level */
export function levelSize(size, plane, level) {
  const { du, dv } = levelStep(plane, level);
  return { width: Math.ceil(size.width / du), height: Math.ceil(size.height / dv) };
}

/**
 * @param {Lane} lane @param {Plane} plane
 * @param {{cx: number, cy: number, zoom: number}} view @param {{width: number, height: number, ratio: number}} port
 * @param {Orientation} [orientation]
 * @returns {Frame}
 */
export function frameOf(lane, plane, view, port, orientation = UPRIGHT) {
  const { u, v } = PLANES[plane];
  const sx = view.zoom * stretch(lane, u), sy = view.zoom * stretch(lane, v);
  const [right, down] = onto(orientation, view.cx * sx, view.cy * sy);
  const ox = Math.round(port.width / 2 - right), oy = Math.round(port.height / 2 - down);
  return { ...view, ...port, sx, sy, ox, oy, orientation };
}

/** Device pixels -> u, v. @param {Frame} frame @param {number} x @param {number} y */
function fromDevice({ ox, oy, sx, sy, orientation }, x, y) {
  const [along, across] = back(orientation, x - ox, y - oy);
  return { u: along / sx, v: across / sy };
}

/** CSS pixels -> u, v. @param {Frame} frame @param {number} px @param {number} py */
export function screenToImage(frame, px, py) {
  return fromDevice(frame, px * frame.ratio, py * frame.ratio);
}

/**
 * What a pointer at a position is on. Where that lies between two pixels of the image it is the one to the right and
 * below, as it is on the screen, however the plane is turned.
 * @param {Frame} frame @param {number} px @param {number} py CSS pixels
 */
export function pointToImage(frame, px, py) {
  const [a, b, c, d] = frame.orientation;
  return fromDevice(frame, px * frame.ratio + (a + b < 0 ? HAIR : 0), py * frame.ratio + (c + d < 0 ? HAIR : 0));
}

/** u, v -> CSS pixels. @param {Frame} frame @param {number} u @param {number} v */
export function imageToScreen(frame, u, v) {
  const [right, down] = onto(frame.orientation, u * frame.sx, v * frame.sy);
  return { px: (frame.ox + right) / frame.ratio, py: (frame.oy + down) / frame.ratio };
}

/** Where a part of the plane lies on the screen, in device pixels. @param {Pick<Frame, "ox" | "oy" | "sx" | "sy" | "orientation">} frame @param {Box} part u0, v0, u1, v1 @returns {Box} */
export function screenBox({ ox, oy, sx, sy, orientation }, [u0, v0, u1, v1]) {
  const [x0, y0] = onto(orientation, u0 * sx, v0 * sy), [x1, y1] = onto(orientation, u1 * sx, v1 * sy);
  return [ox + Math.min(x0, x1), oy + Math.min(y0, y1), ox + Math.max(x0, x1), oy + Math.max(y0, y1)];
}

/** Where the plane lies on the screen, in device pixels. @param {Frame} frame @param {{width: number, height: number}} size @returns {Box} */
export function imageArea(frame, size) {
  return screenBox(frame, [0, 0, size.width, size.height]);
}

/** The frame in which the whole plane fills an area of the screen. @param {Frame} frame @param {{width: number, height: number}} size @param {Box} area @returns {Frame} */
export function frameIn(frame, size, area) {
  const { orientation } = frame, [along, across] = back(orientation, area[2] - area[0], area[3] - area[1]);
  const small = { ...frame, sx: Math.abs(along) / size.width, sy: Math.abs(across) / size.height, ox: 0, oy: 0 };
  const [left, top] = imageArea(small, size);
  return { ...small, ox: area[0] - left, oy: area[1] - top };
}

/**
 * What is in sight, in pixels of a level of the plane, cut to the image; null if nothing is.
 * @param {Frame} frame @param {PlaneSize} size @param {Plane} plane @param {number} level @returns {Box | null}
 */
export function visibleBox(frame, size, plane, level) {
  const { du, dv } = levelStep(plane, level), end = levelSize(size, plane, level);
  const a = fromDevice(frame, 0, 0), b = fromDevice(frame, frame.width, frame.height);
  const x0 = Math.max(0, Math.floor(Math.min(a.u, b.u) / du)), y0 = Math.max(0, Math.floor(Math.min(a.v, b.v) / dv));
  const x1 = Math.min(end.width, Math.ceil(Math.max(a.u, b.u) / du)), y1 = Math.min(end.height, Math.ceil(Math.max(a.v, b.v) / dv));
  return x1 > x0 && y1 > y0 ? [x0, y0, x1, y1] : null;
}

/** The zoom at which the whole plane is in sight with a margin. @param {Lane} lane @param {Plane} plane @param {{width: number, height: number}} port along u and v */
export function fitZoom(lane, plane, port) {
  const size = planeSize(lane, plane), { u, v } = PLANES[plane], margin = 0.98;
  const across = (port.width * margin) / (size.width * stretch(lane, u));
  const down = (port.height * margin) / (size.height * stretch(lane, v));
  return Math.min(across, down, ZOOM_MOST);
}

/**
 * From a quarter of what fits (a tiny image: 100 %) to 64 device pixels a pixel.
 * @param {Lane} lane @param {Plane} plane @param {{width: number, height: number}} port @param {number} zoom
 * @param {number} [fit] the zoom at which all is in sight
 */
export function clampZoom(lane, plane, port, zoom, fit = fitZoom(lane, plane, port)) {
  const least = Math.min(fit / 4, 1);
  return Number.isFinite(zoom) ? Math.min(ZOOM_MOST, Math.max(least, zoom)) : 1;
}

/** The view after zooming by a factor with the point under the pointer fixed. @param {Frame} frame @param {number} px @param {number} py @param {number} zoom */
export function zoomedAt(frame, px, py, zoom) {
  const { u, v } = screenToImage(frame, px, py), grow = zoom / frame.zoom;
  const [dx, dy] = back(frame.orientation, px * frame.ratio - frame.width / 2, py * frame.ratio - frame.height / 2);
  return { cx: u - dx / (frame.sx * grow), cy: v - dy / (frame.sy * grow), zoom };
}

/**
 * u, v and the position along the third axis -> z, y, x (whole numbers, not clamped).
 * @param {Plane} plane @param {number} slice @param {number} u @param {number} v
 */
export function voxelAt(plane, slice, u, v) {
  const axes = PLANES[plane];
  /** @type {Record<Axis, number>} */
  const at = { z: 0, y: 0, x: 0 };
  at[axes.u] = Math.floor(u);
  at[axes.v] = Math.floor(v);
  at[axes.w] = slice;
  return at;
}

/**
 * The part of runs (along x; five numbers t z y x n each, or six with a class id) that lies in a plane, as spans
 * u, v, n (and the id): an Int32Array of three (four) numbers each.
 * @param {ArrayLike<number>} runs @param {5 | 6} stride @param {{t: number, plane: Plane, slice: number}} where
 */
export function spansOf(runs, stride, where) {
  const { t, plane, slice } = where, out = [];
  for (let i = 0; i + stride <= runs.length; i += stride) {
    if (runs[i] !== t) continue;
    const z = runs[i + 1], y = runs[i + 2], x = runs[i + 3], n = runs[i + 4];
    if (plane === "xy" && z === slice) out.push(x, y, n);
    else if (plane === "xz" && y === slice) out.push(x, z, n);
    else if (plane === "zy" && x <= slice && slice < x + n) out.push(z, y, 1);
    else continue;
    if (stride === 6) out.push(runs[i + 5]);
  }
  return Int32Array.from(out);
}
