import assert from "node:assert/strict";
import { test } from "node:test";
import { initialLayers, laidOver, maskPaints, overlayNames, paintOf, rawMode, shownChannels, wantedLayers, withLayer } from "../../../src/underbrush/web/viewer/layers.js";
import { lookOf } from "../../../src/underbrush/web/panels/parts/looks.js";
import { nameColour } from "../../../src/underbrush/web/viewer/names.js";

const lane = (channels, more = {}) => ({ id: "a1", v: "1", dtype: "uint16", levels: 1, shape: [1, channels, 1, 9, 9], range: null, ...more });
const classes = [{ id: 4, colour: [1, 2, 3] }, { id: 2, colour: [9, 8, 7] }];

test("a change gives a new state and leaves the old one; the rest stays", () => {
  const before = initialLayers(), after = withLayer(before, "segmentation", { opacity: 0.6 });
  assert.equal(before.segmentation.opacity, 0.35);
  assert.deepEqual([after.segmentation.opacity, after.segmentation.style, after.raw === before.raw], [0.6, "fill", true]);
  assert.throws(() => { after.segmentation.opacity = 1; }, TypeError);
});

test("what does not exist is refused, not ignored", () => {
  const layers = initialLayers();
  for (const [name, props] of [["no", {}], ["raw", { opactiy: 1 }], ["labels", { opacity: 2 }], ["labels", { visible: 1 }], ["probability:x", {}],
    ["raw", { channels: { a: {} } }], ["raw", { channels: { 0: { gamma: 0 } } }], ["raw", { mode: "hsv" }], ["segmentation", { eyes: { 1: "on" } }],
    ["uncertainty", { colour: [1, 2] }], ["raw", { channels: [1] }]])
    assert.throws(() => withLayer(layers, name, props), TypeError, `${name} ${JSON.stringify(props)}`);
});

test("overlays from below to above; labels on top; what is off is not wanted", () => {
  let layers = initialLayers();
  for (const [name, props] of [["uncertainty", { visible: true }], ["probability:2", { visible: true }], ["feature:Gaussian 1.0", { visible: true }], ["probability:1", {}]])
    layers = withLayer(layers, name, props);
  assert.deepEqual(overlayNames(layers), ["feature:Gaussian 1.0", "mask", "segmentation", "probability:2", "uncertainty", "labels"]);
  assert.deepEqual(overlayNames(withLayer(layers, "segmentation", { opacity: 0 })).includes("segmentation"), false);
});

test("a mask veils what lies outside, is no result, and does not lie over a feature image", () => {
  const layers = initialLayers(), [veil, edge] = maskPaints(withLayer(layers, "mask", { opacity: 0.5 }).mask);
  assert.deepEqual([veil.outline, edge.outline, veil.opacity, edge.opacity], [false, true, 0.5, 0.75]);
  assert.deepEqual([veil.colours[3], veil.colours[7], edge.colours[3], edge.colours[7], edge.order[1]], [0, 255, 0, 255, 1]);
  assert.deepEqual(wantedLayers(layers), ["segmentation"]);
  assert.deepEqual(laidOver(layers), ["mask", "segmentation", "labels"]);
  assert.deepEqual(laidOver(withLayer(layers, "feature:a", { visible: true })), ["labels"]);
});

test("the mode suits the lane until somebody chooses", () => {
  const { raw } = initialLayers();
  assert.deepEqual([rawMode(raw, lane(1)), rawMode(raw, lane(4)), rawMode(raw, lane(3, { rgb: true })), rawMode(raw, lane(1, { rgb: true }))], ["single", "composite", "rgb", "single"]);
  assert.equal(rawMode(withLayer(initialLayers(), "raw", { mode: "rgb" }).raw, lane(2)), "single");
});

test("what ilastik stored of the display is shown until somebody chooses, by the viewer and by the panels", () => {
  const { raw } = initialLayers(), modes = { default: null, grayscale: "single", rgba: "rgb", "random-colortable": "random", "binary-mask": "mask", "alpha-modulated": "single", odd: null };
  for (const [display, mode] of Object.entries(modes))
    for (const count of [1, 3])
      for (const chosen of [null, "single", "composite", "rgb", "random", "mask"])
        for (const dtype of ["uint8", "float32"]) {
          const one = lane(count, { display, dtype, rgb: count === 3 }), own = { ...raw, mode: chosen };
          assert.equal(rawMode(own, one), lookOf(own, one), `${display} ${count} ${chosen} ${dtype}`);
          if (chosen === null && mode && !(mode === "rgb" && count === 1) && !(mode === "random" && dtype === "float32")) assert.equal(rawMode(own, one), mode);
          if (chosen === "mask") assert.equal(rawMode(own, one), "mask", "what somebody chose");
        }
});

