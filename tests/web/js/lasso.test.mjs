import assert from "node:assert/strict";
import test from "node:test";
import { polygonRows } from "../../../src/underbrush/web/viewer/lasso.js";

/** Even-odd by counting crossings to the left of one centre. */
function inside(points, x, y) {
  let odd = false;
  for (let i = 0; i < points.length; i += 2) {
    const [xa, ya] = [points[i], points[i + 1]];
    const [xb, yb] = [points[(i + 2) % points.length], points[(i + 3) % points.length]];
    if (ya <= y !== yb <= y && xa + ((y - ya) / (yb - ya)) * (xb - xa) <= x) odd = !odd;
  }
  return odd;
}

function check(points, width, height) {
  const rows = polygonRows(points, width, height);
  const set = new Set();
  for (let i = 0; i < rows.length; i += 3) {
    assert.ok(rows[i] >= 0 && rows[i] < height && rows[i + 1] >= 0 && rows[i + 2] < width);
    for (let x = rows[i + 1]; x <= rows[i + 2]; x++) set.add(`${x},${rows[i]}`);
  }
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) assert.equal(set.has(`${x},${y}`), inside(points, x + 0.5, y + 0.5), `${x},${y} of ${points}`);
}

let seed = 11;
const random = (n) => (seed = (seed * 48271) % 2147483647) % n;

test("a square of whole pixels is exactly those pixels", () => {
  assert.deepEqual(polygonRows([2, 3, 5, 3, 5, 5, 2, 5], 10, 10), [3, 2, 4, 4, 2, 4]);
});

test("polygons of any shape, crossing themselves and the border, follow the even-odd rule", () => {
  for (let i = 0; i < 80; i++) {
    const points = Array.from({ length: 2 * (3 + random(9)) }, () => (random(3000) - 500) / 100 + 0.003);
    check(points, 20, 18);
  }
});

test("corners on pixel centres: two halves share no pixel and leave none out", () => {
  const whole = polygonRows([0.5, 0.5, 8.5, 0.5, 8.5, 8.5, 0.5, 8.5], 10, 10);
  const count = (rows) => { let n = 0; for (let i = 0; i < rows.length; i += 3) n += rows[i + 2] - rows[i + 1] + 1; return n; };
  const upper = polygonRows([0.5, 0.5, 8.5, 0.5, 8.5, 8.5], 10, 10);
  const lower = polygonRows([0.5, 0.5, 8.5, 8.5, 0.5, 8.5], 10, 10);
  assert.equal(count(upper) + count(lower), count(whole));
  assert.equal(count(whole), 64);
});

test("fewer than three corners hold nothing", () => {
  assert.deepEqual(polygonRows([1, 1, 5, 5], 10, 10), []);
});
