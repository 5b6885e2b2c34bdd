import assert from "node:assert/strict";
import { test } from "node:test";
import { batchFacts, exportFacts, imageFacts } from "../../../src/underbrush/web/panels/parts/status_facts.js";
import { capital } from "../../../src/underbrush/web/panels/parts/words.js";

const texts = (/** @type {{text: string}[]} */ facts) => facts.map((one) => one.text);

test("images are counted with what is selected and missing, and nothing is said of none", () => {
  assert.deepEqual(texts(imageFacts([], 0)), ["0 images"]);
  const lanes = [{ missing: null }, { missing: "gone" }, { missing: null }];
  assert.deepEqual(texts(imageFacts(lanes, 0)), ["3 images", "1 missing"]);
  assert.deepEqual(texts(imageFacts(lanes, 2)), ["3 images", "2 selected", "1 missing"]);
  assert.deepEqual(imageFacts(lanes, 0).map((one) => !!one.bad), [false, true]);
});

test("an export says what, how many and how much at most", () => {
  assert.deepEqual(texts(exportFacts("segmentation", 1, null)), ["Segmentation", "1 image"]);
  assert.deepEqual(texts(exportFacts("probabilities", 4, 96_000)), ["Probabilities", "4 images", "up to 96 kB"]);
});

test("skipped files of a batch are done, and failed ones are told apart", () => {
  const row = (/** @type {string} */ state) => ({ state, warnings: [] });
  assert.deepEqual(batchFacts([]), []);
  assert.deepEqual(texts(batchFacts([row("waiting")])), ["1 file"]);
  const rows = ["done", "skipped", "failed", "waiting", "cancelled"].map(row);
  assert.deepEqual(texts(batchFacts(rows)), ["5 files", "2 done", "1 failed"]);
});

test("a sentence that stands alone begins with a capital, a name or a number stays", () => {
  assert.equal(capital("unknown placeholder {colour} in the path"), "Unknown placeholder {colour} in the path");
  assert.equal(capital("nuclei_1.tif: it is gone"), "nuclei_1.tif: it is gone");
  assert.equal(capital("float32 is not for PNG"), "float32 is not for PNG");
});
