import assert from "node:assert/strict";
import { test } from "node:test";
import { featureCount, impossible, turnsOn, withCells, withFlat, withoutScale, withScale } from "../../../src/underbrush/web/panels/parts/choice.js";
import { gammaAt, gammaPlace, movedRange, outline, shareOf, shown, typed, valueAt } from "../../../src/underbrush/web/panels/parts/contrast.js";
import { alike, bytes, counted, crumbsOf, dayAndTime, halves, keptWords, percent, pixelSize, placeParts, rangeText, sizes, spot } from "../../../src/underbrush/web/panels/parts/words.js";

const histogram = { edges: [0, 50, 100, 200], counts: [10, 0, 1], auto: [1, 99] };

test("a histogram is drawn logarithmic, one bar a bin, the highest 36 of 40", () => {
  assert.equal(outline(histogram), "M0 40V4.0H1V40.0H2V29.6H3V40Z");
  assert.equal(outline({ ...histogram, counts: [0, 0] }), "M0 40V40.0H1V40.0H2V40Z");
});

test("a value and its place in the histogram belong together, and stay inside", () => {
  assert.equal(shareOf(histogram, 50), 0.25);
  assert.equal(valueAt(histogram, 0.25, true), 50);
  assert.equal(shareOf(histogram, -5), 0);
  assert.equal(shareOf(histogram, 1e9), 1);
  assert.equal(shareOf({ ...histogram, edges: [3, 3] }, 3), 0);
  assert.equal(valueAt({ ...histogram, edges: [0, 1] }, 0.123456, false), 0.1235);
  assert.equal(valueAt({ ...histogram, edges: [0, 255] }, 0.5, true), 128);
});

test("low and high never cross and never meet", () => {
  assert.deepEqual(movedRange([10, 20], 0, 50, 1), [19, 20]);
  assert.deepEqual(movedRange([10, 20], 1, -4, 1), [10, 11]);
  assert.deepEqual(movedRange([10, 20], 0, 3, 1), [3, 20]);
});

test("what was typed is a number or nothing", () => {
  assert.equal(typed("35,850"), 35850);
  assert.equal(typed(" −3.5 "), -3.5);
  for (const text of ["", "  ", "a", "NaN", "Infinity"]) assert.equal(typed(text), null);
});

test("values as people read them", () => {
  assert.equal(shown(11523), "11,523");
  assert.equal(shown(0.123456), "0.1235");
  assert.equal(shown(12345.6), "12,346");
  assert.equal(shown(NaN), "NaN");
});

test("gamma 1 is the middle of its slider, and comes back from every place", () => {
  assert.equal(gammaAt(0), 1);
  assert.equal(gammaPlace(1), 0);
  assert.equal(gammaAt(100), 10);
  for (const place of [-100, -37, 12, 88]) assert.ok(Math.abs(gammaPlace(gammaAt(place)) - place) <= 2);
});

test("counts, per cent, bytes", () => {
  assert.equal(counted(1, "stroke"), "1 stroke");
  assert.equal(counted(1200, "stroke"), "1,200 strokes");
  assert.equal(percent(2), "200 %");
  assert.equal(percent(0.0123), "1.2 %");
  assert.equal(bytes(999), "999 B");
  assert.equal(bytes(4200), "4.2 kB");
  assert.equal(bytes(3.5e9), "3.5 GB");
});

test("a time is told by its distance", () => {
  const now = new Date(2026, 10, 23, 15, 0);
  assert.equal(dayAndTime(new Date(2026, 10, 23, 14, 2).toISOString(), now), "Today 14:02");
  assert.equal(dayAndTime(new Date(2026, 10, 22, 23, 59).toISOString(), now), "Yesterday 23:59");
  assert.equal(dayAndTime(new Date(2026, 10, 12, 8, 0).toISOString(), now), "12 November");
  assert.equal(dayAndTime(new Date(2025, 10, 3, 8, 0).toISOString(), now), "3 November 2025");
  assert.equal(dayAndTime("never", now), "");
});

test("sizes are in the image's own axes", () => {
  assert.equal(sizes([1, 1, 1, 520, 696], "yx"), "520 × 696");
  assert.equal(sizes([1, 3, 1, 256, 320], "yxc"), "256 × 320 × 3");
  assert.equal(sizes([2, 1, 60, 128, 256], ""), "2 × 60 × 128 × 256");
  assert.equal(pixelSize({ x: [0.65, "µm"] }), "0.65 µm");
  assert.equal(pixelSize({}), "");
});

test("the size of a pixel has z where it is known, and places count from 0", () => {
  assert.equal(pixelSize({ x: [0.2, "µm"], y: [0.2, "µm"], z: [1, "µm"] }), "0.2 µm, z 1 µm");
  assert.equal(pixelSize({ z: [2, ""] }), "z 2 px");
  assert.equal(spot(0, 60), "0 / 59");
  assert.equal(spot(59, 60), "59 / 59");
});

test("folders above a folder, on Unix, on Windows and on a share", () => {
  const paths = (text) => crumbsOf(text).map((one) => `${one.name} ${one.path}`);
  assert.deepEqual(paths("/home/ann/data"), ["home /home", "ann /home/ann", "data /home/ann/data"]);
  assert.deepEqual(paths("C:\\Users\\ann"), ["C: C:\\", "Users C:\\Users", "ann C:\\Users\\ann"]);
  assert.deepEqual(paths("\\\\nas\\lab\\may"), ["nas\\lab \\\\nas\\lab", "may \\\\nas\\lab\\may"]);
  assert.deepEqual(paths("/odd\\name"), ["odd\\name /odd\\name"]);
});

