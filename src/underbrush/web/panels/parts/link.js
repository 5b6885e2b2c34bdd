/**
 * What all panels of a tab know of its viewer: one reactive object, fed by the events of `mount`.
 *
 * Panels read it and call `app()`; they never ask the server for what the viewer already has, so
 * that they go on working while the connection is away.
 */
import { markRaw, reactive } from "vue";

/** @typedef {import("./types").App} App */

/** @type {import("./types").Link} */
export const link = reactive({
  prefix: "",
  project: "",
  state: null,
  connection: { state: "connecting", sentence: "", banner: false, unsent: 0 },
  unsent: { count: 0, oldest: 0 },
  storage: { durable: true, sentence: "" },
  save: null,
  training: null,
  progress: null,
  tool: { tool: "brush", size: 3, class: 2, erasing: false, hint: "" },
  cursor: null,
  position: { lane: "", t: 0, z: 0, y: 0, x: 0, plane: "xy", slice: 0, canBack: false },
  zoom: { zoom: 1, level: 0 },
  layers: {},
  keys: [],
  step: 3,
  panels: true,
  rightOpen: null,
  dialog: "",
  toast: null,
  hint: "",
  live: null,
  hand: { on: false, down: false },
  swipe: { fraction: null },
});

const EVENTS = [
  "state",
  "connection",
  "unsent",
  "storage",
  "save",
  "training",
  "progress",
  "tool",
  "cursor",
  "position",
  "zoom",
  "layers",
  "hand",
  "swipe",
];

/** @type {{app: App | null, hint: number, toast: number, deed: number, notices: string[]}} notices: of what is under way */
const own = { app: null, hint: 0, toast: 0, deed: 0, notices: [] };

/** What parts do when a key of the viewer asks for it, by action. @type {Record<string, (plane?: string) => void>} */
export const deeds = {};

/** The viewer of this tab, or null before it is mounted. */
export const app = () => own.app;

/**
 * Hears everything that the viewer tells from now on.
 * @param {App} viewer
 * @returns {() => void} stops hearing
 */
export function attach(viewer) {
  own.app = markRaw(viewer);
  const offs = EVENTS.map((name) => viewer.on(name, (payload) => take(name, payload)));
  // That a file is missing is told where its image would be.
  const isTold = (/** @type {string} */ text) => !!link.state?.lanes.some((lane) => lane.missing === text);
  offs.push(
    viewer.on("notice", ({ sentence, level }) => {
      own.notices.push(sentence);
      if (!isTold(sentence)) say(sentence, { level });
    }),
  );
  offs.push(viewer.on("action", ({ action, ...more }) => act(action, more)));
  const now = viewer.snapshot();
  for (const name of EVENTS) if (now[name]) take(name, now[name]);
  link.keys = viewer.keyTable();
  return () => {
    offs.forEach((off) => off());
    own.app = null;
  };
}

/** @param {string} name @param {any} payload */
function take(name, payload) {
  const held = /** @type {any} */ (link);
  if (name === "tool") {
    // A line that is still there speaks of the class that is chosen now.
    if (payload.hint && (payload.tool !== link.tool.tool || (link.hint && link.hint === link.tool.hint))) showHint(payload.hint);
    held.tool = payload;
    return;
  }
  if (name === "state") {
    // What was said with Undo beside it was taken back by a key: the button would take back something else.
    if (payload?.redo && link.toast?.undo) link.toast = null;
    if (payload && payload.save) held.save = payload.save;
    if (payload && payload.training) held.training = payload.training;
    if (payload && typeof payload.live === "boolean") held.live = payload.live;
  }
  held[name] = payload;
}

/** A line about the tool that was just chosen; the result's line comes back after a while. @param {string} text */
export function showHint(text) {
  link.hint = text;
  clearTimeout(own.hint);
  own.hint = window.setTimeout(() => (link.hint = ""), 6000);
}

/** @param {string} action what a key or a menu over the image does that is not the viewer's @param {{plane?: string}} more */
function act(action, { plane }) {
  if (action === "sidePanels") togglePanels();
  else if (action === "keys") link.dialog = link.dialog === "keys" ? "" : "keys";
  else deeds[action]?.(plane);
}

/** Both side panels; on a small window the right one is folded first and Tab opens it. */
export function togglePanels() {
  link.panels = !link.panels;
  if (link.panels && folded()) link.rightOpen = true;
  if (!link.panels) link.rightOpen = null;
}

/** A window too narrow for both panels has the right one as a rail. */
export const narrow = () => window.innerWidth < 1360;
/** Whether the right panel is a rail now. */
export const folded = () => (link.rightOpen === null ? narrow() : !link.rightOpen);

/**
 * Sends a command with this tab's number; a refusal is shown as a sentence.
 * @param {Record<string, unknown>} json
 * @param {string} [done] said when it was done, with Undo beside it, and with what came otherwise than expected
 */
export async function command(json, done = "") {
  own.notices = [];
  const answer = await send(json);
  if (answer.ok && done) say([done, ...new Set(own.notices)].join(" "), { undo: true });
  return answer;
}

/** @param {Record<string, unknown>} json @param {number} [deed] */
async function send(json, deed) {
  if (!own.app) return { ok: false, number: 0, sentence: "The viewer is not there yet." };
  const answer = await own.app.command(json, deed);
  if (!answer.ok) say(answer.sentence, { level: "error" });
  return answer;
}

/**
 * Commands one after the other, e.g. an image each; the first refusal ends it and is said. One undo takes all back.
 * @param {Record<string, unknown>[]} list
 * @param {string} [said] when all are done; without it they are images that were added
 */
export async function sendAll(list, said) {
  const deed = --own.deed; // strokes count upwards
  own.notices = [];
  for (const json of list) {
    const answer = await send(json, deed);
    if (!answer.ok) return;
  }
  const added = list.filter((json) => json.type === "add_lane");
  const done = said ?? (added.length === 1 ? `${added[0].nickname} added.` : `${added.length.toLocaleString("en-US")} images added.`);
  if (list.length && done) say([done, ...new Set(own.notices)].join(" "), { undo: true });
}

/**
 * One toast at a time; errors stay until they are closed.
 * @param {string} text
 * @param {{undo?: boolean, level?: string}} [options]
 */
export function say(text, { undo = false, level = "info" } = {}) {
  clearTimeout(own.toast);
  link.toast = { text, undo, level };
  if (level !== "error") own.toast = window.setTimeout(() => (link.toast = null), undo ? 8000 : 6000);
}

/** The address of a route, behind whatever prefix the page has. @param {string} path */
export const address = (path) => link.prefix + path;

/** What stands before `/_nicegui` in the address of our own modules: right behind any proxy. */
export const pagePrefix = () => new URL(import.meta.url).pathname.split("/_nicegui/")[0];

/** The lane that is shown, or null. */
export function shownLane() {
  const lanes = link.state ? link.state.lanes : [];
  return lanes.find((lane) => lane.id === link.position.lane) || lanes[0] || null;
}

/** Whether there is something to take back or do again, in a project that can be written. @param {"undo" | "redo"} way */
export const undoable = (way) => !!link.state && !link.state.read_only && !!link.state[way];

/** Keys of an action as texts, e.g. ["Ctrl", "Z"]; empty where it has none. @param {string} action @returns {string[]} */
export function keysOf(action) {
  const row = link.keys.find((one) => one.action === action);
  return row && row.keys.length ? row.keys[0] : [];
}
