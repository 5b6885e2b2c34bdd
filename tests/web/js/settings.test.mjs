import assert from "node:assert/strict";
import test from "node:test";
import { changesOf, isChanged, ownerOf, settingsFrom, withKey, withUsual, withoutKey } from "../../../src/underbrush/web/panels/parts/keychoice.js";
import { axesOf, placeFrom } from "../../../src/underbrush/web/panels/parts/placing.js";
import { UPRIGHT } from "../../../src/underbrush/web/viewer/orientation.js";
import { stride } from "../../../src/underbrush/web/viewer/hand.js";
import { Keys } from "../../../src/underbrush/web/viewer/keys.js";
import { levelled } from "../../../src/underbrush/web/viewer/levelling.js";
import { nameOf, seenOf } from "../../../src/underbrush/web/viewer/snapshot.js";
import { meaning } from "../../../src/underbrush/web/viewer/turning.js";

const press = (key, code, held = {}) => ({ key, code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, getModifierState: () => false, ...held });
const rowsOf = (keys) => keys.table();
const keysOf = (keys, action) => rowsOf(keys).find((row) => row.action === action).own;

test("a key moves to another action, whose it was loses it, and nothing else changes", () => {
  const keys = new Keys({ mac: false });
  assert.equal(ownerOf(rowsOf(keys), "S", "tool:eraser").action, "layer:segmentation");
  assert.equal(ownerOf(rowsOf(keys), "E", "tool:eraser"), null, "its own key is nobody else's");
  const changes = withKey(rowsOf(keys), "tool:eraser", "S", "E");
  assert.deepEqual(changes, { "tool:eraser": ["S"], "layer:segmentation": [] });
  assert.deepEqual(keys.set("underbrush", changes).conflicts, []);
  assert.deepEqual(rowsOf(keys).filter(isChanged).map((row) => row.action), ["tool:eraser", "layer:segmentation"]);
  assert.deepEqual(withUsual(rowsOf(keys), "layer:segmentation"), { "tool:eraser": [] }, "what it gets back is taken from who has it");
  assert.deepEqual(withUsual(rowsOf(keys), "tool:eraser"), { "layer:segmentation": [] });
});

test("a key besides, a key less, the same key again", () => {
  const keys = new Keys({ mac: false });
  keys.set("underbrush", withKey(rowsOf(keys), "fit", "V", null));
  assert.deepEqual(keysOf(keys, "fit"), ["K", "V"]);
  assert.deepEqual(withKey(rowsOf(keys), "fit", "V", "K"), { fit: ["V"] }, "not twice");
  keys.set("underbrush", withoutKey(rowsOf(keys), "fit", "K"));
  assert.deepEqual(keysOf(keys, "fit"), ["V"]);
  assert.deepEqual(changesOf(rowsOf(keys), { fit: ["K"] }), {}, "as usual is no change");
});

test("changes hold in the other set of keys, too, and are told against its usual keys", () => {
  const keys = new Keys({ mac: false, preset: "ilastik" });
  assert.deepEqual(withKey(rowsOf(keys), "layer:probability", "P", "P"), {}, "P is ilastik's usual one");
  assert.deepEqual(keysOf(keys, "addClass"), ["A"]);
});

test("a pressed key gets its name, and why it cannot be one", () => {
  const keys = new Keys({ mac: false });
  assert.deepEqual(keys.named(press("v", "KeyV"), "fit"), { key: "V", caps: ["V"], refusal: "" });
  assert.deepEqual(keys.named(press("V", "KeyV", { shiftKey: true, ctrlKey: true }), "fit").key, "Mod+Shift+V");
  assert.match(keys.named(press("w", "KeyW", { ctrlKey: true }), "fit").refusal, /^Ctrl W belongs to the browser/);
  assert.match(keys.named(press("F5", "F5"), "fit").refusal, /belongs to the browser/);
  assert.match(keys.named(press("Shift", "ShiftLeft", { shiftKey: true }), "fit").refusal, /for what is held/);
  assert.equal(keys.named(press("Shift", "ShiftLeft", { shiftKey: true }), "erase").refusal, "");
  assert.equal(keys.named(press("Control", "ControlLeft", { ctrlKey: true }), "fit"), null);
  assert.equal(keys.named(press("q", "KeyQ", { altKey: true }), "fit"), null, "Alt is the desktop's");
});

test("what was kept is taken as far as it is understood", () => {
  const known = { presets: ["underbrush", "ilastik"], plain: ["auto", "slice", "zoom"], shifted: ["brush", "slices", "time"] };
  const usual = { preset: "underbrush", keys: {}, wheel: "auto", shiftWheel: "brush", offered: false };
  for (const text of [null, "", "{", "7", "null", '"x"', "[]"]) assert.deepEqual(settingsFrom(text, known), usual, text);
  const kept = { preset: "ilastik", keys: { fit: ["V"] }, wheel: "zoom", shiftWheel: "time", offered: true };
  assert.deepEqual(settingsFrom(JSON.stringify(kept), known), kept);
  assert.deepEqual(settingsFrom(JSON.stringify({ preset: "vim", keys: { fit: "V", live: [7], undo: ["U"] }, wheel: 3 }), known), { ...usual, keys: { undo: ["U"] } });
});

