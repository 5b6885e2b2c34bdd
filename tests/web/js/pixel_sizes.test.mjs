import assert from "node:assert/strict";
import { test } from "node:test";
import { commonFields, fieldsOf, inUnit, sizesOf } from "../../../src/underbrush/web/panels/parts/pixel_sizes.js";

const micro = { x: [0.65, "µm"], y: [0.65, "µm"], z: [2, "µm"], t: [3, "s"] };

test("sizes are shown as they are, and in another unit", () => {
  assert.deepEqual(fieldsOf(micro), { flat: "0.65", deep: "2", unit: "µm" });
  assert.deepEqual(fieldsOf(micro, "nm"), { flat: "650", deep: "2000", unit: "nm" });
  assert.deepEqual(fieldsOf({ x: [0.5, "µm"], y: [600, "nm"] }), { flat: "0.5  0.6", deep: "", unit: "µm" });
  assert.deepEqual(fieldsOf({}), { flat: "", deep: "", unit: "µm" });
  assert.deepEqual(fieldsOf({ x: [1, "inch"] }), { flat: "", deep: "", unit: "µm" });
  assert.equal(inUnit([0.1, "cm"], "mm"), 1);
});

test("of several images what differs is not shown", () => {
  assert.deepEqual(commonFields([micro, { ...micro, z: [5, "µm"] }]), { flat: "0.65", deep: null, unit: "µm" });
  assert.deepEqual(commonFields([micro, {}]), { flat: null, deep: null, unit: "µm" });
});

test("what is typed takes the place of what it is about, and of nothing else", () => {
  assert.deepEqual(sizesOf(micro, { flat: "0.5", deep: null, unit: "nm" }), { ...micro, x: [0.5, "nm"], y: [0.5, "nm"] });
  assert.deepEqual(sizesOf(micro, { flat: " 0,5 × 0.6 ", deep: null, unit: "µm" }), { ...micro, x: [0.5, "µm"], y: [0.6, "µm"] });
  assert.deepEqual(sizesOf(micro, { flat: null, deep: "4", unit: "µm" }), { ...micro, z: [4, "µm"] });
  assert.deepEqual(sizesOf(micro, { flat: "", deep: "", unit: "µm" }), { t: [3, "s"] });
  assert.deepEqual(sizesOf(micro, { flat: "650", deep: "2000", unit: "nm" }).z, [2000, "nm"]);
});

test("what is no size is told, and changes nothing", () => {
  for (const flat of ["0", "-1", "a", "1 2 3", "1e"]) assert.equal(typeof sizesOf(micro, { flat, deep: null, unit: "µm" }), "string");
  for (const deep of ["0", "z"]) assert.equal(typeof sizesOf(micro, { flat: null, deep, unit: "µm" }), "string");
});
