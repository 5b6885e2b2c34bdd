import assert from "node:assert/strict";
import { test } from "node:test";
import { frameOf, imageToScreen } from "../../../src/underbrush/web/viewer/geometry.js";
import { fromAbove, held } from "../../../src/underbrush/web/viewer/holding.js";

const rect = (left, top, width, height) => ({ left, top, width, height });
const measure = (at, window = "1440 900 1") => ({ rect: at, window });

test("a banner moves the upper edge and nothing else", () => {
  const before = measure(rect(272, 40, 900, 700));
  assert.ok(fromAbove(before, measure(rect(272, 80, 900, 660))));
  assert.ok(fromAbove(measure(rect(272, 80, 900, 660)), before));
  assert.ok(!fromAbove(before, before));
  assert.ok(!fromAbove(before, measure(rect(272, 40, 900, 660))), "sliders came below");
  assert.ok(!fromAbove(before, measure(rect(0, 40, 1172, 700))), "a panel was folded");
  assert.ok(!fromAbove(before, measure(rect(272, 80, 900, 660), "1440 860 1")), "the window has another size");
});

test("every pixel stays on its place on the screen, also where voxels are not square", () => {
  const lane = { id: "a", v: "1", dtype: "uint8", levels: 1, shape: [1, 1, 40, 300, 400], pixel_size: { x: [1, "um"], y: [1, "um"], z: [3, "um"] } };
  const a = rect(272, 40, 900, 700), b = rect(272, 80, 900, 660);
  for (const [plane, ratio] of [["xy", 1], ["xz", 2], ["zy", 1.5]]) {
    const port = (at) => ({ width: at.width * ratio, height: at.height * ratio, ratio });
    const look = { cx: 20.25, cy: 17.5, zoom: 6 }, before = frameOf(lane, plane, look, port(a));
    const after = frameOf(lane, plane, held({ ...before, look }, a, b), port(b));
    const from = imageToScreen(before, 3, 9), to = imageToScreen(after, 3, 9);
    assert.deepEqual([to.px + b.left, to.py + b.top], [from.px + a.left, from.py + a.top], plane);
  }
});
