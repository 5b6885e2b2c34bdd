// All tiles of a view: what is asked for, and the scene that they make. Knows the renderer only as a maker of textures.
import { frameIn, imageArea, levelStep, planeSize, visibleBox } from "./geometry.js";
import { cellBox, cellKey, cellRect, cellsIn, coarserBox, firstLevel, levelFor, piecesFor, reducedScale, ringAround } from "./pyramid.js";
import { laidOver, maskPaints, paintOf, rawMode, shownChannels, shownFeature } from "./layers.js";
import { LabelTiles } from "./labeltiles.js";
import { MaskTiles } from "./masktiles.js";
import { OverlayTiles } from "./overlaytiles.js";
import { FeatureRange } from "./featurerange.js";
import { Echoes } from "./echoes.js";
import { TileStore } from "./tilestore.js";
import { drawOf, overlayOf } from "./scene.js";

/** @typedef {import("./geometry.js").Lane} Lane */
/** @typedef {import("./geometry.js").Plane} Plane */
/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./pyramid.js").Cell} Cell */
/** @typedef {import("./pyramid.js").Grid} Grid */
/** @typedef {import("./labeltiles.js").LabelTile} LabelTile */
/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./scene.js").Draw} Draw */
/** @typedef {import("./gl.js").Renderer} Renderer */
/** @typedef {import("./tilestore.js").Want} Want */
/** @typedef {{texture: any, width: number, height: number, u: number, v: number, du: number, dv: number}} RawTile */
/** What is looked at. @typedef {{lane: Lane, t: number, plane: Plane, slice: number, frame: Frame, layers: import("./layers.js").Layers,
 *   classes: readonly import("./layers.js").ClassInfo[], rawOnly: boolean, swipe: number | null, inset: Box | null}} Sight */
/** @typedef {{api: string, fetch?: typeof fetch, rawBytes?: number, overlayBytes?: number, labelBytes?: number,
 *   changed: () => void, failed: (sentence: string, permanent: boolean) => void}} PictureOptions */

const MB = 1024 * 1024;
/** @type {import("./layers.js").Colour} */
const WHITE = [255, 255, 255];
/** More tiles than this are never asked for at once: an image without enough levels, seen from far away. */
const TILES_MOST = 600;
/** An echo whose revision nobody told of for that long has its tiles asked for again (milliseconds). */
const ECHO_PATIENCE = 2000;

export class Picture {
  /** @param {PictureOptions} options @param {Renderer} renderer */
  constructor(options, renderer) {
    this.options = options;
    this.renderer = renderer;
    this.echoes = new Echoes();
    this.labels = new LabelTiles();
    /** @type {Map<string, [number, number]>} contrast that was found for a channel */
    this.auto = new Map();
    const shared = { fetch: options.fetch, changed: options.changed, failed: options.failed };
    /** @type {TileStore<RawTile>} */
    this.raw = new TileStore({
      ...shared, limit: options.rawBytes ?? 256 * MB,
      decode: (want, response) => this.decodeRaw(want, response),
      dispose: (tile) => this.renderer.deleteTexture(tile.texture),
    });
    /** @type {TileStore<LabelTile>} */
    this.labelStore = new TileStore({
      ...shared, limit: options.labelBytes ?? 48 * MB, cache: "no-store",
      decode: (want, response) => this.decodeLabels(want, response),
      dispose: (tile) => {
        if (tile.texture) this.renderer.deleteTexture(tile.texture);
        this.labels.remove(tile.key, tile);
      },
    });
    this.overlays = new OverlayTiles({ limit: options.overlayBytes ?? 96 * MB, dispose: (texture) => this.renderer.deleteTexture(texture) });
    this.masks = new MaskTiles({ ...shared, limit: 24 * MB, dispose: (texture) => this.renderer.deleteTexture(texture) });
    this.ranges = new FeatureRange();
    /** @type {Map<string, {cell: Cell, grid: Grid, sight: Sight, channels: number[]}>} what a request under way is for */
    this.asked = new Map();
  }

  /** All textures are gone: those of numbers are made again from what is kept, raw tiles are asked for again. @param {Renderer} renderer */
  restore(renderer) {
    this.renderer = renderer;
    for (const tile of this.overlays.all()) tile.texture = null;
    for (const tile of this.labels.tiles.values()) tile.texture = null;
    this.masks.restore();
    this.raw.clear();
  }

