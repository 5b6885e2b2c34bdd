import assert from "node:assert/strict";
import { test } from "node:test";
import * as g from "../../../src/underbrush/web/viewer/geometry.js";

const lane = (shape, pixel_size = {}) => ({ id: "a1", v: "1", dtype: "uint8", levels: 4, shape, pixel_size });
const volume = lane([1, 1, 40, 300, 400], { x: [0.2, "µm"], y: [0.2, "um"], z: [600, "nm"] });
const port = { width: 1000, height: 700, ratio: 2 };

test("planes have the sizes of their axes", () => {
  assert.deepEqual(g.planeSize(volume, "xy"), { width: 400, height: 300, depth: 40 });
  assert.deepEqual(g.planeSize(volume, "xz"), { width: 400, height: 40, depth: 300 });
  assert.deepEqual(g.planeSize(volume, "zy"), { width: 40, height: 300, depth: 400 });
});

test("units of length are made equal; others, and absurd ratios, stretch nothing", () => {
  assert.ok(Math.abs(g.stretch(volume, "z") - 3) < 1e-9);
  assert.equal(g.stretch(volume, "y"), 1);
  assert.equal(g.stretch(lane([1, 1, 4, 4, 4], { x: [1, "pixel"], z: [3, "pixel"] }), "z"), 1);
  assert.equal(g.stretch(lane([1, 1, 4, 4, 4], { x: [1, "nm"], z: [3, "m"] }), "z"), 1);
  assert.equal(g.pixelMetres(lane([1, 1, 1, 1, 1], { x: [0, "µm"] }), "x"), null);
});

test("z is never reduced, the others are halved and rounded up", () => {
  assert.deepEqual(g.levelStep("zy", 3), { du: 1, dv: 8 });
  assert.deepEqual(g.levelSize({ width: 401, height: 40, depth: 1 }, "xz", 2), { width: 101, height: 40 });
});

test("screen and image are inverse, with 100,000 pixels and in every plane", () => {
  for (const plane of ["xy", "xz", "zy"])
    for (const zoom of [0.001, 0.37, 1, 64]) {
      const frame = g.frameOf(volume, plane, { cx: 98_765.25, cy: 12.5, zoom }, port);
      const { px, py } = g.imageToScreen(frame, 98_760, 11), back = g.screenToImage(frame, px, py);
      assert.ok(Math.abs(back.u - 98_760) < 1e-6 && Math.abs(back.v - 11) < 1e-6);
    }
});

test("at whole zooms every pixel's edge is a screen pixel's edge, wherever the centre is", () => {
  const frame = g.frameOf(lane([1, 1, 1, 999, 999]), "xy", { cx: 123.456, cy: 7.89, zoom: 8 }, port);
  assert.equal((g.imageToScreen(frame, 100, 5).px * port.ratio) % 1, 0);
});

test("what is in sight is cut to the image; far away there is nothing", () => {
  const one = lane([1, 1, 1, 300, 400]), size = g.planeSize(one, "xy");
  const frame = g.frameOf(one, "xy", { cx: 0, cy: 0, zoom: 2 }, port);
  assert.deepEqual(g.visibleBox(frame, size, "xy", 0), [0, 0, 250, 175]);
  assert.deepEqual(g.visibleBox(frame, size, "xy", 1), [0, 0, 125, 88]);
  assert.equal(g.visibleBox(g.frameOf(one, "xy", { cx: 9000, cy: 0, zoom: 2 }, port), size, "xy", 0), null);
});

test("zooming keeps the point under the pointer", () => {
  const frame = g.frameOf(volume, "xz", { cx: 200, cy: 20, zoom: 3 }, port), before = g.screenToImage(frame, 100, 300);
  const after = g.screenToImage(g.frameOf(volume, "xz", g.zoomedAt(frame, 100, 300, 12), port), 100, 300);
  assert.ok(Math.abs(before.u - after.u) < 1 / 12 && Math.abs(before.v - after.v) < 1 / 12);
});

test("zoom stays between a quarter of what fits and 64, whatever comes", () => {
  const one = lane([1, 1, 1, 70_000, 100_000]);
  assert.ok(g.clampZoom(one, "xy", port, 1e-9) <= g.fitZoom(one, "xy", port));
  assert.equal(g.clampZoom(one, "xy", port, 1e9), 64);
  assert.equal(g.clampZoom(one, "xy", port, NaN), 1);
  assert.ok(g.clampZoom(lane([1, 1, 1, 2, 2]), "xy", port, 1) === 1, "a tiny image can be seen at 100 %");
});

test("runs are cut to a plane", () => {
  const runs = [0, 5, 10, 20, 4, 0, 6, 10, 21, 2, 1, 5, 10, 0, 9];
  assert.deepEqual([...g.spansOf(runs, 5, { t: 0, plane: "xy", slice: 5 })], [20, 10, 4]);
  assert.deepEqual([...g.spansOf(runs, 5, { t: 0, plane: "xz", slice: 10 })], [20, 5, 4, 21, 6, 2]);
  assert.deepEqual([...g.spansOf(runs, 5, { t: 0, plane: "zy", slice: 22 })], [5, 10, 1, 6, 10, 1]);
  assert.deepEqual([...g.spansOf(runs, 5, { t: 0, plane: "zy", slice: 24 })], [], "a run stops before its end");
  assert.deepEqual([...g.spansOf([0, 5, 10, 20, 4, 3], 6, { t: 0, plane: "xy", slice: 5 })], [20, 10, 4, 3]);
});

test("voxels of a plane", () => {
  assert.deepEqual(g.voxelAt("zy", 7, 3.9, 2.1), { z: 3, y: 2, x: 7 });
  assert.deepEqual(g.voxelAt("xy", 7, -0.1, 2), { z: 7, y: 2, x: -1 });
});
