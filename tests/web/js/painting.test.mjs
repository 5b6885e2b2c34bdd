import assert from "node:assert/strict";
import test from "node:test";
import { Deeds } from "../../../src/underbrush/web/viewer/deeds.js";
import { Outbox } from "../../../src/underbrush/web/viewer/outbox.js";
import { Painting } from "../../../src/underbrush/web/viewer/painting.js";
import { StrokeStore } from "../../../src/underbrush/web/viewer/strokestore.js";
import { Tools } from "../../../src/underbrush/web/viewer/tools.js";
import { Wheel, zoomFactor } from "../../../src/underbrush/web/viewer/wheel.js";

/** A canvas of 1:1 pixels, without a screen. */
function setting(options = {}) {
  const log = { commands: [], strokes: [], echoes: new Map(), pans: [], zooms: [], picks: [], cursors: [], notices: [] };
  const sheet = { lane: "a1", plane: "xy", t: 0, slice: 0, width: 400, height: 300 };
  const tools = new Tools();
  tools.setClasses([{ id: 5, value: 1, name: "Background" }, { id: 3, value: 2, name: "Foreground" }]);
  const canvas = {
    surface: { style: {}, setPointerCapture() {}, getBoundingClientRect: () => ({ left: 0, top: 0 }) },
    locate: ({ clientX: u, clientY: v }) => ({ u, v, t: 0, z: 0, y: Math.floor(v), x: Math.floor(u), inside: u >= 0 && v >= 0 && u < 400 && v < 300 }),
    panBy: (dx, dy) => log.pans.push([dx, dy]),
    zoomAt: (px, py, factor) => log.zooms.push([px, py, factor]),
    echo: (runs, classId, token) => log.echoes.set(token, [...(log.echoes.get(token) ?? []), ...runs]),
    dropEcho: (token) => log.echoes.delete(token),
    drawCursor: (loops) => log.cursors.push(loops),
  };
  const clock = { now: 0 };
  const painting = new Painting({
    canvas, tools, now: () => clock.now, sheet: () => world.sheet,
    commit: (command, stroke, mark) => (log.commands.push(command), log.strokes.push([stroke, mark])),
    pick: (place) => log.picks.push([place.y, place.x]), ...options,
  });
  painting.on("notice", ({ sentence }) => log.notices.push(sentence));
  const world = { painting, tools, canvas, log, sheet, clock };
  return world;
}

const event = (type, x, y, more = {}) => ({
  type, clientX: x, clientY: y, pointerId: 1, pointerType: "mouse", button: 0, buttons: type === "pointerup" ? 0 : 1,
  shiftKey: false, altKey: false, preventDefault() {}, getCoalescedEvents: () => [], ...more,
});
const down = (world, x, y, more) => world.painting.down(event("pointerdown", x, y, more));
const move = (world, x, y, more) => world.painting.move(event("pointermove", x, y, more));
const up = (world, x, y, more) => world.painting.up(event("pointerup", x, y, more));

function pixels(runs) {
  const set = new Set();
  for (let i = 0; i < runs.length; i += 5) for (let n = 0; n < runs[i + 4]; n++) set.add([runs[i], runs[i + 1], runs[i + 2], runs[i + 3] + n].join());
  return [...set].sort();
}

test("a stroke: the command holds what the echo showed, coalesced positions and all", () => {
  const world = setting();
  world.tools.setSize(1);
  down(world, 10.5, 10.5);
  move(world, 40.5, 10.5, { getCoalescedEvents: () => [event("pointermove", 25.5, 20.5), event("pointermove", 40.5, 10.5)] });
  up(world, 40.5, 12.5);
  const { commands, echoes } = world.log;
  assert.equal(commands.length, 1);
  assert.deepEqual({ ...commands[0], runs: null }, { type: "paint", lane: "a1", class: 3, runs: null });
  assert.deepEqual(pixels(commands[0].runs), pixels([...echoes.values()][0]));
  const set = new Set(pixels(commands[0].runs));
  assert.ok(set.has("0,0,20,25"), "the corner that only a coalesced event knew");
  assert.ok(set.has("0,0,12,40"), "where the pointer went up");
});

test("class, size and tool are those of pointer-down", () => {
  const world = setting();
  world.tools.setSize(1);
  down(world, 10, 10);
  world.tools.setClass(5);
  world.tools.setSize(61);
  world.tools.setTool("eraser");
  move(world, 14, 10);
  up(world, 14, 10);
  assert.equal(world.log.commands[0].class, 3);
  assert.equal(pixels(world.log.commands[0].runs).length, 5);
});