test("a typed position: in order, by name, and why not", () => {
  const shape = [5, 1, 30, 520, 696], now = { t: 1, z: 2, y: 3, x: 4 };
  const at = (text, given = shape) => placeFrom(text, given, now).place;
  assert.deepEqual(axesOf(shape), ["x", "y", "z", "t"]);
  assert.deepEqual(at("540, 262"), { x: 540, y: 262, z: 2, t: 1 });
  assert.deepEqual(at(" 540 262 12 4 "), { x: 540, y: 262, z: 12, t: 4 });
  assert.deepEqual(at("z 12"), { ...now, z: 12 });
  assert.deepEqual(at("y=7; x:9"), { ...now, y: 7, x: 9 });
  assert.deepEqual(at("10.9, 0"), { ...now, x: 10, y: 0 });
  assert.match(placeFrom("696, 0", shape, now).sentence, /^x goes from 0 to 695/);
  assert.match(placeFrom("3, -1", shape, now).sentence, /^y goes from 0 to 519/);
  assert.match(placeFrom("here", shape, now).sentence, /“here” is no position/);
  assert.match(placeFrom("z 1", [1, 1, 1, 9, 9], now).sentence, /type x, y/);
  assert.match(placeFrom("", shape, now).sentence, /such as 4, 3, 2, 1/);
  assert.match(placeFrom("1 2 3 4 5", shape, now).sentence, /^Type x, y, z, t/);
});

test("the wheel with and without keys", () => {
  const turn = (held = {}) => ({ ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });
  const flat = { plain: "auto", shifted: "brush", depth: 1, times: 1 }, deep = { ...flat, depth: 9 }, movie = { ...flat, times: 7 };
  assert.equal(meaning(turn(), flat), "zoom");
  assert.equal(meaning(turn(), deep), "slice");
  assert.equal(meaning(turn(), { ...deep, plain: "zoom" }), "zoom");
  assert.equal(meaning(turn(), movie), "zoom");
  assert.equal(meaning(turn(), { ...movie, plain: "slice" }), "time");
  assert.equal(meaning(turn({ ctrlKey: true }), deep), "zoom");
  assert.equal(meaning(turn({ shiftKey: true }), deep), "brush");
  assert.equal(meaning(turn({ shiftKey: true }), { ...deep, shifted: "slices" }), "slices");
  assert.equal(meaning(turn({ shiftKey: true }), { ...deep, shifted: "time" }), "slices", "no times: the next best");
  assert.equal(meaning(turn({ shiftKey: true }), { ...movie, shifted: "time" }), "time");
  assert.equal(meaning(turn({ shiftKey: true }), { ...flat, shifted: "time" }), "brush");
  assert.equal(meaning(turn({ altKey: true }), deep), "slices");
  assert.equal(meaning(turn({ altKey: true }), movie), "time");
  assert.equal(meaning(turn({ altKey: true }), flat), "zoom");
});

test("a press of an arrow is a pixel, or what one of the screen shows, and goes faster", () => {
  assert.deepEqual([0, 1, 2, 18, 400].map((n) => stride(1, n)), [1, 3, 4, 20, 20]);
  assert.equal(stride(8, 0), 1);
  assert.equal(stride(64, 400), 1, "far in, never less than a pixel");
  assert.deepEqual([0, 400].map((n) => stride(0.25, n)), [4, 80]);
});

test("contrast by dragging", () => {
  assert.deepEqual(levelled([0, 100], 0, 0, 1), [0, 100]);
  assert.deepEqual(levelled([0, 100], 0, -120, 1), [25, 75], "up: twice the contrast");
  assert.deepEqual(levelled([0, 100], 240, 0, 1), [-50, 50], "right: brighter");
  assert.deepEqual(levelled([10, 12], 0, -9999, 1), [10.5, 11.5], "black and white never meet");
});

test("a picture of the view: its part and its name", () => {
  const frame = { width: 800, height: 600, ox: 100.5, oy: -50, sx: 2, sy: 2, orientation: UPRIGHT };
  assert.deepEqual(seenOf(frame, { width: 200, height: 200 }), [100, 0, 501, 350]);
  assert.equal(seenOf({ ...frame, ox: 900 }, { width: 200, height: 200 }), null);
  assert.equal(nameOf("a/b: c?", { t: 3, z: 7 }, [1, 1, 1, 9, 9]), "a_b_ c__view.png");
  assert.equal(nameOf("..", { t: 3, z: 7 }, [4, 1, 9, 9, 9]), "image_z7_t3_view.png");
});
