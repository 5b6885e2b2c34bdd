// The eight ways in which a plane can lie in its view.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitZoom, frameIn, frameOf, imageArea, imageToScreen, pointToImage, screenBox, screenToImage, visibleBox, zoomedAt } from "../../../src/underbrush/web/viewer/geometry.js";
import { UPRIGHT, back, isAcross, isOrientation, nameOf, onto, partOf, roomAlong, turned } from "../../../src/underbrush/web/viewer/orientation.js";
import { orientationsFrom } from "../../../src/underbrush/web/viewer/facing.js";
import { held } from "../../../src/underbrush/web/viewer/holding.js";
import { minimapArea, minimapSight } from "../../../src/underbrush/web/viewer/minimap.js";
import { scaleBar } from "../../../src/underbrush/web/viewer/scalebar.js";
import { drawOf } from "../../../src/underbrush/web/viewer/scene.js";

const LANE = { id: "a", v: "1", dtype: "uint8", levels: 3, shape: [1, 1, 40, 300, 200], pixel_size: { x: [0.5, "µm"], y: [0.25, "µm"], z: [1, "µm"] } };
const PORT = { width: 640, height: 480, ratio: 2 };

/** All that can be reached by turning and swapping. */
function everyWay() {
  const found = new Map([[UPRIGHT.join(), UPRIGHT]]);
  for (const one of found.values()) for (const turn of ["left", "right", "swap"]) found.set(turned(one, turn).join(), turned(one, turn));
  return [...found.values()];
}
const EIGHT = everyWay();
const frames = () => EIGHT.map((way) => frameOf(LANE, "xy", { cx: 77.25, cy: 120.5, zoom: 3 }, PORT, way));
const near = (/** @type {number} */ a, /** @type {number} */ b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("turning and swapping reach eight orientations, each with a name of its own", () => {
  assert.equal(EIGHT.length, 8);
  assert.equal(new Set(EIGHT.map(nameOf)).size, 8);
  assert.ok(EIGHT.every(isOrientation));
  assert.equal(nameOf(UPRIGHT), "");
  assert.throws(() => turned(UPRIGHT, /** @type {any} */ ("over")), RangeError);
});

test("left undoes right, four turns and two swaps are none, upright is always upright", () => {
  for (const way of EIGHT) {
    assert.deepEqual(turned(turned(way, "right"), "left"), way);
    assert.deepEqual(["right", "right", "right", "right"].reduce(turned, way), way);
    assert.deepEqual(turned(turned(way, "swap"), "swap"), way);
    assert.deepEqual(turned(way, "upright"), UPRIGHT);
  }
});

test("what is turned is what is seen: right is with the clock, whatever was done before", () => {
  for (const way of EIGHT) {
    const [right, down] = onto(way, 3, 1); // where one pixel lies from the middle
    assert.deepEqual(onto(turned(way, "right"), 3, 1), [-down, right].map((one) => one + 0));
    assert.deepEqual(onto(turned(way, "left"), 3, 1), [down, -right].map((one) => one + 0));
    assert.deepEqual(onto(turned(way, "swap"), 3, 1), [down, right]);
    assert.deepEqual(back(way, right, down), [3, 1]);
  }
});

test("there and back again is the same place, and the middle stays in the middle", () => {
  for (const frame of frames()) {
    for (const [u, v] of [[0, 0], [199.9, 0.1], [33.3, 299]]) {
      const { px, py } = imageToScreen(frame, u, v), again = screenToImage(frame, px, py);
      near(again.u, u);
      near(again.v, v);
    }
    const { px, py } = imageToScreen(frame, frame.cx, frame.cy);
    assert.ok(Math.abs(px - 160) <= 0.25 && Math.abs(py - 120) <= 0.25, "to half a device pixel");
  }
});

test("along columns and rows a pixel is as long as the stretch says, however it is turned", () => {
  for (const frame of frames()) {
    const a = imageToScreen(frame, 10, 10), b = imageToScreen(frame, 11, 10), c = imageToScreen(frame, 10, 11);
    near(Math.hypot(b.px - a.px, b.py - a.py), 1.5);
    near(Math.hypot(c.px - a.px, c.py - a.py), 0.75);
  }
});

test("a pointer is on the pixel that is drawn there, at every zoom at which pixels have whole sizes", () => {
  for (const way of EIGHT)
    for (const zoom of [1, 2, 8]) {
      const lane = { ...LANE, pixel_size: null }, frame = frameOf(lane, "xy", { cx: 50, cy: 60, zoom }, { width: 300, height: 200, ratio: 1 }, way);
      for (const [u, v] of [[40, 55], [41, 62]]) {
        const [x0, y0, x1, y1] = screenBox(frame, [u, v, u + 1, v + 1]);
        for (let x = x0; x < x1; x++)
          for (let y = y0; y < y1; y++) {
            const at = pointToImage(frame, x, y);
            assert.deepEqual([Math.floor(at.u), Math.floor(at.v)], [u, v], `${way} at ${zoom}: ${x}, ${y}`);
          }
      }
    }
});

test("what is in sight is asked for: exactly the pixels whose box touches the view", () => {
  for (const frame of frames()) {
    const [x0, y0, x1, y1] = /** @type {number[]} */ (visibleBox(frame, { width: 200, height: 300, depth: 40 }, "xy", 0));
    const seen = (/** @type {number} */ u, /** @type {number} */ v) => {
      const [left, top, right, bottom] = screenBox(frame, [u, v, u + 1, v + 1]);
      return right > 0 && bottom > 0 && left < PORT.width && top < PORT.height;
    };
    const columns = Array.from({ length: 200 }, (_, u) => u).filter((u) => seen(u, (y0 + y1) >> 1));
    const rows = Array.from({ length: 300 }, (_, v) => v).filter((v) => seen((x0 + x1) >> 1, v));
    assert.deepEqual([x0, x1, y0, y1], [columns[0], /** @type {number} */ (columns.at(-1)) + 1, rows[0], /** @type {number} */ (rows.at(-1)) + 1]);
  }
});

test("what is under the pointer stays there when zooming", () => {
  for (const frame of frames()) {
    const before = screenToImage(frame, 40, 200), view = zoomedAt(frame, 40, 200, 7.5);
    const after = imageToScreen(frameOf(LANE, "xy", view, PORT, frame.orientation), before.u, before.v);
    assert.ok(Math.abs(after.px - 40) <= 0.25 && Math.abs(after.py - 200) <= 0.25);
  }
});

test("fitted, the plane is in the view however it lies", () => {
  for (const way of EIGHT) {
    const zoom = fitZoom(LANE, "xy", roomAlong(PORT, way));
    const [x0, y0, x1, y1] = imageArea(frameOf(LANE, "xy", { cx: 100, cy: 150, zoom }, PORT, way), { width: 200, height: 300 });
    assert.ok(x0 >= 0 && y0 >= 0 && x1 <= PORT.width && y1 <= PORT.height);
    assert.ok(x1 - x0 > 0.97 * PORT.width || y1 - y0 > 0.97 * PORT.height);
  }
});

test("a tile is drawn where its pixels are, and an area of the screen holds the whole plane", () => {
  for (const frame of frames()) {
    const tile = { texture: 1, width: 64, height: 64, u: 64, v: 128, du: 1, dv: 1 };
    const draw = drawOf(tile, [70, 128, 128, 190], frame);
    assert.deepEqual(draw?.src, [6, 0, 64, 62]);
    assert.deepEqual(draw?.dst, screenBox(frame, [70, 128, 128, 190]));
    const area = /** @type {[number, number, number, number]} */ ([500, 300, 620, 460]);
    imageArea(frameIn(frame, { width: 200, height: 300 }, area), { width: 200, height: 300 }).forEach((one, i) => near(one, area[i]));
  }
});

test("the overview lies as the view does, and a click in it means what is seen there", () => {
  const size = { width: 200, height: 300 };
  for (const way of EIGHT) {
    const port = { width: 800, height: 600, ratio: 1 }, frame = frameOf(LANE, "xy", { cx: 30, cy: 40, zoom: 8 }, port, way);
    const area = minimapArea(frame, size), sight = area && minimapSight(frame, size, area);
    assert.ok(area && sight);
    assert.equal(area.width > area.height, !isAcross(way), "200 x 2 across, 300 high");
    const [u, v] = partOf(way, (sight.left + sight.width / 2) / area.width, (sight.top + sight.height / 2) / area.height);
    const middle = [0, 1].map((k) => { // of what is in sight of the plane
      const box = /** @type {number[]} */ (visibleBox(frame, { ...size, depth: 1 }, "xy", 0));
      return (box[k] + box[k + 2]) / 2;
    });
    assert.ok(Math.abs(u * size.width - middle[0]) < 3 && Math.abs(v * size.height - middle[1]) < 3, `${way}: ${[u * 200, v * 300]} is not ${middle}`);
  }
});

test("the scale bar is as long as the axis that lies across", () => {
  const bare = { ...LANE, pixel_size: { x: [0.5, "µm"], y: null, z: null } };
  assert.match(scaleBar(bare, "xy", { zoom: 1, ratio: 1 }).text, /µm/);
  assert.match(scaleBar(bare, "xy", { zoom: 1, ratio: 1, orientation: turned(UPRIGHT, "right") }).text, /px/);
});

test("a banner moves nothing from under the pointer in a view that is turned", () => {
  for (const frame of frames()) {
    const before = { left: 0, top: 0, width: 320, height: 240 }, after = { left: 0, top: 40, width: 320, height: 200 };
    const look = held({ ...frame, look: { cx: frame.cx, cy: frame.cy, zoom: 3 } }, before, after);
    const now = frameOf(LANE, "xy", look, { ...PORT, height: 400 }, frame.orientation);
    const a = imageToScreen(frame, 60, 70), b = imageToScreen(now, 60, 70);
    assert.ok(Math.abs(a.px - b.px) <= 0.5 && Math.abs(a.py - (b.py + 40)) <= 0.5);
  }
});

test("what was kept is read, and what is not an orientation is left out", () => {
  const kept = orientationsFrom('{"xy": [0, -1, 1, 0], "xz": [1, 1, 0, 0], "zy": "left", "yx": [1, 0, 0, 1]}');
  assert.deepEqual([...kept], [["xy", [0, -1, 1, 0]]]);
  for (const text of [null, undefined, "", "{", "7", "[]", '"xy"', "null"]) assert.equal(orientationsFrom(text).size, 0);
});
