// What is drawn, as data: positions in device pixels, parts of textures in their pixels. Pure.
import { screenBox } from "./geometry.js";

/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./geometry.js").Box} Box */
/** A part of a texture (from, to, in its pixels) and where it goes, lying there as the frame's orientation says. @typedef {{texture: any, src: Box, dst: Box}} Draw */
/** @typedef {Draw & {low: number, high: number, gamma: number, colour: [number, number, number], smooth: boolean, random?: boolean}} RawDraw */
/** Spans along u (three numbers each) that are set to an id. `version` grows with every change of `data`.
 *  `bounds`: u0, v0, u1, v1 of all of them. @typedef {{id: number, data: Int32Array, count: number, version: number, bounds: Box}} Spans */
/** @typedef {import("./layers.js").Paint} Paint */
/**
 * `area`: all that it can touch, in whole device pixels of the screen. `direct`: nothing in it lies over anything else, so
 * that it can be drawn in colours at once; otherwise its numbers are put together first.
 * @typedef {{name: string, draws: Draw[], spans: Spans[], paint: Paint, area: Box, direct: boolean}} Overlay
 */
/** @typedef {{area: Box, draws: RawDraw[]}} Inset */
/** `image`: what the plane covers on the screen; `swipe`: overlays start at this column; `line`: width of outlines.
 *  @typedef {{frame: Frame, image: Box | null, raws: RawDraw[], overlays: Overlay[], swipe: number, line: number, inset: Inset | null}} Scene */
/** @typedef {{texture: any, width: number, height: number, u: number, v: number, du: number, dv: number}} Source */

/** Round the image, and where nothing is known: `--bg-well`. */
export const WELL = [8 / 255, 9 / 255, 10 / 255];

/**
 * One tile, drawn where `rect` (u, v) lies, as far as the tile covers it; null if it does not.
 * @param {Source} tile @param {Box} rect @param {Frame} frame @returns {Draw | null}
 */
export function drawOf(tile, rect, frame) {
  const u0 = Math.max(rect[0], tile.u), v0 = Math.max(rect[1], tile.v);
  const u1 = Math.min(rect[2], tile.u + tile.width * tile.du), v1 = Math.min(rect[3], tile.v + tile.height * tile.dv);
  if (u1 <= u0 || v1 <= v0) return null;
  return {
    texture: tile.texture,
    src: [(u0 - tile.u) / tile.du, (v0 - tile.v) / tile.dv, (u1 - tile.u) / tile.du, (v1 - tile.v) / tile.dv],
    dst: screenBox(frame, [u0, v0, u1, v1]),
  };
}

/**
 * An overlay, or null if nothing of it is on the screen.
 * @param {{name: string, draws: Draw[], spans: Spans[], paint: Paint}} parts @param {Frame} frame @returns {Overlay | null}
 */
export function overlayOf(parts, frame) {
  const { draws, spans, paint } = parts;
  const boxes = [...draws.map((draw) => draw.dst), ...spans.map(({ bounds }) => screenBox(frame, bounds))];
  if (!boxes.length) return null;
  // Two pixels more: spans are never thinner than one, and outlines look at their neighbours.
  /** @type {Box} */
  const area = [
    Math.max(0, Math.floor(Math.min(...boxes.map((box) => box[0]))) - 2), Math.max(0, Math.floor(Math.min(...boxes.map((box) => box[1]))) - 2),
    Math.min(frame.width, Math.ceil(Math.max(...boxes.map((box) => box[2]))) + 2), Math.min(frame.height, Math.ceil(Math.max(...boxes.map((box) => box[3]))) + 2),
  ];
  if (area[2] <= area[0] || area[3] <= area[1]) return null;
  // A span over a label is right at once only where it hides it.
  const opaque = !spans.length || (paint.opacity === 1 && spans.every(({ id }) => paint.colours[id * 4 + 3] === 255));
  return { ...parts, area, direct: !paint.outline && opaque && !overlapping(draws) };
}

/** Whether any two share a pixel of the screen. @param {Draw[]} draws */
export function overlapping(draws) {
  const slack = 1e-6;
  return draws.some(({ dst: a }, i) =>
    draws.some(({ dst: b }, j) => j > i && a[0] < b[2] - slack && b[0] < a[2] - slack && a[1] < b[3] - slack && b[1] < a[3] - slack));
}
