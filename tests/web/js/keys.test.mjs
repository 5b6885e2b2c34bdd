import assert from "node:assert/strict";
import test from "node:test";
import { Keys, keepsItself, namesOf } from "../../../src/underbrush/web/viewer/keys.js";
import { UNDERBRUSH, caps, conflicts, parseKey, tableOf } from "../../../src/underbrush/web/viewer/keytable.js";

const press = (key, code, held = {}) => ({
  key, code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, getModifierState: (name) => held[name] ?? false, ...held,
});

function actionOf(one, options = {}) {
  const keys = new Keys({ mac: false, ...options });
  let action = null;
  keys.on("down", (event) => (action = event.action));
  keys.press(one);
  return action;
}

test("letters are what is printed, whatever the layout", () => {
  assert.equal(actionOf(press("b", "KeyB")), "tool:brush");
  assert.equal(actionOf(press("z", "KeyY", { ctrlKey: true })), "undo", "German Z");
  assert.equal(actionOf(press("y", "KeyZ", { ctrlKey: true })), "redo", "German Y");
  assert.equal(actionOf(press("a", "KeyQ")), "contrast", "French A");
  assert.equal(actionOf(press("q", "KeyA")), "next", "French Q");
  assert.equal(actionOf(press("P", "KeyP", { shiftKey: true })), "layer:probability");
  assert.equal(actionOf(press("B", "KeyB")), "tool:brush", "caps lock");
  assert.equal(actionOf(press("Z", "KeyZ", { ctrlKey: true, shiftKey: true })), "redo");
});

test("where no Latin letters are printed, the place counts", () => {
  assert.equal(actionOf(press("и", "KeyB")), "tool:brush");
  assert.equal(actionOf(press("я", "KeyZ", { ctrlKey: true })), "undo");
  assert.equal(actionOf(press("д", "KeyL", { shiftKey: true })), "update");
});

test("digits, brackets and signs: by sign and by place", () => {
  assert.equal(actionOf(press("1", "Digit1")), "class:1");
  assert.equal(actionOf(press("&", "Digit1")), "class:1", "French 1");
  assert.equal(actionOf(press("0", "Numpad0")), "layer:labels");
  assert.equal(actionOf(press("[", "Digit8", { ctrlKey: true, altKey: true, AltGraph: true })), "brush:smaller", "AltGr 8 on Windows");
  assert.equal(actionOf(press("ü", "BracketLeft")), "brush:smaller", "German place of [");
  assert.equal(actionOf(press("+", "BracketRight")), "zoom:in", "German +, which is not ]");
  assert.equal(actionOf(press("+", "Equal", { shiftKey: true })), "zoom:in");
  assert.equal(actionOf(press("=", "Equal")), "zoom:in");
  assert.equal(actionOf(press("?", "Slash", { shiftKey: true })), "keys");
  assert.equal(actionOf(press("?", "Minus", { shiftKey: true })), "keys", "German ?");
  assert.equal(actionOf(press("ö", "Semicolon")), null);
});

test("what belongs to the browser or the desktop is left to it", () => {
  assert.equal(actionOf(press("w", "KeyW", { ctrlKey: true })), null);
  assert.equal(actionOf(press("b", "KeyB", { metaKey: true })), null);
  assert.equal(actionOf(press("b", "KeyB", { altKey: true })), null);
  assert.equal(actionOf(press("r", "KeyR", { ctrlKey: true })), null);
  assert.equal(actionOf(press("z", "KeyZ", { metaKey: true }), { mac: true }), "undo");
  assert.equal(actionOf(press("z", "KeyZ", { ctrlKey: true }), { mac: true }), null);
});

test("held keys act once and let go, also when the window loses the keyboard", () => {
  const keys = new Keys({ mac: false });
  const log = [];
  keys.on("down", ({ action }) => log.push(`+${action}`));
  keys.on("up", ({ action }) => log.push(`-${action}`));
  assert.equal(keys.press(press(" ", "Space")), true);
  assert.equal(keys.press(press(" ", "Space"), true), true);
  keys.release("Space");
  assert.equal(keys.press(press("Shift", "ShiftLeft", { shiftKey: true })), false);
  keys.press(press("Shift", "ShiftRight", { shiftKey: true }));
  keys.release("ShiftLeft");
  keys.releaseAll();
  assert.deepEqual(log, ["+pan", "-pan", "+erase", "+erase", "-erase"]);
});

test("only some keys go on while they are down", () => {
  const keys = new Keys({ mac: false });
  const log = [];
  keys.on("down", ({ action }) => log.push(action));
  for (const again of [false, true, true]) keys.press(press("l", "KeyL"), again);
  for (const again of [false, true, true]) keys.press(press(",", "Comma"), again);
  assert.deepEqual(log, ["live", "brush:smaller", "brush:smaller", "brush:smaller"]);
});

