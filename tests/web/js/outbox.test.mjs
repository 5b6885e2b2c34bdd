import assert from "node:assert/strict";
import test from "node:test";
import { act } from "../../../src/underbrush/web/viewer/actions.js";
import { claimOrphans, drawId } from "../../../src/underbrush/web/viewer/claim.js";
import { Connection, parseBinary } from "../../../src/underbrush/web/viewer/connection.js";
import { Courier } from "../../../src/underbrush/web/viewer/courier.js";
import { openOutbox } from "../../../src/underbrush/web/viewer/outbox.js";
import { StrokeStore } from "../../../src/underbrush/web/viewer/strokestore.js";
import { FakeClock, FakeIndexedDB, FakeLocks, FakeServer, FakeTab, settle } from "./fakes.mjs";

const paint = (n) => ({ type: "paint", lane: "a1", class: 1, runs: [0, 0, n, n, 5] });

/** A browser with one server in front of it; tabs come and go. */
class World {
  constructor() {
    this.db = new FakeIndexedDB();
    this.locks = new FakeLocks();
    this.server = new FakeServer();
    this.clock = new FakeClock();
  }

  async open({ tab = new FakeTab(), locks = this.locks, db = this.db } = {}) {
    const store = new StrokeStore(db, 50);
    const { claim, outbox } = await openOutbox({ project: "P", store, locks, tab });
    const line = { url: "/ws", WebSocket: this.server.WebSocket, clock: this.clock, random: () => 0.5 };
    const connection = new Connection({ ...line, client: claim.client, outbox });
    const courier = new Courier({ project: "P", own: claim.client, store, locks, connection: line });
    connection.start();
    const paintOne = (n) => {
      const entry = outbox.add(paint(n));
      connection.pump();
      return entry;
    };
    /** As when the browser kills it: nothing more is done, the lock is free. */
    const die = async () => {
      connection.stop();
      courier.close();
      outbox.close();
      await outbox.writing;
      claim.release();
      await settle();
    };
    return { claim, outbox, connection, courier, tab, store, paint: paintOne, die };
  }

  get painted() {
    return this.server.applied.map(({ command }) => command.runs[2]);
  }
}

test("a stroke is sent, acknowledged, and gone from the browser", async () => {
  const world = new World();
  const tab = await world.open();
  const entry = tab.paint(1);
  assert.equal(entry.number, 1);
  await settle();
  assert.deepEqual(await entry.outcome, { ok: true, number: 1, revision: 1, sequence: 1, title: "Stroke" });
  tab.paint(2);
  tab.paint(3);
  await settle(20);
  assert.deepEqual(world.painted, [1, 2, 3]);
  assert.deepEqual(world.server.heard.filter(({ type }) => type === "command").map(({ number }) => number), [1, 2, 3], "each is said once");
  await tab.outbox.writing;
  assert.equal(world.db.rows("commands").length, 0);
});

test("who does not want to wait calls at once, also where a call hangs that nobody answers", async () => {
  const world = new World();
  world.server.up = false;
  const tab = await world.open();
  tab.paint(1);
  await settle();
  await world.clock.pass(3000);
  world.server.up = true;
  const time = world.clock.now;
  act(/** @type {any} */ ({ painting: {}, connection: tab.connection }), "reconnect");
  await settle(20);
  assert.equal(world.clock.now, time, "no time passed");
  assert.deepEqual(world.painted, [1]);
  // A line on which nobody answers: its patience is long.
  tab.connection.lost();
  const call = tab.connection.options.WebSocket;
  tab.connection.options.WebSocket = /** @type {any} */ (class { readyState = 0; close() {} });
  tab.connection.hurry();
  tab.connection.options.WebSocket = call;
  tab.connection.hurry();
  await settle(20);
  assert.equal(tab.connection.welcomed, false, "a call is under way");
  tab.connection.again();
  await settle(20);
  assert.equal(tab.connection.state, "online");
  const { socket } = tab.connection;
  tab.connection.again();
  assert.equal(tab.connection.socket, socket, "a line that works is kept");
});