  /** @param {Sight} sight */
  level({ frame, lane, plane }) {
    return levelFor(reducedScale(frame, plane), lane.levels);
  }

  /** What is in sight, in pixels of the level. @param {Sight} sight */
  box(sight) {
    return visibleBox(sight.frame, planeSize(sight.lane, sight.plane), sight.plane, this.level(sight));
  }

  /** @private @param {Sight} sight @returns {Cell[]} */
  cells(sight) {
    const box = this.box(sight);
    return box ? cellsIn(box, this.level(sight), gridOf(sight).tile).slice(0, TILES_MOST) : [];
  }

  /** Asks the server for what is in sight and not there, the most urgent first. @param {Sight} sight */
  request(sight) {
    this.asked.clear();
    const cells = this.cells(sight), channels = this.shown(sight).map((one) => one.channel);
    this.requestRaw(sight, cells, channels);
    this.masks.request(this.masked(sight));
    if (!sight.layers.labels.visible) return this.labelStore.want([]);
    const keys = cells.map((cell) => placeKey(sight) + cellKey(cell));
    const late = this.echoes.overdue(sight.lane.id, Date.now() - ECHO_PATIENCE);
    for (const echo of late) {
      this.labels.expire(sight.lane.id);
      echo.since = Date.now();
    }
    const missing = cells.filter((_, i) => this.labels.tiles.get(keys[i])?.stale ?? true);
    this.labelStore.want(missing.map((cell) => this.wantLabels(sight, cell)), keys);
  }

  /** @private @param {Sight} sight @param {Cell[]} cells @param {number[]} channels */
  requestRaw(sight, cells, channels) {
    const grid = gridOf(sight), box = this.box(sight), level = this.level(sight);
    /** @type {Want[]} */
    const wants = [];
    const first = box ? firstLevel(box, grid, level) : level;
    const quick = box && first > level ? cellsIn(coarserBox(box, grid.plane, level, first), first, grid.tile) : [];
    const overview = sight.inset ? this.overviewCells(sight) : [];
    const near = [...quick, ...cells, ...overview];
    const roomy = this.raw.bytes < this.raw.options.limit / 2, ahead = box && roomy ? ringAround(box, grid, level) : [];
    const ask = (/** @type {Sight} */ at, /** @type {Cell} */ cell) => {
      const base = placeKey(at) + cellKey(cell), missing = channels.filter((c) => this.raw.peek(`${base}|${c}`) === undefined);
      if (missing.length) wants.push(this.wantRaw(at, cell, missing, base));
    };
    for (const cell of [...near, ...ahead]) ask(sight, cell);
    if (roomy) for (const near of neighbours(sight)) for (const cell of cells) ask({ ...sight, ...near }, cell);
    const unique = [...new Map(wants.map((want) => [want.id, want])).values()];
    this.raw.want(unique, near.flatMap((cell) => channels.map((c) => `${placeKey(sight)}${cellKey(cell)}|${c}`)));
  }

  /** @private @param {Sight} sight @param {Cell} cell @param {number[]} channels @param {string} base @returns {Want} */
  wantRaw(sight, cell, channels, base) {
    const id = `${base}|${channels.join(",")}`, query = queryOf(sight, cell);
    this.asked.set(id, { cell, grid: gridOf(sight), sight, channels });
    query.set("v", sight.lane.v);
    query.set("c", channels.join(","));
    return { id, url: `${this.options.api}/lanes/${sight.lane.id}/tile?${query}`, parts: channels.map((c) => `${base}|${c}`) };
  }

  /** @private @param {Sight} sight @param {Cell} cell @returns {Want} */
  wantLabels(sight, cell) {
    const id = placeKey(sight) + cellKey(cell);
    this.asked.set(id, { cell, grid: gridOf(sight), sight, channels: [] });
    return { id, url: `${this.options.api}/lanes/${sight.lane.id}/labels?${queryOf(sight, cell)}`, parts: [id] };
  }

