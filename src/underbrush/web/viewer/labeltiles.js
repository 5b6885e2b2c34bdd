// Label tiles: class ids from the server, kept up to date by the changes that are told. Every tile knows the revision
// that it shows; a change that came while its tile was under way is put in when it arrives.
import { levelStep, spansOf } from "./geometry.js";

/** @typedef {import("./geometry.js").Plane} Plane */
/** @typedef {import("./overlaytiles.js").Where} Where */
/** `stale`: shown, and to be asked for again; `empty`: has no label. @typedef {{key: string, data: Uint8Array, width: number, height: number, x: number, y: number,
 *   level: number, where: Where, revision: number, stale: boolean, texture: any, changed: boolean, empty: boolean}} LabelTile */
/** @typedef {{lane: string, revision: number, changes: ArrayLike<number>}} LabelsMessage  changes: t z y x n id a run */

/** Numbers of changes that are kept for tiles under way; older ones make such a tile stale instead. */
const LOG_MOST = 600_000;

export class LabelTiles {
  constructor() {
    /** @type {Map<string, LabelTile>} what the cache holds, by its keys */
    this.tiles = new Map();
    /** @type {LabelsMessage[]} */
    this.log = [];
    this.logged = 0;
    /** @type {Map<string, number>} lane -> a tile below this revision may lack changes that are no longer in the log */
    this.forgotten = new Map();
  }

  /**
   * Takes a tile that arrived, with all changes since its revision.
   * @param {string} key @param {LabelTile} tile
   */
  add(key, tile) {
    if (tile.revision < (this.forgotten.get(tile.where.lane) ?? -1)) tile.stale = true;
    for (const message of this.log) if (message.lane === tile.where.lane) apply(tile, message, spansFor(message, tile.where));
    this.tiles.set(key, tile);
  }

  /** The newest revision that was told for a lane. @param {string} lane */
  newest(lane) {
    return this.log.reduce((most, message) => (message.lane === lane ? Math.max(most, message.revision) : most), 0);
  }

  /** @param {string} key @param {LabelTile} tile the one that goes: a newer one may have its place already */
  remove(key, tile) {
    if (this.tiles.get(key) === tile) this.tiles.delete(key);
  }

  /** Changes of anybody. @param {LabelsMessage} message */
  put(message) {
    this.log.push(message);
    this.logged += message.changes.length;
    while (this.logged > LOG_MOST && this.log.length > 1) {
      const old = /** @type {LabelsMessage} */ (this.log.shift());
      this.logged -= old.changes.length;
      this.forgotten.set(old.lane, Math.max(old.revision, this.forgotten.get(old.lane) ?? -1));
    }
    /** @type {Map<string, Int32Array>} */
    const planes = new Map();
    for (const tile of this.tiles.values()) {
      if (tile.where.lane !== message.lane) continue;
      const plane = `${tile.where.t}|${tile.where.plane}|${tile.where.slice}`;
      const spans = planes.get(plane) ?? spansFor(message, tile.where);
      planes.set(plane, spans);
      apply(tile, message, spans);
    }
  }

  /** Everything, or what is of one lane, is asked for again when it is in sight. @param {string} [lane] */
  expire(lane) {
    for (const tile of this.tiles.values()) if (lane === undefined || tile.where.lane === lane) tile.stale = true;
  }

  /**
   * Everything is asked for again, and what was told before is forgotten: a server that was started again counts its
   * revisions anew, and has all of it in its tiles. Requests under way have to be given up first.
   */
  restart() {
    this.log = [];
    this.logged = 0;
    this.forgotten.clear();
    for (const tile of this.tiles.values()) Object.assign(tile, { stale: true, revision: -1 });
  }

  /** All of these tiles are there and show a revision, or a newer one. @param {string[]} keys @param {number} revision */
  shows(keys, revision) {
    return keys.every((key) => {
      const tile = this.tiles.get(key);
      return tile !== undefined && !tile.stale && tile.revision >= revision;
    });
  }
}

/** @param {LabelsMessage} message @param {Where} where */
const spansFor = (message, where) => spansOf(message.changes, 6, where);

/**
 * Writes spans (u, v, n, id) into a tile. On a reduced level the true answer also hangs on labels that are not here:
 * it is shown as if every pixel counted, and asked for again.
 * @param {LabelTile} tile @param {LabelsMessage} message @param {Int32Array} spans
 */
function apply(tile, message, spans) {
  if (message.revision <= tile.revision) return;
  const { du, dv } = levelStep(tile.where.plane, tile.level);
  for (let i = 0; i < spans.length; i += 4) {
    const row = Math.floor(spans[i + 1] / dv) - tile.y;
    if (row < 0 || row >= tile.height) continue;
    const from = Math.max(0, Math.floor(spans[i] / du) - tile.x);
    const to = Math.min(tile.width, Math.floor((spans[i] + spans[i + 2] - 1) / du) + 1 - tile.x);
    if (to <= from) continue;
    tile.data.fill(spans[i + 3], row * tile.width + from, row * tile.width + to);
    tile.changed = true;
    if (spans[i + 3]) tile.empty = false;
    if (tile.level > 0) tile.stale = true;
  }
  tile.revision = message.revision;
}