test("strokes painted while the server is away come, in order and once, when it is back", async () => {
  const world = new World();
  world.server.up = false;
  const tab = await world.open();
  const states = [];
  tab.connection.on("state", ({ state, banner }) => states.push(`${state}${banner ? " banner" : ""}`));
  for (const n of [1, 2, 3, 4]) tab.paint(n);
  await settle();
  await world.clock.pass(3000);
  assert.deepEqual(world.painted, []);
  assert.equal(states.at(-1), "reconnecting banner");
  assert.equal(world.db.rows("commands").length, 4);
  world.server.up = true;
  await world.clock.pass(6000);
  await settle(40);
  assert.deepEqual(world.painted, [1, 2, 3, 4]);
  assert.equal(states.at(-1), "online");
  assert.equal(world.db.rows("commands").length, 0);
});

test("a line that breaks after a command was applied: it is not applied again", async () => {
  const world = new World();
  const tab = await world.open();
  let n = 0;
  world.server.answer = () => (n++ === 1 ? "cut" : "ack");
  const entries = [1, 2, 3].map((i) => tab.paint(i));
  await settle(20);
  await world.clock.pass(5000);
  await settle(20);
  assert.deepEqual(world.painted, [1, 2, 3]);
  for (const entry of entries) assert.equal((await entry.outcome).ok, true);
});

test("lines that break at random never lose, double or exchange a stroke", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    let state = seed * 7919;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const world = new World();
    world.server.answer = () => (random() < 0.25 ? "cut" : random() < 0.2 ? "later" : random() < 0.1 ? "silent" : "ack");
    const sessionTab = new FakeTab();
    let tab = await world.open({ tab: sessionTab });
    const wanted = [];
    for (let n = 1; n <= 20; n++) {
      tab.paint(n);
      wanted.push(n);
      if (random() < 0.3) world.server.cut();
      if (random() < 0.2) world.server.up = !world.server.up;
      if (random() < 0.5) await world.clock.pass(random() * 3000);
      if (random() < 0.1) {
        await tab.die();
        tab = await world.open({ tab: sessionTab });
      }
    }
    world.server.up = true;
    world.server.answer = () => "ack";
    await settle();
    for (let i = 0; i < 40 && tab.outbox.count; i++) await world.clock.pass(5000);
    assert.deepEqual(world.painted, wanted, `seed ${seed}`);
  }
});

test("later: the same command is tried again, before those behind it", async () => {
  const world = new World();
  let full = true;
  world.server.answer = () => (full ? "later" : "ack");
  const tab = await world.open();
  const said = [];
  tab.connection.on("later", ({ sentence }) => said.push(sentence));
  tab.paint(1);
  tab.paint(2);
  await settle();
  await world.clock.pass(4000);
  assert.deepEqual(world.painted, []);
  assert.ok(said.length >= 2 && said[0] === "The disk is full.");
  full = false;
  await world.clock.pass(20000);
  assert.deepEqual(world.painted, [1, 2]);
});

test("refused: said, never tried again, and what is behind it goes on", async () => {
  const world = new World();
  world.server.answer = ({ number }) => (number === 1 ? "refused" : "ack");
  const tab = await world.open();
  const first = tab.paint(1);
  const second = tab.paint(2);
  await settle(20);
  assert.deepEqual(await first.outcome, { ok: false, number: 1, sentence: "No such class." });
  assert.equal((await second.outcome).ok, true);
  assert.equal(world.server.heard.filter(({ number }) => number === 1).length, 1);
});

test("a page that is loaded again is the same client and sends what it left", async () => {
  const world = new World();
  world.server.up = false;
  const first = await world.open();
  first.paint(1);
  first.paint(2);
  await first.die();
  world.server.up = true;
  const again = await world.open({ tab: first.tab });
  assert.equal(again.claim.client, first.claim.client);
  assert.deepEqual(again.outbox.entries.map(({ number }) => number), [1, 2]);
  assert.equal(again.paint(3).number, 3);
  await settle(30);
  assert.deepEqual(world.painted, [1, 2, 3]);
});

test("two tabs, and a duplicated one, are different clients", async () => {
  const world = new World();
  const one = await world.open();
  const two = await world.open();
  const copy = await world.open({ tab: new FakeTab(one.tab.items) });
  assert.equal(new Set([one, two, copy].map(({ claim }) => claim.client)).size, 3);
});

/** A tab that painted twice while the server was away and was closed, and one that lives. */
async function leftBehind() {
  const world = new World();
  world.server.up = false;
  const closed = await world.open();
  const living = await world.open();
  closed.paint(1);
  closed.paint(2);
  await closed.die();
  return { world, closed, living };
}

