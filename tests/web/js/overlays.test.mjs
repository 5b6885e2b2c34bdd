import assert from "node:assert/strict";
import { test } from "node:test";
import { UPRIGHT } from "../../../src/underbrush/web/viewer/orientation.js";
import { Echoes } from "../../../src/underbrush/web/viewer/echoes.js";
import { LabelTiles } from "../../../src/underbrush/web/viewer/labeltiles.js";
import { OverlayTiles } from "../../../src/underbrush/web/viewer/overlaytiles.js";
import { drawOf } from "../../../src/underbrush/web/viewer/scene.js";

const where = { lane: "a1", t: 0, plane: "xy", slice: 0 };
const header = (more) => ({ layer: "segmentation", key: "k1", ...where, level: 0, x: 0, y: 0, w: 4, h: 4, ...more });
const bytes = (n = 16) => new Uint8Array(n);

test("a tile of a new key takes the place of the old one; the others stay below", () => {
  const gone = [], tiles = new OverlayTiles({ limit: 1e6, dispose: (texture) => gone.push(texture) });
  tiles.put(header(), bytes());
  tiles.put(header({ x: 4 }), bytes());
  for (const tile of tiles.all()) tile.texture = tile.spot;
  tiles.put(header({ key: "k2" }), bytes());
  const drawn = tiles.select("segmentation", where, 0, [0, 0, 8, 4]);
  assert.deepEqual(drawn.map((tile) => tile.spot), ["0|4|0", "0|0|0"]);
  assert.deepEqual(gone, ["0|0|0"]);
  assert.ok(drawn[1].generation > drawn[0].generation);
});

test("an older result of a finer level lies below a newer one of a coarser level", () => {
  const tiles = new OverlayTiles({ limit: 1e6, dispose: () => {} });
  tiles.put(header({ x: 4 }), bytes());
  tiles.put(header({ x: 12, y: 0 }), bytes());
  tiles.put(header({ key: "k2", level: 1 }), bytes());
  assert.deepEqual(tiles.select("segmentation", where, 0, [0, 0, 99, 99]).map((tile) => tile.spot), ["0|12|0", "1|0|0"], "what is wholly hidden is not drawn");
});

test("other planes, lanes, slices, layers are not mixed up", () => {
  const tiles = new OverlayTiles({ limit: 1e6, dispose: () => {} });
  for (const more of [{ slice: 1 }, { lane: "a2" }, { plane: "xz" }, { layer: "uncertainty" }, { t: 3 }, { layer: "feature:a|b" }]) tiles.put(header(more), bytes());
  assert.equal(tiles.select("segmentation", where, 0, [0, 0, 9, 9]).length, 0);
  assert.equal(tiles.select("feature:a|b", where, 0, [0, 0, 9, 9]).length, 1);
  tiles.drop("uncertainty");
  assert.equal([...tiles.all()].length, 5);
});

test("bytes are bounded; the plane that is used goes last; broken tiles are refused", () => {
  const tiles = new OverlayTiles({ limit: 40, dispose: () => {} });
  tiles.put(header({ slice: 1 }), bytes());
  tiles.put(header({ slice: 2 }), bytes());
  tiles.select("segmentation", { ...where, slice: 1 }, 0, [0, 0, 9, 9]);
  tiles.put(header({ slice: 3 }), bytes());
  assert.equal(tiles.bytes, 32);
  assert.deepEqual([1, 2, 3].map((slice) => tiles.select("segmentation", { ...where, slice }, 0, [0, 0, 9, 9]).length), [1, 0, 1]);
  assert.throws(() => tiles.put(header(), bytes(15)), RangeError);
});

const tile = (more = {}) => ({ key: "k", data: new Uint8Array(16), width: 4, height: 4, x: 0, y: 0, level: 0, where, revision: 5, stale: false, texture: null, changed: false, ...more });
const told = (revision, changes, lane = "a1") => ({ lane, revision, changes });

