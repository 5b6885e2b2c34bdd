import assert from "node:assert/strict";
import { test } from "node:test";
import { FeatureRange, rangeOf } from "../../../src/underbrush/web/viewer/featurerange.js";
import { initialLayers, laidOver, shownFeature, wantedLayers, withLayer } from "../../../src/underbrush/web/viewer/layers.js";
import { reach, withChangedScale } from "../../../src/underbrush/web/panels/parts/choice.js";
import { OverlayTiles } from "../../../src/underbrush/web/viewer/overlaytiles.js";

const FEATURE = "feature:Gaussian Smoothing (σ=1.0) [1]";
const head = (more) => ({ layer: FEATURE, lane: "a1", key: "k", t: 0, plane: "xy", slice: 0, level: 0, x: 0, y: 0, w: 2, h: 2, dtype: "float32", ...more });
const bytes = (values) => new Uint8Array(Float32Array.from(values).buffer);
const where = { lane: "a1", t: 0, plane: "xy", slice: 0 };
const tiles = () => new OverlayTiles({ limit: 1e6, dispose: () => {} });

test("a feature image stands in place of the raw one, and only labels lie over it", () => {
  const layers = withLayer(withLayer(initialLayers(), "probability:2", { visible: true }), FEATURE, { visible: true });
  assert.equal(shownFeature(layers), FEATURE);
  assert.deepEqual(laidOver(layers), ["labels"]);
  assert.deepEqual(wantedLayers(layers), [FEATURE]);
  const hidden = withLayer(layers, FEATURE, { visible: false });
  assert.equal(shownFeature(hidden), null);
  assert.deepEqual(wantedLayers(hidden), ["segmentation", "probability:2"]);
});

test("values are kept as they came, wherever the message lay in memory", () => {
  const all = tiles(), message = new Uint8Array([7, ...bytes([1.5, -2, NaN, 3e9])]);
  assert.deepEqual([...all.put(head(), message.subarray(1))], [1.5, -2, NaN, 3e9]);
  assert.equal(all.bytes, 16);
  assert.throws(() => all.put(head(), message), RangeError);
});

test("tiles that are drawn of a feature never lie over each other: one level at a time", () => {
  const all = tiles();
  all.put(head({ level: 1, w: 2, h: 2 }), bytes([1, 2, 3, 4]));
  all.put(head({ x: 2 }), bytes([5, 5, 5, 5]));
  const shown = (level) => all.single(FEATURE, where, level, [0, 0, 4, 4]).map((tile) => tile.level);
  assert.deepEqual(shown(0), [1], "the coarser one, until the finer ones show more");
  for (const [x, y] of [[0, 0], [0, 2], [2, 2]]) all.put(head({ x, y }), bytes([5, 5, 5, 5]));
  assert.deepEqual(shown(0), [0, 0, 0, 0]);
  assert.deepEqual(shown(1), [1]);
  assert.deepEqual(all.single(FEATURE, { ...where, slice: 1 }, 0, [0, 0, 4, 4]), []);
});

test("the outermost values do not decide the contrast, and what is no number does not count", () => {
  const values = Float32Array.from({ length: 1001 }, (_, i) => i);
  values[1000] = 1e9;
  assert.deepEqual(rangeOf([values, Float32Array.of(NaN, Infinity)]), [5, 995]);
  assert.deepEqual(rangeOf([Float32Array.of(4, 4)]), [3.5, 4.5]);
  assert.deepEqual(rangeOf([Float32Array.of(NaN)]), [0, 1]);
});

test("contrast is found from all tiles of one feature, and anew for another", () => {
  const range = new FeatureRange();
  assert.deepEqual(range.of(FEATURE, "a1"), [0, 1]);
  range.note(head(), Float32Array.of(0, 1));
  range.note(head({ x: 2 }), Float32Array.of(9));
  assert.deepEqual(range.of(FEATURE, "a1"), [0, 9]);
  range.note(head({ key: "other" }), Float32Array.of(5, 6));
  assert.deepEqual(range.of(FEATURE, "a1"), [5, 6]);
  for (let x = 0; x < 200; x++) range.note(head({ key: "other", x }), Float32Array.of(x));
  assert.deepEqual(range.of(FEATURE, "a1"), [136, 199], "of the newest tiles");
});

test("the reach is that of the kernels", () => {
  // Sums of their taps, as the engine has them.
  const known = { GaussianSmoothing: [[0.3, 2], [0.7, 3], [1, 6], [1.6, 6], [3.5, 14], [5, 19], [10, 37]], StructureTensorEigenvalues: [[0.7, 4], [1, 7], [10, 38]] };
  for (const [filter, rows] of Object.entries(known)) for (const [scale, pixels] of rows) assert.equal(reach(filter, scale), pixels, `${filter} ${scale}`);
});

test("a scale that is changed keeps what was ticked, as far as it can be, and its place in order", () => {
  const filters = [{ id: "a", name: "A", group: "", tensor: false, min: 0.3 }, { id: "b", name: "B", group: "", tensor: false, min: 0.7 }];
  const choice = { scales: [1, 2], flat: [true, false], cells: { a: [true, false], b: [true, true] } }, sizes = { z: 30, y: 30, x: 30 };
  const after = withChangedScale(choice, 0, 5, filters, sizes);
  assert.deepEqual(after, { scales: [2, 5], flat: [false, true], cells: { a: [false, true], b: [true, true] } });
  assert.deepEqual(withChangedScale(choice, 0, 0.5, filters, sizes).cells, { a: [true, false], b: [false, true] });
  assert.equal(withChangedScale(choice, 0, 2, filters, sizes), choice, "there is one of that sigma");
});
