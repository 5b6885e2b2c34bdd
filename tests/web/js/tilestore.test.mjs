import assert from "node:assert/strict";
import { test } from "node:test";
import { TileStore } from "../../../src/underbrush/web/viewer/tilestore.js";

/** A server that answers when it is told to. */
function rig(options = {}) {
  const asked = [], gone = [], changed = [], failed = [];
  const fetch = (url, { signal }) =>
    new Promise((resolve, reject) => {
      const request = { url, aborted: false, answer: (status = 200, body = "") => resolve(new Response(body, { status })), cut: () => reject(new TypeError("fetch failed")) };
      signal.addEventListener("abort", () => ((request.aborted = true), reject(new DOMException("", "AbortError"))));
      asked.push(request);
    });
  const store = new TileStore({
    fetch, limit: 1000, parallel: 2, waits: [1, 1],
    decode: async (want) => want.parts.map((key) => ({ key, bytes: 100, value: key })),
    dispose: (value) => gone.push(value), changed: (keys) => changed.push(...keys), failed: (sentence, permanent) => failed.push([sentence, permanent]),
    ...options,
  });
  return { store, asked, gone, changed, failed };
}
const want = (id, parts = [id]) => ({ id, url: `/${id}`, parts });
const soon = (ms = 15) => new Promise((done) => setTimeout(done, ms));

test("the most urgent first, never more than allowed at once", async () => {
  const { store, asked, changed } = rig();
  store.want(["a", "b", "c"].map((id) => want(id)));
  assert.deepEqual(asked.map((r) => r.url), ["/a", "/b"]);
  asked[0].answer();
  await soon();
  assert.deepEqual(asked.map((r) => r.url), ["/a", "/b", "/c"]);
  assert.deepEqual(changed, ["a"]);
  assert.equal(store.get("a"), "a");
});

test("what nobody wants any more is given up, and its place is free at once", async () => {
  const { store, asked, failed } = rig();
  store.want([want("a"), want("b"), want("c")]);
  store.want([want("c"), want("b")]);
  await soon();
  assert.equal(asked[0].aborted, true);
  assert.equal(asked[1].aborted, false, "b goes on");
  assert.deepEqual(asked.map((r) => r.url), ["/a", "/b", "/c"]);
  assert.deepEqual(failed, [], "giving up is no error");
});

test("a server that is away is asked again while the tile is wanted; a refusal is final until it is retried", async () => {
  const { store, asked, failed } = rig();
  store.want([want("a"), want("b")]);
  asked[0].cut();
  asked[1].answer(404, '{"sentence": "This image has no channel 9."}');
  await soon();
  assert.deepEqual(asked.map((r) => r.url), ["/a", "/b", "/a"]);
  assert.deepEqual(failed[1], ["This image has no channel 9.", true]);
  assert.equal(failed[0][1], false);
  asked[2].answer(503);
  await soon();
  asked[3].answer();
  await soon();
  assert.equal(store.get("a"), "a");
  assert.equal(store.busy, false);
  store.retry();
  assert.equal(asked.at(-1).url, "/b");
});

test("an answer that breaks off, or that is not what it says, is told and is no silent hole", async () => {
  const { store, asked, failed } = rig({ decode: async () => { throw new Error("came broken"); } });
  store.want([want("a")]);
  asked[0].answer();
  await soon();
  assert.deepEqual(failed, [["came broken", true]]);
});

test("bytes are bounded, the oldest use goes first, what is in sight stays", async () => {
  const { store, gone } = rig({ limit: 300 });
  store.want([], ["p"]);
  for (const key of ["p", "a", "b"]) store.put({ key, bytes: 100, value: key });
  store.get("a");
  store.want([want("c")], ["p"]);
  store.put({ key: "c", bytes: 100, value: "c" });
  store.trim();
  assert.deepEqual(gone, ["b"]);
  assert.equal(store.bytes, 300);
  store.clear();
  assert.equal(store.bytes, 0);
  assert.deepEqual(new Set(gone), new Set(["a", "b", "c", "p"]));
});

test("one request may bring several parts", async () => {
  const { store, asked } = rig();
  store.want([want("t|0,1", ["t|0", "t|1"])]);
  asked[0].answer();
  await soon();
  assert.equal(store.peek("t|1"), "t|1");
});