test("changes are written into tiles, once, and only those that are newer", () => {
  const labels = new LabelTiles(), one = tile();
  labels.add("k", one);
  labels.put(told(5, [0, 0, 0, 0, 4, 9]));
  labels.put(told(6, [0, 0, 1, 2, 9, 3, 0, 1, 0, 0, 4, 8]));
  labels.put(told(7, [0, 0, 3, 0, 4, 8], "a2"));
  assert.deepEqual([...one.data], [0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([one.revision, one.changed, one.stale], [6, true, false]);
});

test("a tile that was under way gets what happened meanwhile", () => {
  const labels = new LabelTiles(), late = tile({ revision: 6 });
  labels.put(told(6, [0, 0, 0, 0, 1, 1]));
  labels.put(told(7, [0, 0, 0, 1, 1, 2]));
  labels.add("k", late);
  assert.deepEqual([...late.data.subarray(0, 3)], [0, 2, 0]);
  assert.equal(late.revision, 7);
});

test("on a reduced level a change is shown and asked for again; a tile older than the log too", () => {
  const labels = new LabelTiles(), half = tile({ level: 1, x: 4 });
  labels.add("k", half);
  labels.put(told(6, [0, 0, 3, 9, 2, 7]));
  assert.deepEqual([[...half.data.subarray(4, 8)], half.stale], [[7, 7, 0, 0], true]);
  const many = new LabelTiles();
  for (let i = 0; i < 3; i++) many.put(told(10 + i, new Int32Array(6 * 50_000).fill(-1)));
  const old = tile({ revision: 3 });
  many.add("k", old);
  assert.equal(old.stale, true);
});

test("a server that was started again counts anew: earlier changes are not laid over its tiles, later ones are", () => {
  const labels = new LabelTiles(), old = tile();
  labels.add("k", old);
  labels.put(told(17, [0, 0, 0, 0, 4, 9]));
  labels.restart();
  assert.equal(labels.shows(["k"], -1), false);
  labels.put(told(1, [0, 0, 3, 0, 1, 4]));
  assert.equal(old.data[12], 4, "what is shown meanwhile follows");
  const fresh = tile({ revision: 0 });
  labels.add("k", fresh);
  assert.deepEqual([fresh.data[0], fresh.data[12], fresh.revision, fresh.stale], [0, 4, 1, false]);
});

test("an echo goes when the tiles in sight show its revision, and not before", () => {
  const labels = new LabelTiles(), echoes = new Echoes();
  labels.add("k", tile());
  echoes.add("a1", [0, 0, 1, 1, 2], 2, "s1");
  echoes.add("a1", [0, 0, 2, 1, 2], 2, "s1");
  echoes.add("a1", [0, 0, 1, 1, 1], 0, "s2");
  assert.deepEqual(echoes.spansIn(where).map((one) => [one.id, [...one.data]]), [[2, [1, 1, 2, 1, 2, 2]], [0, [1, 1, 1]]]);
  echoes.drop("s1", 6, 0);
  echoes.settle("a1", (revision) => labels.shows(["k"], revision));
  assert.equal(echoes.spansIn(where).length, 2);
  labels.put(told(6, [0, 0, 1, 1, 2, 2, 0, 0, 2, 1, 2, 2]));
  echoes.settle("a1", (revision) => labels.shows(["k"], revision));
  assert.deepEqual(echoes.spansIn(where).map((one) => one.id), [0]);
  echoes.drop("s2", null, 0);
  assert.equal(echoes.spansIn(where).length, 0);
  assert.throws(() => echoes.add("a1", [1, 2, 3], 1, "x"), RangeError);
});

test("an acknowledged echo does not wait for a revision that a server started again will not reach", () => {
  const labels = new LabelTiles(), echoes = new Echoes();
  labels.add("k", tile());
  for (const token of ["acknowledged", "under way"]) echoes.add("a1", [0, 0, 1, 1, 2], 2, token);
  echoes.drop("acknowledged", 17, 0);
  labels.restart();
  echoes.restart();
  const settle = () => echoes.settle("a1", (revision) => labels.shows(["k"], revision));
  settle();
  assert.equal(echoes.spansIn(where).length, 2, "not before the tile is there");
  labels.add("k", tile({ revision: 0 }));
  settle();
  assert.deepEqual([...echoes.byToken.keys()], ["under way"]);
});

test("echoes are of their plane, and the renderer sees when they grow", () => {
  const echoes = new Echoes();
  echoes.add("a1", [0, 3, 1, 1, 2], 2, "s");
  assert.equal(echoes.spansIn(where).length, 0);
  const [first] = echoes.spansIn({ ...where, slice: 3 }), version = first.version;
  echoes.add("a1", [0, 3, 2, 1, 2], 2, "s");
  const [second] = echoes.spansIn({ ...where, slice: 3 });
  assert.ok(second === first && second.version > version && second.count === 2);
});

test("a tile is drawn where its pixels lie, and no further than it reaches", () => {
  const frame = { ox: 100, oy: 50, sx: 2, sy: 2, orientation: UPRIGHT };
  const source = { texture: 1, width: 3, height: 2, u: 8, v: 0, du: 4, dv: 4 };
  assert.deepEqual(drawOf(source, [10, 0, 40, 4], frame), { texture: 1, src: [0.5, 0, 3, 1], dst: [120, 50, 140, 58] });
  assert.equal(drawOf(source, [20, 0, 40, 4], frame), null);
});