test("a mask is what is above 0 in one colour, and a channel alone may be tinted", () => {
  const layers = withLayer(initialLayers(), "raw", { mode: "mask", channels: { 0: { colour: [0, 200, 100], low: 7, high: 9, gamma: 2 } } });
  const [shown] = shownChannels(layers, lane(1));
  assert.deepEqual([shown.colour, shown.low, shown.gamma, shown.mask], [[0, 200, 100], 0, 1, true]);
  assert.ok(shown.high > 0 && shown.high < 1e-20);
  const [tinted] = shownChannels(withLayer(layers, "raw", { mode: "single" }), lane(1));
  assert.deepEqual([tinted.colour, tinted.low, tinted.high, tinted.mask], [[0, 200, 100], 7, 9, undefined]);
});

test("numbers may be names of objects, measured values may not", () => {
  const layers = withLayer(initialLayers(), "raw", { mode: "random", channel: 1 });
  assert.deepEqual(shownChannels(layers, lane(2, { dtype: "uint16" })).map(({ channel, random }) => [channel, random]), [[1, true]]);
  assert.equal(rawMode(layers.raw, lane(2, { dtype: "float32" })), "composite");
  assert.deepEqual(nameColour(0), [0, 0, 0]);
  const colours = Array.from({ length: 500 }, (_, at) => nameColour(at + 1));
  assert.ok(colours.every((one) => Math.max(...one) >= 0.65 * 255 - 1e-9), "bright enough to be seen on black");
  assert.ok(new Set(colours.map((one) => one.map(Math.round).join())).size > 490);
});

test("a composite begins with the channels that feed the features, and a colour alone shows nothing", () => {
  const layers = initialLayers(), seen = (l, one) => shownChannels(l, one).map(({ channel }) => channel);
  const fed = lane(8, { first: [3, 7] });
  assert.deepEqual(seen(layers, fed), [3, 7]);
  const coloured = withLayer(layers, "raw", { channels: { 3: { colour: [9, 9, 9] }, 1: { gamma: 2 } } });
  assert.deepEqual(seen(coloured, fed), [3, 7]);
  assert.deepEqual(seen(coloured, lane(8)), [0, 1, 2], "where the lane does not say");
  assert.deepEqual(seen(withLayer(coloured, "raw", { channels: { 7: { visible: false } } }), fed), [3]);
  const there = withLayer(layers, "raw", JSON.parse(JSON.stringify(coloured.raw)));
  assert.deepEqual(there.raw, coloured.raw, "as a window of its own is told");
  assert.throws(() => withLayer(layers, "raw", { visible: null }), TypeError);
});

test("forty channels: the first three until others are chosen; a single one is never beyond the last", () => {
  const layers = initialLayers(), forty = lane(40);
  assert.deepEqual(shownChannels(layers, forty).map((one) => one.channel), [0, 1, 2]);
  const chosen = withLayer(layers, "raw", { channels: { 0: { visible: false }, 17: { visible: true, low: 5, gamma: 2 } } });
  assert.deepEqual(shownChannels(chosen, forty).map((one) => one.channel), [1, 2, 17]);
  assert.deepEqual(shownChannels(chosen, forty)[2].low, 5);
  assert.deepEqual(shownChannels(withLayer(layers, "raw", { mode: "single", channel: 39 }), lane(2)).map((one) => one.channel), [1]);
  assert.deepEqual(shownChannels(withLayer(layers, "raw", { visible: false }), forty), []);
});

test("contrast: what is set, else the lane's range, else what was found, else the dtype's", () => {
  const layers = initialLayers(), look = (l, one, auto) => { const [c] = shownChannels(l, one, auto); return [c.low, c.high]; };
  assert.deepEqual(look(layers, lane(1)), [0, 65535]);
  assert.deepEqual(look(layers, lane(1), () => [3, 9]), [3, 9]);
  assert.deepEqual(look(layers, lane(1, { range: [10, 20] }), () => [3, 9]), [10, 20]);
  assert.deepEqual(look(withLayer(layers, "raw", { channels: { 0: { low: 1 } } }), lane(1, { range: [10, 20] })), [1, 20]);
});

test("the first class starts unfilled in the segmentation, and its labels are seen", () => {
  const layers = initialLayers(), alpha = (l, name, id) => paintOf(l, name, classes).colours[id * 4 + 3];
  assert.deepEqual([alpha(layers, "segmentation", 4), alpha(layers, "segmentation", 2), alpha(layers, "labels", 4)], [0, 255, 255]);
  assert.equal(alpha(withLayer(layers, "segmentation", { eyes: { 4: true } }), "segmentation", 4), 255);
  assert.deepEqual([...paintOf(layers, "segmentation", classes).order.subarray(0, 5)], [0, 0, 2, 0, 1]);
  assert.equal(paintOf(layers, "segmentation", classes).colours[3], 0, "0 is no class");
});

test("a probability has the colour of its class", () => {
  const layers = withLayer(initialLayers(), "probability:2", { visible: true });
  assert.deepEqual([...paintOf(layers, "probability:2", classes).colours.subarray(0, 3)], [9, 8, 7]);
  const [dark, coloured] = [false, true].map((on) => paintOf(layers, "uncertainty", classes, on));
  assert.ok(dark.colours[2] > dark.colours[1] && coloured.colours[1] > coloured.colours[2] && dark.key !== coloured.key, "violet is not seen on a stained section");
});
