import assert from "node:assert/strict";
import { test } from "node:test";
import { UPRIGHT } from "../../../src/underbrush/web/viewer/orientation.js";
import { niceBelow, scaleBar } from "../../../src/underbrush/web/viewer/scalebar.js";
import { minimapArea, minimapSight } from "../../../src/underbrush/web/viewer/minimap.js";
import { autoContrast, bars, ticks } from "../../../src/underbrush/web/viewer/histogram.js";

const lane = (pixel_size) => ({ id: "a1", v: "1", dtype: "uint8", levels: 1, shape: [1, 1, 40, 100, 100], pixel_size });

test("round lengths", () => {
  assert.deepEqual([0.99, 1, 1.9, 2, 4.9, 5, 9.9, 10, 0.02, 300].map(niceBelow), [0.5, 1, 1, 2, 2, 5, 5, 10, 0.02, 200]);
});

test("the scale bar says a round length in a fitting unit and is that long", () => {
  const bar = (size, zoom, ratio = 1, plane = "xy") => scaleBar(lane(size), plane, { zoom, ratio });
  assert.equal(bar({ x: [0.65, "µm"] }, 2).text, "20 µm");
  assert.ok(Math.abs(bar({ x: [0.65, "µm"] }, 2).px - (20 / 0.65) * 2) < 1e-9);
  assert.equal(bar({ x: [0.65, "micron"] }, 2, 2).text, "50 µm");
  assert.equal(bar({ x: [0.65, "µm"] }, 0.01).text, "5 mm");
  assert.equal(bar({ x: [4, "nm"] }, 4).text, "100 nm");
  assert.equal(bar({ x: [1, "Å"] }, 64).text, "0.2 nm");
  assert.equal(bar({}, 1).text, "100 px");
  assert.equal(bar(null, 0.01).text, "10,000 px");
  assert.equal(bar({ x: [1, "px"] }, 64).text, "2 px");
  const z = bar({ x: [0.2, "µm"], z: [0.6, "µm"] }, 3, 1, "zy");
  assert.ok(Math.abs(z.px - Number.parseFloat(z.text) / 0.6 * 9) < 1e-9, "z is drawn three times as long");
});

test("the minimap comes when something is out of sight and there is room", () => {
  const frame = { ox: 0, oy: 0, sx: 4, sy: 4, width: 1000, height: 700, ratio: 1, orientation: UPRIGHT }, size = { width: 400, height: 300 };
  const area = minimapArea(frame, size);
  assert.deepEqual(area, { left: 1000 - 16 - 116, top: 700 - 16 - 87, width: 116, height: 87 });
  const sight = minimapSight(frame, size, area);
  assert.deepEqual([sight.left, sight.top, sight.width].map(Math.round), [0, 0, Math.round(116 * (250 / 400))]);
  assert.equal(minimapArea({ ...frame, sx: 1, sy: 1 }, size), null);
  assert.equal(minimapArea({ ...frame, width: 200 }, size), null);
  const small = minimapArea({ ...frame, width: 530, height: 280 }, size);
  assert.ok(small && small.height <= 0.22 * 280 + 1 && small.width > small.height, "a small view is not covered by it");
  const far = minimapSight({ ...frame, sx: 64, sy: 64, ox: -99_000 * 64, oy: -99_000 * 64 }, { width: 1e5, height: 1e5 }, { left: 0, top: 0, width: 96, height: 96 });
  assert.ok(far.width === 4 && far.left + far.width <= 96 && far.left > 85);
});

test("automatic contrast leaves a thousandth at both ends", () => {
  const edges = Array.from({ length: 257 }, (_, i) => i), flat = new Array(256).fill(10);
  const [low, high] = autoContrast({ edges, counts: flat });
  assert.ok(Math.abs(low - 0.256) < 1e-6 && Math.abs(high - 255.744) < 1e-6);
  const spike = new Array(256).fill(0);
  spike[7] = 1e6;
  const [a, b] = autoContrast({ edges, counts: spike });
  assert.ok(a >= 7 && b <= 8 && b > a);
  assert.deepEqual(autoContrast({ edges: [3, 3], counts: [9] }), [3, 4]);
  assert.deepEqual(autoContrast({ edges: [2, 4], counts: [0] }), [2, 4]);
});

test("bars share counts by overlap and are highest at the most frequent", () => {
  assert.deepEqual(bars({ edges: [0, 1, 2, 3, 4], counts: [4, 4, 1, 1] }, 2), [1, 0.5]);
  assert.deepEqual(bars({ edges: [0, 4], counts: [8] }, 4), [1, 1, 1, 1]);
  assert.deepEqual(bars({ edges: [0, 1], counts: [0] }, 2), [0, 0]);
});

test("ticks are round and inside", () => {
  assert.deepEqual(ticks(0, 255), [0, 100, 200]);
  assert.deepEqual(ticks(-0.3, 0.7), [-0.2, 0, 0.2, 0.4, 0.6]);
  assert.deepEqual(ticks(5, 5), []);
});