test("the strokes of a closed tab are handed in by another, under its own id and numbers", async () => {
  const { world, closed, living } = await leftBehind();
  // They are counted as long as they wait, beside those of the tab itself.
  const told = [];
  living.courier.on("waiting", () => told.push(living.courier.with({ count: 1, oldest: 0 }).count));
  const waiting = living.courier.round();
  await world.clock.pass(1000);
  assert.equal(told.at(-1), 3);
  assert.deepEqual([...(await new StrokeStore(world.db, 50).waiting())], [["P", 2]]);
  world.server.up = true;
  await Promise.all([waiting, world.clock.pass(12000)]);
  assert.equal(told.at(-1), 1);
});

test("what a closed tab left is handed in once", async () => {
  const { world, closed, living } = await leftBehind();
  world.server.up = true;
  await world.clock.pass(6000);
  const delivered = [];
  living.courier.on("delivered", (what) => delivered.push(what));
  await living.courier.round();
  assert.deepEqual(delivered, [{ client: closed.claim.client, count: 2 }]);
  assert.deepEqual(
    world.server.applied.map(({ client, number }) => [client, number]),
    [[closed.claim.client, 1], [closed.claim.client, 2]],
  );
  await living.courier.round();
  assert.equal(world.server.applied.length, 2);
});

test("a living tab's strokes are left to it", async () => {
  const world = new World();
  world.server.up = false;
  const other = await world.open();
  const living = await world.open();
  other.paint(1);
  await other.outbox.writing;
  assert.deepEqual(await claimOrphans({ project: "P", store: living.store, locks: world.locks, own: living.claim.client }), []);
});

test("a new tab takes up the id of a closed one, so that its undo lives on", async () => {
  const world = new World();
  const closed = await world.open();
  closed.paint(1);
  await settle(20);
  await closed.die();
  const next = await world.open();
  assert.equal(next.claim.client, closed.claim.client);
  assert.equal(next.paint(2).number, 2);
});

test("a browser that lost its latest memory gives no number out twice", async () => {
  const world = new World();
  const tab = new FakeTab();
  const before = await world.open({ tab });
  for (const n of [1, 2, 3]) before.paint(n);
  await settle(30);
  await before.die();
  // The power cut: what the browser wrote last is not on the disk.
  world.db.tables.get("clients").rows.forEach((row) => (row.high = 1));
  world.server.up = false;
  const after = await world.open({ tab });
  assert.equal(after.claim.client, before.claim.client);
  const renumbered = [];
  after.outbox.on("renumbered", (pairs) => renumbered.push(...pairs));
  after.paint(4);
  after.paint(5);
  world.server.up = true;
  await world.clock.pass(6000);
  await settle(30);
  assert.deepEqual(world.painted, [1, 2, 3, 4, 5]);
  assert.deepEqual(renumbered, [[2, 4], [3, 5]]);
  assert.equal(world.db.rows("commands").length, 0);
});

test("without storage: painting goes on, a warning stands, every page is its own client", async () => {
  const world = new World();
  const tab = new FakeTab();
  const first = await world.open({ tab, db: null });
  assert.equal(first.outbox.storage.durable, false);
  assert.match(first.outbox.storage.sentence, /cannot keep strokes/);
  first.paint(1);
  await settle(20);
  assert.deepEqual(world.painted, [1]);
  await first.die();
  assert.notEqual((await world.open({ tab, db: null })).claim.client, first.claim.client);
});

test("a storage that never answers holds nobody up", async () => {
  const world = new World();
  world.db.mute = true;
  const tab = await world.open();
  tab.paint(1);
  await settle(20);
  assert.deepEqual(world.painted, [1]);
});

test("a full disk: said once, the strokes stay in memory, and are kept when there is room again", async () => {
  const world = new World();
  world.server.up = false;
  const tab = await world.open();
  const said = [];
  tab.outbox.on("storage", ({ durable }) => said.push(durable));
  world.db.fail = new Error("QuotaExceededError");
  tab.paint(1);
  tab.paint(2);
  await tab.outbox.writing;
  assert.deepEqual(said, [false]);
  assert.equal(tab.outbox.atRisk, true);
  world.db.fail = null;
  tab.paint(3);
  await tab.outbox.writing;
  assert.deepEqual(said, [false, true]);
  assert.deepEqual(world.db.rows("commands").map(({ number }) => number).sort(), [1, 2, 3]);
  await tab.die();
});