test("a stroke leaves the image and comes back; one that is all outside is no command", () => {
  const world = setting();
  world.tools.setSize(1);
  down(world, 390, 10);
  move(world, 450, 10);
  move(world, 450, 20);
  move(world, 395, 20);
  up(world, 395, 20);
  const got = pixels(world.log.commands[0].runs);
  assert.equal(got.length, 10 + 5);
  down(world, -50, -50);
  move(world, -20, -30);
  up(world, -20, -30);
  assert.equal(world.log.commands.length, 1);
  assert.equal(world.log.echoes.size, 1);
});

test("a long stroke becomes bounded commands that are one stroke", () => {
  const world = setting({ maxRuns: 30 });
  world.tools.setSize(7);
  down(world, 10, 10);
  for (let i = 1; i < 30; i++) move(world, 10 + i * 10, 10 + ((i * 97) % 250));
  up(world, 300, 200);
  const { commands, strokes, echoes } = world.log;
  assert.ok(commands.length > 3);
  for (const { runs } of commands) assert.ok(runs.length <= 30 * 5);
  assert.equal(new Set(strokes.map(([number]) => number)).size, 1);
  assert.deepEqual(pixels(commands.flatMap(({ runs }) => runs)), pixels([...echoes.values()].flat()));
  for (const token of echoes.keys()) assert.equal(strokes.filter(([, mark]) => mark?.token === token).length, 1, "every echo has one command that ends it");
});

test("a pointer that is taken away, or whose end was lost, keeps what was painted", () => {
  for (const end of [(w) => w.painting.up(event("pointercancel", 0, 0)), (w) => w.painting.up(event("lostpointercapture", 0, 0)), (w) => w.painting.finish(), (w) => move(w, 200, 200, { buttons: 0 })]) {
    const world = setting();
    world.tools.setSize(1);
    down(world, 10, 10);
    move(world, 20, 10);
    end(world);
    assert.equal(pixels(world.log.commands[0].runs).length, 11);
    up(world, 50, 50);
    assert.equal(world.log.commands.length, 1);
  }
});

test("when the slice changes under a stroke, it ends on the slice where it began", () => {
  const world = setting();
  world.tools.setSize(1);
  down(world, 10, 10);
  world.sheet = { ...world.sheet, slice: 4 };
  move(world, 100, 10);
  up(world, 100, 10);
  assert.deepEqual(world.log.commands.map(({ runs }) => runs), [[0, 0, 10, 10, 1]]);
});

test("pen: the eraser end erases, the barrel button pans, a hand beside it does nothing", () => {
  const world = setting();
  const pen = { pointerType: "pen", pointerId: 7 };
  down(world, 50, 50, { ...pen, button: 5, buttons: 32 });
  up(world, 60, 50, { ...pen, button: 5 });
  assert.equal(world.log.commands[0].class, 0);
  assert.equal(world.log.commands[0].runs[4] > 3, true, "with the eraser's own size");
  down(world, 50, 50, { ...pen, button: 2, buttons: 2 });
  move(world, 70, 55, { ...pen, buttons: 2 });
  up(world, 70, 55, { ...pen, button: 2 });
  assert.deepEqual(world.log.pans.at(-2), [20, 5]);
  assert.equal(world.log.commands.length, 1);
  const finger = { pointerType: "touch", pointerId: 9 };
  down(world, 80, 80, finger);
  up(world, 80, 80, finger);
  assert.equal(world.log.commands.length, 1);
  world.clock.now += 5000;
  down(world, 80, 80, finger);
  up(world, 80, 80, finger);
  assert.equal(world.log.commands.length, 2);
});

test("two fingers zoom and pan, and what the first one painted was not meant", () => {
  const world = setting();
  down(world, 100, 100, { pointerType: "touch", pointerId: 1 });
  world.clock.now += 100;
  down(world, 200, 100, { pointerType: "touch", pointerId: 2 });
  move(world, 300, 100, { pointerType: "touch", pointerId: 2 });
  up(world, 300, 100, { pointerType: "touch", pointerId: 2 });
  up(world, 100, 100, { pointerType: "touch", pointerId: 1 });
  assert.deepEqual(world.log.zooms, [[200, 100, 2]]);
  assert.deepEqual(world.log.pans, [[50, 0]]);
  assert.equal(world.log.commands.length, 0);
  assert.equal(world.log.echoes.size, 0);
});