  /** @private @param {Want} want @param {Response} response */
  async decodeRaw(want, response) {
    const asked = this.asked.get(want.id), bytes = await response.arrayBuffer();
    if (!asked) return [];
    const [count, height, width] = (response.headers.get("X-Shape") ?? "").split(",").map(Number);
    const dtype = /** @type {"uint8" | "uint16" | "float32"} */ (response.headers.get("X-Dtype"));
    const Kind = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array }[dtype];
    const size = width * height * (Kind?.BYTES_PER_ELEMENT ?? 0);
    if (count !== want.parts.length || !(size > 0) || bytes.byteLength !== size * count)
      throw new Error(`A part of the image came broken: ${bytes.byteLength.toLocaleString("en-US")} bytes of ${dtype}, said to be ${count} x ${height} x ${width}.`);
    if (this.renderer.lost) return [];
    const { du, dv } = levelStep(asked.grid.plane, asked.cell.level), [u, v] = cellRect(asked.cell, asked.grid);
    return want.parts.map((key, i) => {
      const data = new Kind(bytes, i * size, width * height), texture = this.renderer.makeTexture(dtype, width, height, data);
      return { key, bytes: size, value: { texture, width, height, u, v, du, dv } };
    });
  }

  /** @private @param {Want} want @param {Response} response */
  async decodeLabels(want, response) {
    const asked = this.asked.get(want.id), data = new Uint8Array(await response.arrayBuffer());
    if (!asked) return [];
    const { cell, grid, sight } = asked, box = cellBox(cell, grid), shape = response.headers.get("X-Shape")?.split(",").map(Number);
    const width = shape?.at(-1) ?? box.w, height = shape?.at(-2) ?? box.h;
    if (data.length !== width * height) throw new Error(`Labels came broken: ${data.length.toLocaleString("en-US")} bytes, said to be ${height} x ${width}.`);
    const where = { lane: sight.lane.id, t: sight.t, plane: sight.plane, slice: sight.slice };
    const revision = Number(response.headers.get("X-Revision") ?? this.labels.newest(where.lane));
    /** @type {LabelTile} */
    const tile = { key: want.id, data, width, height, x: box.x, y: box.y, level: cell.level, where, revision, stale: false, texture: null, changed: false, empty: data.every((id) => id === 0) };
    this.labels.add(want.id, tile);
    return [{ key: want.id, bytes: data.length, value: tile }];
  }

  /** @private @param {Sight} sight */
  shown(sight) {
    return shownChannels(sight.layers, sight.lane, (c) => this.auto.get(contrastKey(sight.lane, c)));
  }

  /** @param {Sight} sight @returns {Scene} */
  scene(sight) {
    const size = planeSize(sight.lane, sight.plane), { frame } = sight;
    const names = sight.rawOnly ? [] : laidOver(sight.layers), feature = sight.rawOnly ? null : shownFeature(sight.layers);
    this.settleEchoes(sight);
    return {
      frame, image: imageArea(frame, size),
      raws: this.below(sight, feature, frame),
      overlays: names.flatMap((name) => (name === "mask" ? this.veil(sight) : overlayOf(this.overlay(sight, name), frame) ?? [])),
      swipe: sight.swipe === null ? 0 : Math.round(sight.swipe * frame.width),
      line: Math.max(1, Math.round(frame.ratio)),
      inset: sight.inset && { area: sight.inset, draws: this.overview(sight, sight.inset) },
    };
  }

  /** @private @param {Sight} sight @param {Cell[]} cells @param {Frame} frame */
  rawDraws(sight, cells, frame) {
    const grid = gridOf(sight), smooth = Math.max(frame.sx, frame.sy) < 1, base = placeKey(sight), draws = [];
    for (const { channel, ...look } of this.shown(sight)) {
      const find = (/** @type {Cell} */ cell) => this.raw.get(`${base}${cellKey(cell)}|${channel}`);
      for (const cell of cells)
        for (const piece of piecesFor(cell, grid, find)) {
          const draw = drawOf(piece.found, piece.rect, frame);
          if (draw) draws.push({ ...draw, ...look, smooth: smooth && !look.random && !look.mask });
        }
    }
    return draws;
  }

  /** @param {import("./overlaytiles.js").Header} header @param {Uint8Array} bytes */
  putResult(header, bytes) {
    const data = this.overlays.put(header, bytes);
    if (data instanceof Float32Array) this.ranges.note(header, data);
  }

  /** What is in sight, in u, v. @private @param {Sight} sight @returns {Box | null} */
  area(sight) {
    const box = this.box(sight), { du, dv } = levelStep(sight.plane, this.level(sight));
    return box && [box[0] * du, box[1] * dv, box[2] * du, box[3] * dv];
  }

  /** A feature image, drawn as the raw one is: in grey, or the colour of its layer. @private @param {Sight} sight @param {string} name */
  featureDraws(sight, name) {
    const layer = sight.layers[name], size = planeSize(sight.lane, sight.plane), area = this.area(sight), { frame } = sight;
    const [low, high] = this.featureRange(sight, name), smooth = Math.max(frame.sx, frame.sy) < 1, draws = [];
    for (const tile of area ? this.overlays.single(name, whereOf(sight), this.level(sight), area) : []) {
      tile.texture ??= this.renderer.makeTexture("float32", tile.width, tile.height, tile.data);
      const draw = drawOf({ ...tile, u: tile.rect[0], v: tile.rect[1] }, [0, 0, size.width, size.height], frame);
      if (draw) draws.push({ ...draw, low, high, gamma: layer.gamma ?? 1, colour: layer.colour ?? WHITE, smooth });
    }
    return draws;
  }

  /** The raw image, or the feature image as soon as there is something of it. @private @param {Sight} sight @param {string | null} feature @param {Frame} frame */
  below(sight, feature, frame) {
    const draws = feature ? this.featureDraws(sight, feature) : [];
    return draws.length ? draws : this.rawDraws(sight, this.cells(sight), frame);
  }

  /** Black and white of a feature image. @param {Sight} sight @param {string} name @returns {[number, number]} */
  featureRange({ layers, lane }, name) {
    const [low, high] = this.ranges.of(name, lane.id), layer = layers[name];
    return [layer.low ?? low, layer.high ?? high];
  }

  /** The value of the feature image at a pixel of the plane, as shown; null where it is not there. @param {Sight} sight @param {number} u @param {number} v */
  featureAt(sight, u, v) {
    const name = shownFeature(sight.layers), area = this.area(sight);
    const tiles = name && area ? this.overlays.single(name, whereOf(sight), this.level(sight), area) : [];
    const tile = tiles.find(({ rect }) => rect[0] <= u && u < rect[2] && rect[1] <= v && v < rect[3]);
    if (!name || !tile) return null;
    const at = Math.floor((v - tile.rect[1]) / tile.dv) * tile.width + Math.floor((u - tile.rect[0]) / tile.du);
    return { name: name.slice(8), value: tile.data[at] };
  }

  /** @private @param {Sight} sight @param {string} name */
  overlay(sight, name) {
    const paint = paintOf(sight.layers, name, sight.classes, rawMode(sight.layers.raw, sight.lane) === "rgb");
    if (name === "labels") return { name, draws: this.labelDraws(sight), spans: this.echoes.spansIn(whereOf(sight)), paint };
    const size = planeSize(sight.lane, sight.plane), area = this.area(sight);
    /** @type {Draw[]} */
    const draws = [];
    for (const tile of area ? this.overlays.select(name, whereOf(sight), this.level(sight), area) : []) {
      tile.texture ??= this.renderer.makeTexture("ids", tile.width, tile.height, tile.data);
      const draw = drawOf({ ...tile, u: tile.rect[0], v: tile.rect[1] }, [0, 0, size.width, size.height], sight.frame);
      if (draw) draws.push(draw);
    }
    return { name, draws, spans: [], paint };
  }

  /** @private @param {Sight} sight */
  labelDraws(sight) {
    const grid = gridOf(sight), base = placeKey(sight), draws = [];
    const find = (/** @type {Cell} */ cell) => this.labelStore.get(base + cellKey(cell));
    for (const cell of this.cells(sight))
      for (const { found, rect } of piecesFor(cell, grid, find)) {
        if (found.empty) continue;
        if (!found.texture) found.texture = this.renderer.makeTexture("ids", found.width, found.height, found.data);
        else if (found.changed) this.renderer.updateTexture(found.texture, found.data);
        found.changed = false;
        const step = levelStep(sight.plane, found.level);
        const draw = drawOf({ ...found, ...step, u: found.x * step.du, v: found.y * step.dv }, rect, sight.frame);
        if (draw) draws.push(draw);
      }
    return draws;
  }

  /** The mask, where the image has one that is shown. @private @param {Sight} sight @returns {import("./masktiles.js").Seen | null} */
  masked(sight) {
    const v = sight.lane.mask?.v, grid = gridOf(sight);
    if (!v || !sight.layers.mask.visible) return null;
    const address = (/** @type {Cell} */ cell) => `${this.options.api}/lanes/${sight.lane.id}/mask?${queryOf(sight, cell)}&v=${encodeURIComponent(v)}`;
    return { base: `${v}|${placeKey(sight)}`, grid, cells: this.cells(sight), address, box: (cell) => cellBox(cell, grid) };
  }

  /** What lies outside of the mask: a veil, and a line where it begins. @private @param {Sight} sight */
  veil(sight) {
    const seen = this.masked(sight), make = (/** @type {number} */ w, /** @type {number} */ h, /** @type {Uint8Array} */ data) => this.renderer.makeTexture("ids", w, h, data);
    const draws = seen ? this.masks.draws(seen, sight.frame, make) : [];
    return maskPaints(sight.layers.mask).flatMap((paint) => overlayOf({ name: "mask", draws, spans: [], paint }, sight.frame) ?? []);
  }

  /** @private @param {Sight} sight */
  settleEchoes(sight) {
    const keys = this.cells(sight).map((cell) => placeKey(sight) + cellKey(cell));
    this.echoes.settle(sight.lane.id, (revision) => !sight.layers.labels.visible || this.labels.shows(keys, revision));
  }

  /** @private @param {Sight} sight @returns {Cell[]} few tiles that show the whole plane, or none */
  overviewCells(sight) {
    const grid = gridOf(sight), { du, dv } = levelStep(grid.plane, grid.levels - 1);
    const cells = cellsIn([0, 0, Math.ceil(grid.size.width / du), Math.ceil(grid.size.height / dv)], grid.levels - 1, grid.tile);
    return cells.length <= 16 ? cells : [];
  }

  /** The whole plane in an area of the screen. @private @param {Sight} sight @param {Box} area */
  overview(sight, area) {
    return this.rawDraws(sight, this.overviewCells(sight), frameIn(sight.frame, planeSize(sight.lane, sight.plane), area));
  }

  /** Everything in sight is there at its own level, and nothing of it is out of date. @param {Sight} sight */
  complete(sight) {
    const base = placeKey(sight), cells = this.cells(sight), channels = this.shown(sight);
    const raw = cells.every((cell) => channels.every(({ channel }) => this.raw.peek(`${base}${cellKey(cell)}|${channel}`)));
    const labels = !sight.layers.labels.visible || this.labels.shows(cells.map((cell) => base + cellKey(cell)), -1);
    return raw && labels && this.masks.complete(this.masked(sight));
  }

  get busy() {
    return this.raw.busy || this.labelStore.busy || this.masks.busy;
  }

  close() {
    this.raw.close();
    this.labelStore.close();
    this.masks.close();
    this.overlays.drop();
  }
}