test("without locks every page is its own client, and what is old is handed in, by several at once and still once", async () => {
  const world = new World();
  const tab = new FakeTab();
  world.server.up = false;
  const first = await world.open({ tab, locks: null });
  first.paint(1);
  first.paint(2);
  await first.outbox.writing;
  const second = await world.open({ tab, locks: null });
  const third = await world.open({ tab, locks: null });
  assert.equal(new Set([first, second, third].map(({ claim }) => claim.client)).size, 3);
  world.server.up = true;
  await second.courier.round();
  assert.equal(world.server.applied.length, 0, "what was just painted is left to its page");
  world.db.tables.get("commands").rows.forEach((row) => (row.made -= 60000));
  await Promise.all([second.courier.round(), third.courier.round(), world.clock.pass(6000)]);
  await settle(30);
  assert.deepEqual(world.server.applied.map(({ client, number }) => [client, number]), [[first.claim.client, 1], [first.claim.client, 2]]);
  assert.equal(first.outbox.count, 0, "the living page heard that it is done");
});

test("without locks: what another window handed in meanwhile is not sent again by its own, nor an undo done twice", async () => {
  const world = new World();
  world.server.up = false;
  const first = await world.open({ locks: null });
  const entries = [first.paint(1), first.paint(2)];
  entries.push(first.outbox.add({ type: "undo" }));
  await first.outbox.writing;
  await world.clock.pass(20000); // so long away that it calls again late
  world.db.tables.get("commands").rows.forEach((row) => (row.made -= 60000));
  world.server.up = true;
  const second = await world.open({ locks: null });
  await second.courier.round();
  assert.equal(world.server.applied.length, 3, "handed in by the other window");
  assert.equal(first.connection.welcomed, false, "before its own line was there again");
  const later = first.paint(4);
  await world.clock.pass(20000);
  await settle(30);
  for (const entry of [...entries, later]) assert.equal((await entry.outcome).ok, true);
  assert.deepEqual(world.server.applied.map(({ number }) => number), [1, 2, 3, 4]);
});

test("what waits but cannot be read is not overtaken: this page takes another id, and it is handed in later", async () => {
  const world = new World();
  const tab = new FakeTab();
  world.server.up = false;
  const before = await world.open({ tab });
  before.paint(1);
  before.paint(2);
  await before.die();
  world.server.up = true;
  world.db.unreadable = "commands";
  const after = await world.open({ tab });
  assert.equal(after.outbox.storage.durable, false);
  assert.notEqual(after.claim.client, before.claim.client);
  after.paint(3);
  await settle(30);
  world.db.unreadable = "";
  await after.courier.round();
  assert.deepEqual(world.painted, [3, 1, 2]);
});

test("views are told again after a reconnect; a dead line is noticed", async () => {
  const world = new World();
  const tab = await world.open();
  await settle();
  tab.connection.look("main", { lane: "a1", level: 0 });
  tab.connection.look("other", { lane: "a1" });
  tab.connection.look("other", null);
  world.server.cut();
  await settle();
  await world.clock.pass(3000);
  await settle();
  const views = world.server.heard.filter(({ type }) => type === "view" || type === "unview").map(({ type, view }) => `${type} ${view}`);
  assert.deepEqual(views, ["view main", "view other", "unview other", "view main"]);
  world.server.answer = () => "silent";
  tab.paint(1);
  await settle();
  world.server.answer = () => "ack";
  await world.clock.pass(25000);
  await settle();
  assert.deepEqual(world.painted, [1]);
});

test("a project that was closed is said, and found again when it is back", async () => {
  const world = new World();
  const tab = await world.open();
  await settle();
  world.server.up = false;
  world.server.cut(4404);
  await settle();
  assert.equal(tab.connection.state, "closed");
  assert.match(tab.connection.sentence, /not open on the server any more.*kept here/);
  tab.paint(1);
  world.server.up = true;
  await world.clock.pass(40000);
  assert.equal(tab.connection.state, "online");
  assert.deepEqual(world.painted, [1]);
});

test("binary messages", () => {
  const json = new TextEncoder().encode('{"type":"tile","w":2}');
  const data = new Uint8Array(4 + json.length + 3);
  new DataView(data.buffer).setUint32(0, json.length, true);
  data.set(json, 4);
  data.set([7, 8, 9], 4 + json.length);
  const { header, bytes } = parseBinary(data.buffer);
  assert.deepEqual(header, { type: "tile", w: 2 });
  assert.deepEqual([...bytes], [7, 8, 9]);
});

test("ids are not guessed", () => {
  assert.match(drawId(), /^[a-z2-9]{12}$/);
  assert.notEqual(drawId(), drawId());
});
