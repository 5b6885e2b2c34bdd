import assert from "node:assert/strict";
import { test } from "node:test";
import { axesProblem, clicked, common, followed, moves, sorted } from "../../../src/underbrush/web/panels/parts/choosing.js";
import { droppedOf, folderProblem, hovering, rowQuestion } from "../../../src/underbrush/web/panels/parts/dropped.js";
import { typedRange } from "../../../src/underbrush/web/panels/parts/contrast.js";

const ROWS = ["a", "b", "c", "d"];

test("a click takes one row, Ctrl adds or takes away, Shift takes all between", () => {
  assert.deepEqual(clicked(ROWS, ["a"], "a", "c"), { chosen: ["c"], anchor: "c" });
  assert.deepEqual(clicked(ROWS, ["c"], "c", "a", { ctrl: true }).chosen, ["a", "c"]);
  assert.deepEqual(clicked(ROWS, ["a", "c"], "a", "c", { ctrl: true }).chosen, ["a"]);
  assert.deepEqual(clicked(ROWS, ["c"], "c", "a", { shift: true }), { chosen: ["a", "b", "c"], anchor: "c" });
  assert.deepEqual(clicked(ROWS, [], "", "b", { shift: true }).chosen, ["b"]);
});

test("axes are refused with a reason", () => {
  assert.equal(axesProblem("zyx", 3), "");
  assert.equal(axesProblem("zyx", 2), "The file has 2 axes.");
  assert.equal(axesProblem("zzx", 3), "Name each axis once.");
  assert.equal(axesProblem("zcx", 3), "y and x are needed.");
  assert.equal(axesProblem("q", 1), "Use the letters t c z y x.");
});

test("several rows move together and stop at the end", () => {
  const after = (chosen, by) => {
    const order = [...ROWS];
    for (const { id, place } of moves(ROWS, chosen, by)) {
      order.splice(order.indexOf(id), 1);
      order.splice(place, 0, id);
    }
    return order.join("");
  };
  assert.equal(after(["b", "c"], -1), "bcad");
  assert.equal(after(["b", "c"], 1), "adbc");
  assert.equal(after(["a", "b"], -1), "abcd");
  assert.equal(after(["a", "c"], -1), "acbd");
});

test("what rows have in common, and strokes in order", () => {
  assert.equal(common([1, 1]), 1);
  assert.equal(common([1, 2]), null);
  const rows = [["b", 1, 0, 0, 0, 0, 9], ["a", 2, 0, 0, 0, 0, 5], ["a", 1, 0, 0, 0, 0, 7]];
  assert.deepEqual(sorted(rows, "pixels", true, []).map((row) => row[6]), [9, 7, 5]);
  assert.deepEqual(sorted(rows, "image", false, ["a", "b"]).map((row) => row[0]), ["a", "a", "b"]);
  assert.deepEqual(sorted(rows, "class", false, []).map((row) => row[1]), [1, 1, 2]);
});

test("a dropped folder is an image by its ending, or refused with what to do", () => {
  const item = (name, folder) => ({ kind: "file", getAsFile: () => ({ name }), webkitGetAsEntry: () => ({ isDirectory: folder }) });
  const drop = (...items) => droppedOf({ items: [...items, { kind: "string" }], files: [] });
  assert.deepEqual(drop(item("a.zarr", true), item("b.tif", false)), [
    { file: { name: "a.zarr" }, folder: true },
    { file: { name: "b.tif" }, folder: false },
  ]);
  assert.equal(folderProblem(drop(item("a.ZARR", true), item("b.n5", true), item("c.tif", false))), "");
  assert.match(folderProblem(drop(item("c.tif", false), item("may", true))), /^may is a folder: .*may\/\*\.tif/);
  assert.deepEqual(droppedOf({ items: [], files: [{ name: "x.tif" }] }), [{ file: { name: "x.tif" }, folder: false }]);
  assert.deepEqual(droppedOf(null), []);
});

test("what somebody types is not taken away by what is known meanwhile", () => {
  assert.equal(followed("20", "20", "30"), "30");
  assert.equal(followed("20", "0", "5"), "20");
  assert.equal(followed("", "0", "5"), "", "also where it was emptied");
});

test("a file dropped onto a row is told what it takes the place of", () => {
  const here = rowQuestion({ nickname: "a", location: "/data/a.tif", missing: null }, "b.tif");
  assert.equal(here.text, "Replace a by b.tif?");
  assert.match(here.detail, /^a is \/data\/a.tif now\. /);
  assert.deepEqual(here.ways.map((way) => way.act), ["replace", "add"]);
  const gone = rowQuestion({ nickname: "a", location: "/data/a.tif", missing: "It is not there." }, "a.tif");
  assert.match(gone.detail, /missing/);
  assert.deepEqual(gone.ways.map((way) => way.act), ["repair", "replace", "add"]);
  assert.equal(hovering(null), 1);
});

test("both ends of a range count when they are typed one after the other, in any order", () => {
  const first = typedRange([0, 255], 0, 500, 1);
  assert.deepEqual(first, [500, 501]);
  assert.deepEqual(typedRange(first, 1, 1000, 1), [500, 1000]);
  const other = typedRange([200, 255], 1, 100, 1);
  assert.deepEqual(other, [99, 100]);
  assert.deepEqual(typedRange(other, 0, 20, 1), [20, 100]);
});