test("a second button does not disturb a stroke", () => {
  const world = setting();
  down(world, 10, 10);
  down(world, 12, 10, { button: 1, buttons: 5 });
  move(world, 30, 10);
  up(world, 30, 10);
  assert.equal(world.log.pans.length, 0);
  assert.equal(world.log.commands.length, 1);
});

test("space and the middle button pan, Shift erases, Alt picks, fill goes to the server", () => {
  const world = setting();
  world.tools.hold("pan", true);
  down(world, 10, 10);
  move(world, 15, 12);
  up(world, 15, 12);
  world.tools.hold("pan", false);
  assert.deepEqual(world.log.pans, [[5, 2], [0, 0]]);
  down(world, 10, 10, { shiftKey: true });
  up(world, 10, 10);
  assert.equal(world.log.commands[0].class, 0);
  down(world, 33, 44, { altKey: true });
  assert.deepEqual(world.log.picks, [[44, 33]]);
  world.tools.setTool("fill");
  down(world, 20, 30);
  assert.deepEqual(world.log.commands[1], { type: "fill", lane: "a1", t: 0, z: 0, y: 30, x: 20, class: 3, plane: "xy", by: "value", tolerance: 10 });
});

test("a lasso becomes its pixels; Escape drops it", () => {
  const world = setting();
  world.tools.setTool("lasso");
  const round = () => {
    down(world, 10, 10);
    for (const [x, y] of [[20, 10], [20, 20], [10, 20]]) move(world, x, y);
  };
  round();
  world.painting.cancel();
  up(world, 10, 20);
  assert.equal(world.log.commands.length, 0);
  round();
  up(world, 10, 20);
  const { commands, echoes } = world.log;
  assert.deepEqual(commands, [{ type: "lasso", lane: "a1", t: 0, plane: "xy", slice: 0, class: 3, points: [[10, 10], [20, 10], [20, 20], [10, 20]] }]);
  assert.equal(pixels([...echoes.values()][0]).length, 100);
  down(world, 30, 30);
  up(world, 30.2, 30.1);
  assert.equal(commands.length, 1, "a click holds nothing");
});

test("reading only: a sentence instead of a stroke that would be lost", () => {
  const world = setting();
  world.tools.setClasses(world.tools.classes, "Ada has this project open.");
  down(world, 10, 10);
  move(world, 20, 10);
  up(world, 20, 10);
  assert.deepEqual(world.log.notices, ["Ada has this project open."]);
  assert.equal(world.log.commands.length, 0);
  assert.equal(world.log.echoes.size, 0);
});

test("the cursor outlines what a click would set, and goes when the pointer leaves", () => {
  const world = setting();
  world.tools.setSize(3);
  move(world, 10.7, 20.2, { buttons: 0 });
  const [loop] = world.log.cursors.at(-1);
  assert.deepEqual([Math.min(...loop.filter((_, i) => i % 2 === 0)), Math.max(...loop.filter((_, i) => i % 2 === 0))], [9, 12]);
  assert.deepEqual([Math.min(...loop.filter((_, i) => i % 2)), Math.max(...loop.filter((_, i) => i % 2))], [19, 22]);
  world.painting.hover(null);
  assert.equal(world.log.cursors.at(-1), null);
});

const turn = (deltaY, more = {}) => ({ deltaX: 0, deltaY, deltaMode: 0, ctrlKey: false, shiftKey: false, timeStamp: 0, ...more });

test("a notch of a wheel is one slice, whatever the system calls it", () => {
  const wheel = new Wheel();
  let time = 0;
  for (const [delta, legacy] of [[100, -120], [120, -120], [53, -120]]) {
    for (let i = 0; i < 5; i++) assert.equal(wheel.steps(turn(delta, { wheelDeltaY: legacy, timeStamp: (time += 30) })), 1);
  }
  assert.equal(wheel.steps(turn(3, { deltaMode: 1, timeStamp: (time += 30) })), 1, "lines");
  assert.equal(wheel.steps(turn(-100, { wheelDeltaY: 120, timeStamp: (time += 30) })), -1);
  assert.equal(wheel.steps(turn(0, { deltaX: 100, wheelDeltaX: -120, shiftKey: true, timeStamp: (time += 30) })), 1, "Shift turns it sideways");
});