const smooth = { id: "s", name: "Gaussian smoothing", group: "Colour", tensor: false, min: 0.3 };
const hessian = { id: "h", name: "Hessian", group: "Texture", tensor: true, min: 0.7 };
const limits = { z: 5, y: 100, x: 30 };
const choice = { scales: [0.3, 1, 5], flat: [false, false, true], cells: { s: [true, false, false], h: [false, true, true] } };

test("features are counted with their eigenvalues and channels", () => {
  assert.equal(featureCount(choice, [smooth, hessian], 1), 1 + 3 + 2);
  assert.equal(featureCount(choice, [smooth, hessian], 4), 24);
});

test("a cell that cannot be says why", () => {
  assert.equal(impossible(smooth, 0.3, false, limits), "");
  assert.match(impossible(hessian, 0.3, false, limits), /too small/);
  assert.match(impossible(smooth, 5, false, limits), /choose 2D/);
  assert.equal(impossible(smooth, 5, true, limits), "");
  assert.match(impossible(smooth, 10, true, limits), /smallest image has 30 px and this scale needs 36/);
});

test("heads switch on what can be, and off when all that can be is on", () => {
  const column = [[smooth, 0], [hessian, 0]];
  assert.equal(turnsOn(choice, column, limits), false);
  const off = withCells(choice, column, false, limits);
  assert.deepEqual(off.cells, { s: [false, false, false], h: [false, true, true] });
  assert.equal(turnsOn(off, column, limits), true);
  assert.deepEqual(withCells(off, column, true, limits).cells.h[0], false);
  assert.deepEqual(choice.cells.s, [true, false, false]);
});

test("scales are kept in order, and taken out again leave the choice as it was", () => {
  const more = withScale(choice, 2, true);
  assert.deepEqual(more.scales, [0.3, 1, 2, 5]);
  assert.deepEqual(more.cells.h, [false, true, false, true]);
  assert.deepEqual(withoutScale(more, 2), choice);
  assert.equal(withScale(choice, 1, true), choice);
});

test("a scale that becomes 3D loses what the slices do not allow", () => {
  const deep = withFlat(choice, 2, false, [smooth, hessian], limits);
  assert.deepEqual(deep.cells.h, [false, true, false]);
  assert.deepEqual(deep.flat, [false, false, false]);
});

test("a long name keeps its end, letters outside the plain ones whole", () => {
  assert.deepEqual(halves("nuclei_fluo_520x696_6b6d4e6f"), ["nuclei_fluo_520x696_", "6b6d4e6f"]);
  assert.deepEqual(halves("nuclei_01"), ["nuclei_01", ""]);
  assert.deepEqual(halves("x".repeat(10) + "\u{1F52C}".repeat(8)), ["x".repeat(10), "\u{1F52C}".repeat(8)]);
});

test("names of one experiment show where they differ", () => {
  const names = ["2026-11-23_plate-0001_well-02_field-07_40x", "2026-11-23_plate-0001_well-11_field-07_40x"];
  const differ = alike(names);
  assert.deepEqual(names.map((one) => halves(one, differ)[1]), ["well-02…", "well-11…"]);
  assert.equal(halves(names[0], differ)[0], "2026-11-23_plate-0001_");
  assert.equal(alike(["one"]), undefined);
  assert.equal(alike(["same", "same"]), undefined);
  const ends = ["nuclei_fluo_520x696_6b6d4e6f", "nuclei_fluo_520x696_aa6d4e11"];
  assert.deepEqual(halves(ends[0], alike(ends)), ["nuclei_fluo_520x696_", "6b6d4e6f"]);
  assert.deepEqual(halves("short_1", alike(["short_1", "short_2"])), ["short_1", ""]);
  assert.deepEqual(alike(["aa", "aaa"]), { first: 2, last: 0 });
});

test("a range of values is short, and one value is one", () => {
  assert.equal(rangeText(0, 255), "0 to 255");
  assert.equal(rangeText(481.6, 64123), "482 to 64,123");
  assert.equal(rangeText(-0.123456, 1), "-0.123 to 1");
  assert.equal(rangeText(7, 7), "7");
});

test("of a place the name is kept apart from its folder", () => {
  assert.deepEqual(placeParts("/data/screen/a.tif"), ["/data/screen", "/a.tif"]);
  assert.deepEqual(placeParts("a.tif"), ["", "a.tif"]);
  assert.deepEqual(placeParts("C:\\data\\a.tif"), ["C:\\data", "\\a.tif"]);
  assert.deepEqual(placeParts("/data/image.zarr/"), ["/data", "/image.zarr/"]);
  assert.deepEqual(placeParts("/data/plate/a.h5/raw/one"), ["/data/plate", "/a.h5/raw/one"]);
  assert.deepEqual(placeParts("https://host/x/image.zarr"), ["https://host/x", "/image.zarr"]);
});

test("strokes that wait for projects without a window are told beside them, and once for all that are not listed", () => {
  const recent = [{ project: "here", missing: false }, { project: "gone", missing: true }];
  const before = new Map([["here", 4], ["gone", 1], ["far", 2]]);
  // What was sent meanwhile, or was made only now by another window, is not told.
  const now = new Map([["here", 3], ["gone", 1], ["far", 5], ["new", 7]]);
  const { listed, others } = keptWords(before, now, recent);
  assert.deepEqual(listed, { here: "3 strokes kept in this browser" });
  assert.match(others, /^3 strokes kept .* they are sent\.$/);
  assert.deepEqual(keptWords(new Map(), new Map(), recent), { listed: {}, others: "" });
});
