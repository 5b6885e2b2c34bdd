import assert from "node:assert/strict";
import test from "node:test";
import { Store } from "../../../src/underbrush/web/viewer/store.js";
import { Tools } from "../../../src/underbrush/web/viewer/tools.js";

const CLASSES = [{ id: 4, value: 1, name: "Background" }, { id: 2, value: 2, name: "Foreground" }];
const plain = { shift: false, alt: false, eraser: false, pan: false };

function fresh() {
  const tools = new Tools();
  tools.setClasses(CLASSES);
  return tools;
}

test("number keys mean places in the list, commands the ids of classes", () => {
  const tools = fresh();
  assert.equal(tools.classId, 2, "the second class is what one paints first");
  tools.setClassAt(1);
  assert.deepEqual(tools.deed(plain), { act: "paint", size: 3, classId: 4 });
  tools.setClassAt(7);
  assert.equal(tools.classId, 4);
});

test("what a pointer does is settled by tool, modifiers and the pen's end", () => {
  const tools = fresh();
  assert.deepEqual(tools.deed({ ...plain, shift: true }), { act: "paint", size: 3, classId: 0 });
  assert.deepEqual(tools.deed({ ...plain, alt: true }), { act: "pick" });
  assert.deepEqual(tools.deed({ ...plain, eraser: true }), { act: "paint", size: 11, classId: 0 });
  assert.deepEqual(tools.deed({ ...plain, pan: true }), { act: "pan" });
  tools.hold("pan", true);
  assert.deepEqual(tools.deed(plain), { act: "pan" });
  tools.hold("pan", false);
  tools.setTool("navigate");
  assert.deepEqual(tools.deed(plain), { act: "pan" });
  assert.deepEqual(tools.deed({ ...plain, eraser: true }).classId, 0);
  tools.setTool("fill");
  tools.setFill({ by: "label" });
  assert.deepEqual(tools.deed(plain), { act: "fill", classId: 2, rule: { by: "label", tolerance: 10 } });
  tools.setTool("lasso");
  assert.deepEqual(tools.deed({ ...plain, shift: true }), { act: "lasso", classId: 2 });
});

test("brush and eraser have sizes of their own, in steps, with ends", () => {
  const tools = fresh();
  tools.stepSize(1);
  tools.setTool("eraser");
  assert.equal(tools.size, 11);
  for (let i = 0; i < 20; i++) tools.stepSize(-1);
  assert.equal(tools.size, 1);
  tools.setTool("brush");
  assert.equal(tools.size, 5);
  assert.throws(() => tools.setSize(4), /not 4/);
});

test("a large image starts with a brush of 5, but not against what was chosen", () => {
  const tools = fresh();
  tools.suit(2001, 100);
  assert.equal(tools.size, 5);
  tools.setSize(1);
  tools.suit(5000, 5000);
  assert.equal(tools.size, 1);
});

test("choosing a class takes the brush; picking with the pick tool gives the tool back", () => {
  const tools = fresh();
  tools.setTool("navigate");
  tools.setClass(4);
  assert.equal(tools.tool, "brush");
  tools.setTool("lasso");
  tools.setTool("pick");
  tools.picked(2);
  assert.equal(tools.tool, "lasso");
  tools.setTool("fill");
  tools.picked(4);
  assert.equal(tools.tool, "fill", "Alt and click changes no tool");
});

test("a class that is deleted is not painted in; without classes a sentence says what to do", () => {
  const tools = fresh();
  tools.setClasses([CLASSES[0]]);
  assert.equal(tools.classId, 4);
  tools.setClasses([]);
  assert.match(tools.deed(plain).sentence, /add one/);
  assert.match(tools.hint, /Add a class/);
});

test("a project that is open for reading only is not painted in, but can be moved and picked from", () => {
  const tools = fresh();
  tools.setClasses(CLASSES, "Ada has this project open.");
  assert.deepEqual(tools.deed(plain), { act: "none", sentence: "Ada has this project open." });
  assert.equal(tools.deed({ ...plain, alt: true }).act, "pick");
  assert.equal(tools.deed({ ...plain, pan: true }).act, "pan");
});

test("the hint names the class and what erases", () => {
  const tools = fresh();
  assert.match(tools.hint, /Paint Foreground/);
  tools.hold("erase", true);
  assert.match(tools.hint, /erase/);
  assert.equal(tools.state.erasing, true);
});

const answer = (state, ok = true) => ({ ok, json: async () => structuredClone(state) });

test("the state: whole, by parts, never older than what is known", async () => {
  const served = { revision: 5, lanes: [{ id: "a1" }], classes: [], undo: null };
  let asked = 0;
  const store = new Store({ url: "/state", fetch: async () => (asked++, answer(served)), gather: 1 });
  const seen = [];
  store.on("state", (state) => seen.push(state.revision));
  assert.equal(await store.refresh(), true);
  store.merge({ type: "state", revision: 6, undo: "Stroke" });
  assert.equal(store.state.undo, "Stroke");
  assert.equal("type" in store.state, false);
  await store.refresh();
  assert.equal(store.state.revision, 6, "an older answer is left out");
  store.merge({ type: "state", revision: 4, undo: "Old" });
  assert.equal(store.state.undo, "Stroke");
  await store.restart();
  assert.equal(store.state.revision, 5, "another server may count anew");
  store.merge({ type: "state", revision: 6, undo: "Stroke" });
  assert.deepEqual(store.lane("a1"), { id: "a1" });
  assert.equal(store.lane("zz"), null);
  store.merge({ type: "state", revision: 7 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(asked, 4, "a message without content asks");
  assert.deepEqual(seen, [5, 6, 5, 6]);
});

test("a server that is away is no error of the state", async () => {
  const store = new Store({ url: "/state", fetch: async () => { throw new TypeError("Failed to fetch"); } });
  assert.equal(await store.refresh(), false);
  assert.equal(store.state, null);
});

test("sizes that were chosen are those of the next window", () => {
  const held = new Map();
  const storage = { getItem: (name) => held.get(name) ?? null, setItem: (name, text) => void held.set(name, text) };
  const first = new Tools(storage);
  first.setSize(23);
  const next = new Tools(storage);
  next.suit(5000, 5000);
  assert.deepEqual(next.sizes, { brush: 23, eraser: 11 }, "the size of the image no longer decides");
  assert.equal(next.chosen.eraser, false);
  next.setTool("eraser");
  next.setSize(31);
  assert.deepEqual(new Tools(storage).sizes, { brush: 23, eraser: 31 });
});

test("what is kept and cannot be a size is not taken, nor what the browser forbids", () => {
  for (const text of ['{"brush": 4}', "[1", "null", '{"eraser": "11"}'])
    assert.deepEqual(new Tools({ getItem: () => text, setItem: () => {} }).sizes, { brush: 3, eraser: 11 });
  const forbidden = () => {
    throw new Error("SecurityError");
  };
  const tools = new Tools({ getItem: forbidden, setItem: forbidden });
  tools.setSize(7);
  assert.equal(tools.size, 7);
});
