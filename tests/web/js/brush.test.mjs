import assert from "node:assert/strict";
import test from "node:test";
import {
  MAX_RUNS, Region, SIZES, Stroke, cut, halfWidths, outline, pixelsOf, runsOf, segmentRows, stampRows,
} from "../../../src/underbrush/web/viewer/brush.js";

/** The rule, pixel by pixel, without any of the module's short cuts. */
function plainStamp(size, cx, cy) {
  const set = new Set();
  for (let j = cy - size; j <= cy + size; j++)
    for (let i = cx - size; i <= cx + size; i++)
      if ((i - cx) ** 2 + (j - cy) ** 2 <= (size / 2) ** 2) set.add(`${i},${j}`);
  return set;
}

function plainSegment(size, x0, y0, x1, y1, width, height) {
  const n = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0));
  const set = new Set();
  for (let k = 0; k <= n; k++) {
    const x = x0 + (n ? Math.floor((k * (x1 - x0)) / n + 0.5) : 0);
    const y = y0 + (n ? Math.floor((k * (y1 - y0)) / n + 0.5) : 0);
    for (const key of plainStamp(size, x, y)) {
      const [i, j] = key.split(",").map(Number);
      if (i >= 0 && j >= 0 && i < width && j < height) set.add(key);
    }
  }
  return set;
}

function pixels(rows) {
  const set = new Set();
  for (let i = 0; i < rows.length; i += 3)
    for (let x = rows[i + 1]; x <= rows[i + 2]; x++) {
      assert.ok(!set.has(`${x},${rows[i]}`), "a pixel twice");
      set.add(`${x},${rows[i]}`);
    }
  return set;
}

const same = (a, b, message) => assert.deepEqual([...a].sort(), [...b].sort(), message);
let seed = 7;
const random = (n) => (seed = (seed * 48271) % 2147483647) % n;

test("every size sets the pixels of the rule, no other", () => {
  for (const size of SIZES) same(pixels(stampRows(size, 100, 90)), plainStamp(size, 100, 90), `size ${size}`);
  assert.deepEqual([...halfWidths(1)], [0]);
  assert.deepEqual([...halfWidths(3)], [1, 1, 1]);
  assert.deepEqual([...halfWidths(5)], [1, 2, 2, 2, 1]);
  assert.throws(() => halfWidths(4), /odd size/);
});

test("a segment is the union over its positions, clipped", () => {
  for (let i = 0; i < 120; i++) {
    const size = SIZES[random(6)];
    const [x0, y0, x1, y1] = [random(60) - 10, random(60) - 10, random(60) - 10, random(60) - 10];
    const rows = segmentRows(size, x0, y0, x1, y1, 40, 35);
    same(pixels(rows), plainSegment(size, x0, y0, x1, y1, 40, 35), `${size}: ${x0},${y0} ${x1},${y1}`);
  }
});

test("a one-pixel line has no gaps: neighbours touch", () => {
  const rows = segmentRows(1, 3, 5, 90, 41, 100, 100);
  for (let i = 3; i < rows.length; i += 3) {
    assert.equal(rows[i], rows[i - 3] + 1);
    assert.ok(rows[i + 1] <= rows[i - 1] + 1 && rows[i + 2] >= rows[i - 2] - 1);
  }
});

test("a stroke far outside sets nothing, and one that crosses the image sets what lies in it", () => {
  assert.equal(segmentRows(61, -500, -500, -40, -900, 64, 64).length, 0);
  same(pixels(segmentRows(3, -50, 10, 200, 10, 64, 64)), plainSegment(3, -50, 10, 200, 10, 64, 64));
});

test("rows become runs along x on every plane", () => {
  const rows = [4, 10, 12];
  const sheet = { t: 2, slice: 7, width: 50, height: 50 };
  assert.deepEqual(runsOf({ ...sheet, plane: "xy" }, rows), [2, 7, 4, 10, 3]);
  assert.deepEqual(runsOf({ ...sheet, plane: "xz" }, rows), [2, 4, 7, 10, 3]);
  assert.deepEqual(runsOf({ ...sheet, plane: "zy" }, rows), [2, 10, 4, 7, 1, 2, 11, 4, 7, 1, 2, 12, 4, 7, 1]);
});

test("a region joins intervals and counts each pixel once", () => {
  const region = new Region();
  const plain = new Set();
  for (let i = 0; i < 400; i++) {
    const [row, first] = [random(5), random(80)];
    const last = first + random(6);
    region.addInterval(row, first, last);
    for (let x = first; x <= last; x++) plain.add(`${x},${row}`);
    assert.equal(region.pixels, plain.size);
    assert.equal(region.intervals * 3, region.toRows().length);
  }
  same(pixels(region.toRows()), plain);
});

test("a stroke has the pixels of its segments, whatever its pieces", () => {
  for (const plane of ["xy", "xz", "zy"]) {
    const sheet = { plane, t: 0, slice: 3, width: 80, height: 70 };
    const points = Array.from({ length: 30 }, () => [random(90) - 5 + 0.5, random(80) - 5 + 0.5]);
    const collect = (maxRuns) => {
      const stroke = new Stroke(sheet, 5, maxRuns);
      const set = new Set();
      const pieces = [];
      for (const [x, y] of points) {
        stroke.to(x, y);
        if (stroke.full) pieces.push(...stroke.take());
      }
      pieces.push(...stroke.take());
      for (const piece of pieces) {
        assert.ok(piece.length && piece.length <= 5 * maxRuns);
        for (let i = 0; i < piece.length; i += 5)
          for (let k = 0; k < piece[i + 4]; k++) set.add([...piece.slice(i, i + 3), piece[i + 3] + k].join());
      }
      return [set, pieces.length];
    };
    const [whole, one] = collect(MAX_RUNS);
    const [cutUp, many] = collect(40);
    assert.equal(one, 1);
    assert.ok(many > 1);
    same(whole, cutUp);
  }
});

test("the echo of a stroke's segments is the stroke", () => {
  const sheet = { plane: "xy", t: 0, slice: 0, width: 200, height: 200 };
  const stroke = new Stroke(sheet, 11);
  const echo = new Set();
  for (let i = 0; i < 20; i++) {
    const runs = stroke.to(random(220) - 10, random(220) - 10);
    for (let k = 0; k < runs.length; k += 5) for (let n = 0; n < runs[k + 4]; n++) echo.add(`${runs[k + 3] + n},${runs[k + 2]}`);
  }
  const pieces = stroke.take();
  assert.equal(pieces.reduce((sum, piece) => sum + pixelsOf(piece), 0), echo.size);
  assert.deepEqual(stroke.to(...stroke.at), [], "standing still paints nothing new");
});

test("the outline runs round the pixels of a click", () => {
  for (const size of SIZES) {
    const points = outline(size, 10, 20);
    let area = 0;
    for (let i = 0; i < points.length; i += 2) {
      const [x0, y0, x1, y1] = [0, 1, 2, 3].map((k) => points[(i + k) % points.length]);
      assert.ok(x0 === x1 || y0 === y1, "edges follow the pixels");
      area += x0 * y1 - x1 * y0;
    }
    assert.equal(Math.abs(area) / 2, plainStamp(size, 0, 0).size);
  }
});

test("cutting keeps every run", () => {
  const runs = Array.from({ length: 50 }, (_, i) => i);
  assert.deepEqual(cut(runs, 3).flat(), runs);
  assert.deepEqual(cut([], 3), []);
});
