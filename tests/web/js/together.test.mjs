// Windows that belong together, without a window.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Together, addressOf, aloneFrom } from "../../../src/underbrush/web/panels/parts/together.js";

const STATE = { lanes: [{ id: "a", shape: [1, 1, 30, 80, 140] }, { id: "b", shape: [5, 1, 1, 80, 140] }], classes: [{ id: 1 }, { id: 2 }] };

/** A viewer that keeps what it is told and tells it, as `mount` does. */
class Viewer {
  constructor() {
    this.position = { lane: "a", t: 0, z: 15, y: 40, x: 70, plane: "xy" };
    this.tool = { tool: "brush", class: 2, size: 3, hint: "" };
    this.layers = { raw: { visible: true, channels: {} }, labels: { visible: true, opacity: 1 } };
    this.heard = {};
    this.calls = 0;
  }
  on(name, fn) { (this.heard[name] ??= new Set()).add(fn); return () => this.heard[name].delete(fn); }
  emit(name) { for (const fn of this.heard[name] ?? []) fn(this[name]); }
  set(name, change) { this.calls++; this[name] = { ...this[name], ...change }; this.emit(name); }
  snapshot() { return { position: this.position, tool: this.tool, layers: this.layers, state: STATE }; }
  setLane(lane) { this.set("position", { lane, t: 0 }); }
  setPosition(at) { this.set("position", at); }
  setClass(id) { this.set("tool", { class: id, tool: "brush" }); }
  setTool(tool) { this.set("tool", { tool }); }
  setBrushSize(size) { this.set("tool", { size }); }
  setLayer(name, props) { this.calls++; this.layers = { ...this.layers, [name]: { ...this.layers[name], ...props } }; this.emit("layers"); }
}

/** Channels that hear each other, in order, as those of a browser do: later. */
class Air {
  constructor() { this.all = new Set(); this.waiting = []; this.said = 0; }
  channel() {
    const channel = { onmessage: null, postMessage: (data) => this.waiting.push([channel, structuredClone(data)]), close: () => this.all.delete(channel) };
    this.all.add(channel);
    return channel;
  }
  pass() {
    while (this.waiting.length) {
      assert.ok(++this.said < 500, "they talk for ever");
      const [from, data] = this.waiting.shift();
      for (const one of this.all) if (one !== from) one.onmessage?.({ data });
    }
  }
}

function windows(count) {
  const air = new Air();
  const made = Array.from({ length: count }, () => { const viewer = new Viewer(); return { viewer, together: new Together(viewer, air.channel()) }; });
  return { air, made, viewers: made.map(({ viewer }) => viewer) };
}
const shown = ({ position, tool, layers }) => ({ position: { ...position, plane: 0 }, tool, layers });

test("an address says which view is shown alone, and nothing else does", () => {
  const address = addressOf("/proxy", "abcd", "xz", "client1");
  assert.equal(address, "/proxy/p/abcd?alone=xz&with=client1");
  assert.deepEqual(aloneFrom(new URL(address, "http://a").search), { plane: "xz", leader: "client1" });
  for (const query of ["", "?alone=", "?alone=yx", "?with=client1"]) assert.equal(aloneFrom(query), null);
});

test("who is alone says nothing", () => {
  const { air, viewers: [one] } = windows(1);
  one.setPosition({ z: 3 });
  assert.equal(air.waiting.length, 0);
});

test("a new window goes where the others are, and from then on all go together", () => {
  const { air, made, viewers } = windows(3);
  viewers[0].set("position", { z: 4, y: 5, x: 6 });
  viewers[0].set("tool", { class: 1, tool: "eraser", size: 11 });
  viewers[0].setLayer("labels", { visible: false });
  made[1].viewer.position = { ...viewers[0].position };
  Object.assign(viewers[2], { position: { ...viewers[0].position }, tool: { ...viewers[0].tool }, layers: viewers[0].layers });
  made[1].together.begin();
  air.pass();
  assert.deepEqual(shown(viewers[1]), shown(viewers[0]));
  viewers[1].setPosition({ z: 9 });
  viewers[2].setLayer("probability:2", { visible: true, opacity: 0.5 });
  viewers[1].setTool("navigate");
  air.pass();
  for (const other of [0, 2]) assert.deepEqual(shown(viewers[other]), shown(viewers[1]));
  assert.deepEqual([viewers[0].position.z, viewers[0].tool.tool, viewers[0].layers["probability:2"].visible], [9, "navigate", true]);
});

test("what was taken is not said again", () => {
  const { air, made, viewers } = windows(2);
  made[1].together.begin();
  air.pass();
  const before = air.said;
  viewers[0].setPosition({ z: 20 });
  air.pass();
  assert.equal(air.said, before + 1);
  for (let z = 0; z < 20; z++) viewers[0].setPosition({ z }); // a slider, faster than it is told
  air.pass();
  viewers[1].setPosition({ z: 7 });
  air.pass();
  assert.deepEqual([viewers[0].position.z, viewers[1].position.z, air.said], [7, 7, before + 22]);
});

test("of a plane the middle is each window's own, images that are not known yet are left alone", () => {
  const { air, made, viewers: [one, other] } = windows(2);
  made[1].together.begin();
  air.pass();
  one.set("position", { lane: "b", t: 3, z: 0, y: 11, x: 12 });
  air.pass();
  assert.deepEqual([other.position.lane, other.position.t, other.position.y], ["b", 3, 40]);
  one.set("position", { lane: "new" });
  air.pass();
  assert.equal(other.position.lane, "b");
  made[1].together.close();
  one.setLane("a");
  air.pass();
  assert.equal(other.position.lane, "b", "who is gone hears nothing");
});