test("no preset uses a key twice, and every key is written in a way that is read", () => {
  for (const preset of ["underbrush", "ilastik"]) {
    assert.deepEqual(conflicts(tableOf(preset)), []);
    for (const { keys } of tableOf(preset)) keys.forEach(parseKey);
  }
  assert.equal(actionOf(press("p", "KeyP"), { preset: "ilastik" }), "layer:probability");
  assert.equal(new Set(UNDERBRUSH.map(({ action }) => action)).size, UNDERBRUSH.length);
});

test("changed keys: conflicts are said, nonsense is refused and changes nothing", () => {
  const keys = new Keys({ mac: false });
  assert.deepEqual(keys.set("underbrush", { fit: ["b"] }).conflicts, [["b", "tool:brush", "fit"]]);
  assert.equal(keys.table().find(({ action }) => action === "fit").conflict, true);
  assert.throws(() => keys.set("underbrush", { fit: ["Ctrl+Alt+Q"] }), /is not a key/);
  assert.throws(() => keys.set("underbrush", { fly: ["Q"] }), /no action named "fly"/);
  assert.throws(() => keys.set("vim"), /no set of keys/);
  assert.equal(keys.table().find(({ action }) => action === "fit").conflict, true);
  keys.set("underbrush", { fit: ["+"] });
  assert.deepEqual(parseKey("Mod++"), { mod: true, shift: false, key: "+" });
});

test("caps are printed as on the keyboard of the computer", () => {
  assert.deepEqual(caps("Mod+Shift+Z", false), ["Ctrl", "Shift", "Z"]);
  assert.deepEqual(caps("Mod+Z", true), ["Cmd", "Z"]);
  assert.deepEqual(caps("Shift+ArrowLeft", false), ["Shift", "←"]);
});

/** An element that is inside what the named selectors match. */
const element = (...inside) => {
  const it = { closest: (selector) => (inside.some((one) => selector.split(", ").some((part) => part.startsWith(one))) ? it : null), matches: (selector) => inside.includes(selector), ownerDocument: { body: null } };
  return it;
};
const on = (key, target) => keepsItself({ key, composedPath: () => [target] });

test("fields, dialogs and menus keep their keys; a clicked button does not keep Space", () => {
  assert.equal(on("b", element("input:not")), true);
  assert.equal(on("z", element("textarea")), true);
  assert.equal(on("F6", element("textarea")), false, "it leads out of a field");
  assert.equal(on("F6", element("textarea", "[role=dialog]")), true);
  assert.equal(on("Enter", element("button")), true, "what was clicked is still pressed by Enter");
  assert.equal(on("b", element("[role=dialog]")), true);
  assert.equal(on("PageDown", element("[role=slider]")), true);
  assert.equal(on("b", element("[role=slider]")), false);
  assert.equal(on("ArrowDown", element("[role=option]", "[role=listbox]")), true);
  assert.equal(on("1", element("[role=option]", "[role=listbox]")), false);
  assert.equal(on(" ", element("button")), false);
  assert.equal(on(" ", element("button", ":focus-visible")), true);
  assert.equal(on("b", element("button", ":focus-visible")), false);
  assert.equal(on(" ", element("[data-viewer]", ":focus-visible")), false);
});

test("Tab folds the panels for who points, and moves the focus for who does not", () => {
  const heard = {}, page = { addEventListener: (name, fn) => (heard[name] = fn), removeEventListener: () => {} };
  const keys = new Keys({ mac: false }), log = [], body = element();
  body.ownerDocument = { body };
  keys.on("down", ({ action }) => log.push(action));
  keys.listen(page);
  const down = (key) => heard.keydown({ ...press(key, key), composedPath: () => [body], preventDefault: () => log.push("kept from the page") });
  down("Tab");
  assert.deepEqual(log, []);
  heard.pointermove({ isTrusted: false });
  down("Tab");
  assert.deepEqual(log, [], "a pointer of the keyboard is no mouse");
  heard.pointermove({ isTrusted: true });
  down("Tab");
  down("Tab");
  assert.deepEqual(log, ["sidePanels", "kept from the page", "sidePanels", "kept from the page"]);
  down("F6");
  down("Tab");
  assert.deepEqual(log.slice(4), ["panels", "kept from the page"]);
});

test("AltGr is no Ctrl", () => {
  assert.deepEqual(namesOf(press("@", "KeyQ", { ctrlKey: true, altKey: true, AltGraph: true }), false), ["@", "Q"]);
});
