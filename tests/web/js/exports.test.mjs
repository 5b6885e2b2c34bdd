import assert from "node:assert/strict";
import { test } from "node:test";
import {
  axesReason,
  jobText,
  leftText,
  marked,
  objectClasses,
  orders,
  scalings,
  sizeText,
  timeText,
  toggledClass,
  totalBytes,
  typesOf,
  wholeOrNull,
} from "../../../src/underbrush/web/panels/parts/export_words.js";

test("types begin with the result's own, and keep what a project says", () => {
  assert.equal(typesOf("segmentation")[0], "uint8");
  assert.equal(typesOf("probabilities")[0], "float32");
  assert.ok(!typesOf("features").includes("uint8"));
  assert.ok(typesOf("features", "int16").includes("int16"));
});

test("whole numbers of a share fill their type; a segmentation is never scaled", () => {
  assert.equal(scalings("segmentation", null, null), null);
  assert.equal(scalings("probabilities", "uint8", null)?.[0].text, "0 to 1 becomes 0 to 255");
  assert.equal(scalings("uncertainty", "uint16", null)?.[0].text, "0 to 1 becomes 0 to 65,535");
  assert.equal(scalings("probabilities", null, null)?.[0].text, "None, 0 to 1");
  assert.equal(scalings("probabilities", null, [[0, 2], [0, 9]])?.at(-1)?.text, "0 to 2 becomes 0 to 9");
});

test("orders of axes hold all axes once each", () => {
  for (const axes of ["yx", "zyxc", "tczyx"])
    for (const order of orders(axes)) assert.equal([...order].sort().join(), [...axes].sort().join());
  assert.deepEqual(orders("zyxc").slice(0, 2), ["zyxc", "czyx"]);
  assert.equal(axesReason("npy"), "");
  assert.match(axesReason("ome-tiff"), /TIFF/);
});

test("sizes grow with the pixels of all images", () => {
  assert.equal(totalBytes(100, [1, 1, 1, 10, 10], [[1, 3, 1, 10, 10], [1, 1, 1, 20, 10]]), 300);
  assert.equal(sizeText(1_400_000, "tiff"), "up to 1.4 MB");
  assert.equal(sizeText(1_400_000, "npy"), "about 1.4 MB");
});

test("times and counts in words", () => {
  assert.equal(leftText(20.4), "about 20 s left");
  assert.equal(leftText(600), "about 10 min left");
  assert.equal(leftText(null), "");
  assert.equal(timeText(185), "3 min 5 s");
  const rows = ["done", "skipped", "failed", "waiting"].map((state) => ({ state }));
  assert.equal(jobText({ rows }, "file"), "2 of 4 files done, 1 of them before, 1 failed");
});

test("the image's own part of a path is found from the end", () => {
  assert.deepEqual(marked("/a/w1/w1_segmentation.tif", "w1"), ["/a/w1/", "w1", "_segmentation.tif"]);
  assert.deepEqual(marked("/a/b.tif", "c"), ["/a/b.tif", "", ""]);
});

test("numbers that are typed", () => {
  assert.equal(wholeOrNull(" 12 "), 12);
  assert.equal(wholeOrNull(""), null);
  assert.equal(wholeOrNull("1.5"), undefined);
  assert.equal(wholeOrNull("-5"), undefined);
});

test("objects are of all classes but the first, of those that are chosen, and of one at least", () => {
  const classes = [1, 5, 3].map((id) => ({ id }));
  const on = (chosen, of = classes) => objectClasses(of, chosen).filter((row) => row.on).map((row) => row.id);
  assert.deepEqual(on([]), [5, 3]);
  assert.deepEqual(on([], [{ id: 1 }]), [1]);
  assert.deepEqual(toggledClass(classes, [], 5), [3]);
  assert.deepEqual(toggledClass(classes, [], 1), [1, 3, 5]);
  assert.deepEqual(toggledClass(classes, [1, 3, 5], 1), [], "the usual ones are no choice");
  assert.deepEqual(objectClasses(classes, [3]).map((row) => row.only), [false, false, true]);
  assert.deepEqual(toggledClass(classes, [3], 3), [3]);
});

test("a class that is gone is settled by a click on any other", () => {
  const classes = [{ id: 1 }, { id: 2 }, { id: 4 }];
  assert.ok(objectClasses(classes, [2, 3]).every((row) => !row.only));
  assert.deepEqual(toggledClass(classes, [2, 3], 2), [2], "the one that stays is what is meant");
  assert.deepEqual(toggledClass(classes, [2, 3], 4), []);
  assert.deepEqual(toggledClass(classes, [0], 1), [1]);
  assert.deepEqual(objectClasses([{ id: 1 }, { id: 0 }], [0]).map((row) => row.on), [false, false]);
  assert.deepEqual(toggledClass([{ id: 1 }, { id: 0 }], [], 1), [1]);
});