test("a trackpad's small movements are gathered, and forgotten after a pause or a turn", () => {
  const wheel = new Wheel();
  let steps = 0;
  for (let i = 0; i < 100; i++) steps += wheel.steps(turn(5, { wheelDeltaY: -15, timeStamp: i * 8 }));
  assert.equal(steps, 10);
  wheel.steps(turn(45, { timeStamp: 1000 }));
  assert.equal(wheel.steps(turn(10, { timeStamp: 3000 })), 0);
  assert.equal(wheel.steps(turn(-30, { timeStamp: 3010 })), 0);
  assert.equal(wheel.steps(turn(-30, { timeStamp: 3020 })), -1);
});

test("zoom: a notch is a quarter, a pinch follows the fingers, and back is back", () => {
  assert.equal(zoomFactor(turn(-100, { wheelDeltaY: 120 })), 1.25);
  assert.ok(Math.abs(zoomFactor(turn(-7, { ctrlKey: true })) * zoomFactor(turn(7, { ctrlKey: true })) - 1) < 1e-12);
  assert.ok(zoomFactor(turn(1e9)) > 0.3);
});

function history() {
  const outbox = new Outbox({ project: "P", client: "c", store: new StrokeStore(null) });
  const dropped = [];
  const again = [];
  const deeds = new Deeds({
    outbox, dropped: (entry) => dropped.push(entry.number), send: (command) => outbox.add(command),
    again: (command, stroke) => (again.push(command.n), deeds.put(outbox.add(command), stroke)),
  });
  const paint = (n, stroke = n) => {
    const entry = outbox.add({ type: "paint", n });
    deeds.note(entry, stroke);
    return entry;
  };
  /** The server takes what is there. */
  const deliver = () => {
    const out = [];
    while (outbox.first) {
      out.push(outbox.first.command.n ?? outbox.first.command.type);
      outbox.first.sent = true;
      outbox.settle({ ok: true, number: outbox.first.number, revision: 1, sequence: 1, title: "" });
    }
    return out;
  };
  return { outbox, deeds, paint, deliver, dropped, again };
}

test("undo of a stroke that was never sent takes it out of the browser; redo brings it back", () => {
  const { deeds, paint, deliver, dropped, again } = history();
  paint(1);
  paint(2);
  deeds.undo();
  assert.deepEqual(dropped, [2]);
  deeds.redo();
  assert.deepEqual(again, [2]);
  assert.deepEqual(deliver(), [1, 2]);
  deeds.undo();
  assert.deepEqual(deliver(), ["undo"]);
  deeds.redo();
  assert.deepEqual(deliver(), ["redo"]);
  deeds.undo();
  assert.deepEqual(deliver(), ["undo"]);
});

test("a stroke of several commands is undone and redone as one, also when half of it was sent", () => {
  const { deeds, paint, deliver, outbox } = history();
  for (const n of [1, 2, 3]) paint(n, "long");
  deliver();
  deeds.undo();
  assert.deepEqual(deliver(), ["undo", "undo", "undo"]);
  deeds.redo();
  assert.deepEqual(deliver(), ["redo", "redo", "redo"]);
  const half = paint(4, "half");
  half.sent = true;
  paint(5, "half");
  deeds.undo();
  assert.deepEqual(outbox.entries.map(({ command }) => command.n ?? command.type), [4, "undo"]);
  deliver();
  deeds.redo();
  assert.deepEqual(deliver(), ["redo", 5]);
  deeds.undo();
  assert.deepEqual(deliver(), ["undo", "undo"]);
});

test("of several commands that are one deed those that changed nothing are not undone", () => {
  const { deeds, paint, deliver } = history();
  const several = [1, 2, 3].map((n) => paint(n, -1));
  deliver();
  deeds.unchanged(several[1]);
  deeds.undo();
  assert.deepEqual(deliver(), ["undo", "undo"]);
});

test("what was refused is not undone; after a new stroke nothing is redone; an earlier page's strokes are the server's", () => {
  const { deeds, paint, deliver } = history();
  paint(1);
  const refused = paint(2);
  deliver();
  deeds.unchanged(refused);
  deeds.undo();
  deeds.undo();
  assert.deepEqual(deliver(), ["undo", "undo"]);
  paint(3);
  deliver();
  deeds.redo();
  assert.deepEqual(deliver(), ["redo"], "asked of the server, which knows that there is none");
});
