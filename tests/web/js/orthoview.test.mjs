import assert from "node:assert/strict";
import { test } from "node:test";
import { clampZoom } from "../../../src/underbrush/web/viewer/geometry.js";
import { ALL, ALONG, divided } from "../../../src/underbrush/web/viewer/orthoview.js";
import { onSlant, slantOf } from "../../../src/underbrush/web/viewer/slicesbox.js";

const lane = (shape, pixel_size = null) => ({ id: "a1", shape, dtype: "uint8", v: "1", levels: 1, pixel_size });
const coarse = { x: [0.2, "µm"], y: [0.2, "µm"], z: [1, "µm"] };

test("a long axis gets the larger part of the window, and no view less than a quarter of it", () => {
  assert.deepEqual(divided(lane([1, 1, 100, 100, 100])), { column: 0.5, row: 0.5 });
  assert.deepEqual(divided(lane([1, 1, 1000, 10, 10])), { column: 0.5, row: 0.5 });
  assert.deepEqual(divided(lane([1, 1, 2, 1000, 1000])), { column: 0.72, row: 0.64 });
  const { column, row } = divided(lane([1, 1, 60, 128, 256]));
  assert.ok(Math.abs(column - 256 / 316) < 0.1 && column === 0.72);
  assert.equal(row, 0.64);
});

test("voxels that are longer along z take their true place", () => {
  assert.deepEqual(divided(lane([1, 1, 20, 100, 100], coarse)), { column: 0.5, row: 0.5 });
});

test("every view has a key, and every key a view", () => {
  assert.deepEqual(Object.values(ALONG).sort(), [...ALL].sort());
  assert.deepEqual(ALONG, { x: "zy", y: "xz", z: "xy" });
});

test("the slanted box lies inside its place, whatever the volume", () => {
  for (const [z, y, x] of [[60, 128, 256], [1000, 3, 3], [2, 5000, 4], [2, 2, 2]]) {
    const slant = slantOf(lane([1, 1, z, y, x], coarse), 240, 300);
    for (const corner of [[0, 0, 0], [x, 0, 0], [0, y, 0], [0, 0, z], [x, y, 0], [x, 0, z], [0, y, z], [x, y, z]]) {
      const [px, py] = onSlant(slant, ...corner);
      assert.ok(px >= 21.9 && px <= 218.1 && py >= 39.9 && py <= 278.1, `${corner}: ${px}, ${py}`);
    }
  }
});

test("in the slanted box lengths along z are in proportion to the voxel", () => {
  const { x, z } = slantOf(lane([1, 1, 20, 100, 100], coarse), 240, 300);
  assert.ok(Math.abs(z[0] / x[0] - 5) < 1e-9);
});

test("views that hang together are zoomed out as far as the smallest of them needs", () => {
  const flat = lane([1, 1, 4, 2000, 2000]), port = { width: 400, height: 400, ratio: 1 };
  assert.equal(clampZoom(flat, "zy", { ...port, height: 40000 }, 0.05, 0.2), 0.05);
});