/** Images of one kind are shown with one contrast, so that they can be compared. @param {Lane} lane @param {number} channel */
export const contrastKey = (lane, channel) => `${lane.dtype}|${lane.shape[1]}|${channel}`;

/** @param {Sight} sight @returns {Grid} */
function gridOf({ lane, plane }) {
  return { size: planeSize(lane, plane), plane, tile: lane.tile ?? 256, levels: lane.levels };
}

/** The slices beside the one that is looked at, and the time point after it. @param {Sight} sight @returns {{slice: number, t: number}[]} */
function neighbours({ lane, plane, slice, t }) {
  const beside = [slice + 1, slice - 1].filter((at) => at >= 0 && at < planeSize(lane, plane).depth).map((at) => ({ slice: at, t }));
  return lane.shape[0] > 1 ? [...beside, { slice, t: (t + 1) % lane.shape[0] }] : beside;
}

/** @param {Sight} sight */
const whereOf = ({ lane, t, plane, slice }) => ({ lane: lane.id, t, plane, slice });

/** @param {Sight} sight */
const placeKey = ({ lane, t, plane, slice }) => `${lane.id}|${lane.v}|${t}|${plane}|${slice}|`;

/** @param {Sight} sight @param {Cell} cell */
function queryOf(sight, cell) {
  const { x, y, w, h } = cellBox(cell, gridOf(sight));
  const numbers = { level: cell.level, t: sight.t, slice: sight.slice, x, y, w, h };
  const query = new URLSearchParams(Object.entries(numbers).map(([name, number]) => [name, String(number)]));
  query.set("plane", sight.plane);
  return query;
}
