// What is drawn, as data: positions in device pixels, parts of textures in their pixels. Pure.

/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./geometry.js").Box} Box */
/** A part of a texture (from, to, in its pixels) and where it goes. @typedef {{texture: any, src: Box, dst: Box}} Draw */
/** @typedef {Draw & {low: number, high: number, gamma: number, colour: [number, number, number], smooth: boolean}} RawDraw */
/** Spans along u (three numbers each) that are set to an id. `version` grows with every change of `data`.
 *  @typedef {{id: number, data: Int32Array, count: number, version: number}} Spans */
/** @typedef {{name: string, draws: Draw[], spans: Spans[], paint: import("./layers.js").Paint}} Overlay */
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
  const { ox, oy, sx, sy } = frame;
  return {
    texture: tile.texture,
    src: [(u0 - tile.u) / tile.du, (v0 - tile.v) / tile.dv, (u1 - tile.u) / tile.du, (v1 - tile.v) / tile.dv],
    dst: [ox + u0 * sx, oy + v0 * sy, ox + u1 * sx, oy + v1 * sy],
  };
}

/** Where the plane lies on the screen, in device pixels. @param {Frame} frame @param {{width: number, height: number}} size @returns {Box} */
export function imageArea(frame, size) {
  return [frame.ox, frame.oy, frame.ox + size.width * frame.sx, frame.oy + size.height * frame.sy];
}
