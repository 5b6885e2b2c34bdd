// What lies outside of a mask: tiles of 1 (outside) and 0 from the server, veiled and framed in the picture.
import { cellKey, piecesFor } from "./pyramid.js";
import { levelStep } from "./geometry.js";
import { drawOf } from "./scene.js";
import { TileStore } from "./tilestore.js";

/** @typedef {import("./pyramid.js").Cell} Cell */
/** @typedef {import("./pyramid.js").Grid} Grid */
/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./layers.js").Paint} Paint */
/** @typedef {import("./scene.js").Draw} Draw */
/** `empty`: nothing of it lies outside. @typedef {{data: Uint8Array, width: number, height: number, u: number, v: number, du: number, dv: number, texture: any, empty: boolean}} MaskTile */
/** What a mask is looked at with: `base` stands for image, mask and plane. @typedef {{base: string, grid: Grid, cells: Cell[], address: (cell: Cell) => string, box: (cell: Cell) => {x: number, y: number, w: number, h: number}}} Seen */

export class MaskTiles {
  /** @param {{limit: number, fetch?: typeof fetch, changed: () => void, failed: (sentence: string, permanent: boolean) => void, dispose: (texture: any) => void}} options */
  constructor(options) {
    /** @type {Map<string, {seen: Seen, cell: Cell}>} what a request under way is for */
    this.asked = new Map();
    /** @type {TileStore<MaskTile>} */
    this.store = new TileStore({
      ...options,
      decode: (want, response) => this.decode(want, response),
      dispose: (tile) => tile.texture && options.dispose(tile.texture),
    });
  }

  /** @param {Seen | null} seen null: no mask, or it is not shown */
  request(seen) {
    this.asked.clear();
    if (!seen) return this.store.want([]);
    const wants = [];
    for (const cell of seen.cells) {
      const id = seen.base + cellKey(cell);
      if (this.store.peek(id) !== undefined) continue;
      this.asked.set(id, { seen, cell });
      wants.push({ id, url: seen.address(cell), parts: [id] });
    }
    this.store.want(wants, seen.cells.map((cell) => seen.base + cellKey(cell)));
  }

  /** @private @param {import("./tilestore.js").Want} want @param {Response} response */
  async decode(want, response) {
    const data = new Uint8Array(await response.arrayBuffer()), asked = this.asked.get(want.id);
    if (!asked) return [];
    const { seen, cell } = asked, { x, y, w, h } = seen.box(cell), { du, dv } = levelStep(seen.grid.plane, cell.level);
    if (data.length !== w * h) throw new Error(`A part of the mask came broken: ${data.length.toLocaleString("en-US")} bytes, not ${h} x ${w}.`);
    /** @type {MaskTile} */
    const value = { data, width: w, height: h, u: x * du, v: y * dv, du, dv, texture: null, empty: data.every((one) => one === 0) };
    return [{ key: want.id, bytes: data.length, value }];
  }

  /** @param {Seen} seen @param {Frame} frame @param {(width: number, height: number, data: Uint8Array) => any} make a texture of numbers @returns {Draw[]} */
  draws(seen, frame, make) {
    const draws = [], find = (/** @type {Cell} */ cell) => this.store.get(seen.base + cellKey(cell));
    // Tiles without anything outside are drawn, too, beside others: the frame stands where the two meet.
    const pieces = seen.cells.flatMap((cell) => piecesFor(cell, seen.grid, find));
    if (pieces.every(({ found }) => found.empty)) return [];
    for (const { found, rect } of pieces) {
      found.texture ??= make(found.width, found.height, found.data);
      const draw = drawOf(found, rect, frame);
      if (draw) draws.push(draw);
    }
    return draws;
  }

  /** Whether everything in sight is there. @param {Seen | null} seen */
  complete(seen) {
    return !seen || seen.cells.every((cell) => this.store.peek(seen.base + cellKey(cell)));
  }

  get busy() {
    return this.store.busy;
  }

  /** The textures are gone; they are made again from what is kept. */
  restore() {
    for (const { value } of this.store.parts.values()) value.texture = null;
  }

  retry() {
    this.store.retry();
  }

  close() {
    this.store.close();
  }
}
