// Tiles of results as they come over the websocket: a tile replaces the one in its place; the earlier ones stay until then.
import { levelStep } from "./geometry.js";

/** @typedef {import("./geometry.js").Plane} Plane */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {{type?: string, view?: string, layer: string, lane: string, key: string, t: number, plane: Plane, slice: number,
 *   level: number, x: number, y: number, w: number, h: number, dtype?: string}} Header  dtype: "uint8", or "float32" for features */
/** `rect`: what it covers, u and v. @typedef {{data: Uint8Array | Float32Array, width: number, height: number, level: number, rect: Box,
 *   du: number, dv: number, generation: number, texture: any, place: string, spot: string}} OverlayTile */
/** @typedef {{lane: string, t: number, plane: Plane, slice: number}} Where */

/** Finer tiles than this many levels below what is asked for are not drawn: they would be many, and cost a lot. */
const FINER = 3;

export class OverlayTiles {
  /** @param {{limit: number, dispose: (texture: any) => void}} options limit: bytes */
  constructor(options) {
    this.options = options;
    /** @type {Map<string, Map<string, OverlayTile>>} oldest use first */
    this.places = new Map();
    /** @type {Map<string, string>} layer and lane -> the newest key */
    this.keys = new Map();
    this.generation = 0;
    this.bytes = 0;
  }

  /**
   * @param {Header} header @param {Uint8Array} bytes h x w numbers
   * @returns {Uint8Array | Float32Array} the numbers
   * @throws {RangeError} where the bytes are not what the header says
   */
  put(header, bytes) {
    const { layer, lane, key, level, x, y, w, h } = header;
    const whole = header.dtype !== "float32", size = w * h * (whole ? 1 : 4);
    if (bytes.length !== size) throw new RangeError(`A tile of ${layer} has ${bytes.length} bytes, not ${size} for ${w} x ${h}.`);
    // Floats have to begin at a multiple of four bytes.
    const data = whole ? bytes : new Float32Array(bytes.slice().buffer);
    const chain = `${layer}|${lane}`;
    if (this.keys.get(chain) !== key) {
      this.keys.set(chain, key);
      this.generation += 1;
    }
    const { du, dv } = levelStep(header.plane, level), place = placeOf(layer, header), spot = `${level}|${x}|${y}`;
    const tiles = this.use(place) ?? new Map();
    this.places.set(place, tiles);
    this.remove(tiles.get(spot));
    /** @type {Box} */
    const rect = [x * du, y * dv, (x + w) * du, (y + h) * dv];
    tiles.set(spot, { data, width: w, height: h, level, rect, du, dv, generation: this.generation, texture: null, place, spot });
    this.bytes += data.byteLength;
    this.trim(place);
    return data;
  }

  /**
   * Tiles of one level, which do not lie over each other: of the level that shows most of the box; of several the wanted one.
   * @param {string} layer @param {Where} where @param {number} level @param {Box} box in u, v
   * @returns {OverlayTile[]}
   */
  single(layer, where, level, box) {
    /** @type {Map<number, {tiles: OverlayTile[], area: number}>} */
    const levels = new Map();
    for (const tile of this.use(placeOf(layer, where))?.values() ?? []) {
      const wide = Math.min(tile.rect[2], box[2]) - Math.max(tile.rect[0], box[0]), high = Math.min(tile.rect[3], box[3]) - Math.max(tile.rect[1], box[1]);
      if (wide <= 0 || high <= 0) continue;
      const one = levels.get(tile.level) ?? { tiles: [], area: 0 };
      levels.set(tile.level, one);
      one.tiles.push(tile);
      one.area += wide * high;
    }
    const whole = 0.999 * (box[2] - box[0]) * (box[3] - box[1]), worth = (/** @type {number} */ area) => Math.min(area, whole);
    const best = [...levels].sort(([a, { area: p }], [b, { area: q }]) => worth(q) - worth(p) || Math.abs(a - level) - Math.abs(b - level))[0];
    return best ? best[1].tiles : [];
  }

  /**
   * What is drawn of a layer, in the order of drawing: a newer key above an older one, finer above coarser.
   * @param {string} layer @param {Where} where @param {number} level @param {Box} box in u, v
   * @returns {OverlayTile[]}
   */
  select(layer, where, level, box) {
    const tiles = this.use(placeOf(layer, where));
    if (!tiles) return [];
    const touching = [...tiles.values()].filter(({ rect }) => rect[0] < box[2] && box[0] < rect[2] && rect[1] < box[3] && box[1] < rect[3]);
    const near = touching.filter((tile) => tile.level >= level - FINER);
    return withoutHidden((near.length ? near : touching).sort((a, b) => a.generation - b.generation || b.level - a.level));
  }

  /** Forgets a layer, or all of them. @param {string} [layer] */
  drop(layer) {
    for (const [place, tiles] of this.places) {
      if (layer !== undefined && !place.startsWith(`${layer}|`)) continue;
      for (const tile of [...tiles.values()]) this.remove(tile);
      this.places.delete(place);
    }
  }

  /** @returns {Iterable<OverlayTile>} */
  *all() {
    for (const tiles of this.places.values()) yield* tiles.values();
  }

  /** @private @param {string} place */
  use(place) {
    const tiles = this.places.get(place);
    if (tiles) (this.places.delete(place), this.places.set(place, tiles));
    return tiles;
  }

  /** @private @param {OverlayTile | undefined} tile */
  remove(tile) {
    if (!tile) return;
    this.places.get(tile.place)?.delete(tile.spot);
    this.bytes -= tile.data.byteLength;
    if (tile.texture) this.options.dispose(tile.texture);
  }

  /** Throws out the longest unused planes, and of one plane alone its oldest tiles. @private @param {string} keep */
  trim(keep) {
    for (const [place, tiles] of this.places) {
      for (const tile of [...tiles.values()].sort((a, b) => a.generation - b.generation)) {
        if (this.bytes <= this.options.limit) return;
        if (place !== keep || tiles.size > 1) this.remove(tile);
      }
      if (tiles.size === 0) this.places.delete(place);
    }
  }
}

/** Without the tiles that a later one covers wholly. @param {OverlayTile[]} tiles in the order of drawing */
function withoutHidden(tiles) {
  return tiles.filter((tile, i) => !tiles.some((over, j) => j > i && covers(over.rect, tile.rect)));
}

/** @param {Box} a @param {Box} b */
const covers = (a, b) => a[0] <= b[0] && a[1] <= b[1] && a[2] >= b[2] && a[3] >= b[3];

/** Names of features may hold a bar; numbers may not: what is behind the name is read from the right. @param {string} layer @param {Where} where */
const placeOf = (layer, { lane, t, plane, slice }) => `${layer}|${lane}|${t}|${plane}|${slice}`;
