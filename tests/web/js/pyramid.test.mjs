import assert from "node:assert/strict";
import { test } from "node:test";
import * as p from "../../../src/underbrush/web/viewer/pyramid.js";

const grid = (width, height, levels, plane = "xy") => ({ size: { width, height, depth: 1 }, plane, tile: 256, levels });

test("the level's pixels are 0.7 to 1.4 screen pixels wide, as far as there are levels", () => {
  assert.deepEqual([8, 1, 0.9, 0.5, 0.25, 0.1].map((scale) => p.levelFor(scale, 9)), [0, 0, 0, 1, 2, 3]);
  assert.equal(p.levelFor(0.001, 3), 2);
  for (let scale = 0.9; scale > 0.005; scale *= 0.93) {
    const size = scale * 2 ** p.levelFor(scale, 20);
    assert.ok(size > 0.7 && size < 1.42, `${scale}: ${size}`);
  }
});

test("the cells of a box, nearest to its middle first, each once", () => {
  const cells = p.cellsIn([100, 300, 1000, 1100], 2, 256);
  assert.equal(cells.length, 4 * 4);
  assert.equal(new Set(cells.map(p.cellKey)).size, 16);
  const far = cells.map(({ col, row }) => Math.hypot((col + 0.5) * 256 - 550, (row + 0.5) * 256 - 700));
  assert.deepEqual(far, [...far].sort((a, b) => a - b));
});

test("an image smaller than a tile is one cell of its own size", () => {
  const small = grid(5, 3, 1), [cell, ...rest] = p.cellsIn([0, 0, 5, 3], 0, 256);
  assert.equal(rest.length, 0);
  assert.deepEqual(p.cellBox(cell, small), { x: 0, y: 0, w: 5, h: 3 });
  assert.deepEqual(p.cellRect(cell, small), [0, 0, 5, 3]);
  assert.deepEqual(p.ringAround([0, 0, 5, 3], small, 0), []);
});

test("the last cell of a level ends where the image does", () => {
  assert.deepEqual(p.cellBox({ level: 1, col: 1, row: 0 }, grid(701, 500, 2)), { x: 256, y: 0, w: 95, h: 250 });
  assert.deepEqual(p.cellRect({ level: 1, col: 1, row: 0 }, grid(701, 500, 2)), [512, 0, 701, 500]);
});

test("a coarse level of at most four tiles is loaded first", () => {
  const large = grid(100_000, 100_000, 9);
  const first = p.firstLevel([0, 0, 2000, 1200], large, 0);
  assert.ok(first > 0 && p.cellsIn(p.coarserBox([0, 0, 2000, 1200], "xy", 0, first), first, 256).length <= 4);
  assert.equal(p.firstLevel([0, 0, 200, 100], large, 3), 3);
});

/** The pieces tile the rectangle exactly: their areas add up and none reaches out. */
function covers(pieces, [u0, v0, u1, v1]) {
  for (const { rect } of pieces) assert.ok(rect[0] >= u0 && rect[1] >= v0 && rect[2] <= u1 && rect[3] <= v1);
  return pieces.reduce((sum, { rect }) => sum + (rect[2] - rect[0]) * (rect[3] - rect[1]), 0) === (u1 - u0) * (v1 - v0);
}

test("what stands in for a missing tile never overlaps and leaves no gap that anything could fill", () => {
  const at = grid(3000, 2000, 5), cell = { level: 2, col: 1, row: 0 }, rect = p.cellRect(cell, at);
  const have = (...keys) => (c) => (keys.includes(p.cellKey(c)) ? p.cellKey(c) : undefined);
  assert.deepEqual(p.piecesFor(cell, at, have("2|1|0", "4|0|0")).map((x) => x.found), ["2|1|0"]);
  const coarse = p.piecesFor(cell, at, have("4|0|0"));
  assert.deepEqual(coarse.map((x) => x.found), ["4|0|0"]);
  assert.deepEqual(coarse[0].rect, rect, "only the wanted part of the coarse tile");
  const mixed = p.piecesFor(cell, at, have("4|0|0", "1|2|0", "0|6|2"));
  assert.ok(covers(mixed, rect));
  assert.deepEqual(new Set(mixed.map((x) => x.found)), new Set(["4|0|0", "1|2|0", "0|6|2"]));
  assert.deepEqual(p.piecesFor(cell, at, have()), []);
  assert.equal(p.piecesFor(cell, at, have("1|2|0")).length, 1);
});

test("rows of z stay rows when levels go up", () => {
  const at = grid(1000, 600, 3, "xz"), found = p.piecesFor({ level: 0, col: 3, row: 2 }, at, (c) => (c.level === 1 ? c : undefined));
  assert.deepEqual(found[0].found, { level: 1, col: 1, row: 2 });
  assert.equal(p.reducedScale({ sx: 0.5, sy: 4 }, "xz"), 0.5);
});
