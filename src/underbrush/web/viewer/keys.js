/**
 * Listens to the keyboard and says which action is meant. Fields, dialogs and menus keep their keys. A key that
 * is held (Space, R) lets go when it is released and when the window loses the keyboard, so that nothing sticks.
 */
import { Emitter } from "./emitter.js";
import { caps, conflicts, parseKey, refusal, tableOf } from "./keytable.js";

/** Where somebody writes, all keys are text. */
const WRITING = "input:not([type=checkbox],[type=radio],[type=range],[type=button],[type=color]), textarea, select, [contenteditable=''], [contenteditable=true]";
/** Where a question or a menu is open, all keys are its own; of a list only what works it: classes are named, then 1 and B. */
const OWN_KEYS = "[role=dialog], [role=alertdialog], [role=menu], dialog[open]";
/** What is moved by arrows keeps the keys that work it, and so does what somebody went to by keyboard. */
const MOVED = "input[type=range], [role=slider], [role=radio], [role=tab], [role=option], [role=menuitem], [role=spinbutton]";
const WORKING = new Set([" ", "Enter", "Tab", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown", "Escape"]);
const FUNCTION = /^F\d+$/;
const MODIFIERS = new Set(["Shift", "Alt", "AltGraph", "Control", "Meta"]);
/** What is printed on other layouts at these places. @type {Record<string, string>} */
const PLACES = { BracketLeft: "[", BracketRight: "]", Comma: ",", Period: ".", NumpadAdd: "+", NumpadSubtract: "-", NumpadDecimal: ".", Space: "Space", Equal: "+" };

/**
 * @typedef {{key: string, code: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean,
 *            getModifierState?: (name: string) => boolean}} Press
 */

/**
 * What a press may mean, the likeliest first: "Mod+Z", "Shift+P", "[" ...
 * @param {Press} press
 * @param {boolean} mac
 * @returns {string[]}
 */
export function namesOf(press, mac) {
  const { key, code, shiftKey } = press;
  if (MODIFIERS.has(key)) return key === "Shift" || key === "Alt" ? [key] : [];
  const altGr = press.getModifierState?.("AltGraph") ?? false; // Windows says Ctrl and Alt at once for it
  const mod = (mac ? press.metaKey : press.ctrlKey) && !altGr;
  const foreign = (mac ? press.ctrlKey : press.metaKey) || (press.altKey && !altGr && !mac);
  if (foreign) return []; // belongs to the desktop or the browser
  if (mac && press.altKey) return [];
  const printed = key === " " ? "Space" : key.length === 1 ? key.toUpperCase() : key;
  const letter = /^[A-Z]$/.test(printed);
  const place = placeOf(code);
  const names = [];
  const head = mod ? "Mod+" : "";
  if (letter || key.length > 1 || printed === "Space") names.push(`${head}${shiftKey ? "Shift+" : ""}${printed}`);
  else names.push(`${head}${printed}`); // a sign: Shift is how it is reached, not what it means
  if (place && !letter && place !== printed) {
    const byPlace = /^[A-Z]$/.test(place);
    // Latin letters that are printed are read as they are; a Cyrillic or Greek one by its place.
    if (!byPlace || !isLatin(key)) names.push(`${head}${shiftKey && byPlace ? "Shift+" : ""}${place}`);
  }
  return [...new Set(names)];
}

/** @param {string} key */
const isLatin = (key) => /^[\u0000-\u024f]$/.test(key) && /\p{L}/u.test(key);

/** @param {string} code @returns {string} what an American keyboard has there; empty: nothing that we use */
function placeOf(code) {
  const found = /^(?:Key([A-Z])|(?:Digit|Numpad)([0-9]))$/.exec(code);
  return found ? (found[1] ?? found[2]) : (PLACES[code] ?? "");
}

/** Events: "down" ({action, repeat}), "up" ({action}): "up" only for actions that are held. */
export class Keys extends Emitter {
  /** @param {{preset?: "underbrush" | "ilastik", changes?: Record<string, string[]>, mac?: boolean}} [options] */
  constructor({ preset = "underbrush", changes = {}, mac = isMac() } = {}) {
    super();
    this.mac = mac;
    /** @type {Map<string, string>} what is held: code of the key -> action */
    this.held = new Map();
    /** @type {import("./keytable.js").Entry[]} */
    this.entries = [];
    /** @type {Map<string, import("./keytable.js").Entry>} */
    this.byKey = new Map();
    /** What they were without changes. @type {import("./keytable.js").Entry[]} */
    this.usual = [];
    /** Whether a mouse was used after the last step by keyboard: then Tab is meant for the panels, not for the focus. */
    this.pointing = false;
    this.set(preset, changes);
    /** @type {() => void} */
    this.unlisten = () => {};
  }

  /**
   * @param {"underbrush" | "ilastik"} preset
   * @param {Record<string, string[]>} [changes]
   * @returns {{conflicts: [string, string, string][]}} the first action of two keeps a key
   * @throws {RangeError} nothing is changed then
   */
  set(preset, changes = {}) {
    this.entries = tableOf(preset, changes);
    this.usual = tableOf(preset);
    this.byKey = new Map();
    for (const entry of this.entries) {
      for (const key of entry.keys) {
        const { mod, shift, key: name } = parseKey(key);
        const full = `${mod ? "Mod+" : ""}${shift ? "Shift+" : ""}${name.length === 1 ? name.toUpperCase() : name}`;
        if (!this.byKey.has(full)) this.byKey.set(full, entry);
      }
    }
    return { conflicts: conflicts(this.entries) };
  }

  /**
   * Rows for whoever prints or changes them: keys as caps; own: as they are written; usual: without changes.
   * @returns {{group: string, action: string, title: string, keys: string[][], own: string[], usual: string[], note: string,
   *            hold: boolean, conflict: boolean}[]}
   */
  table() {
    const twice = new Set(conflicts(this.entries).map(([key, , action]) => `${key} ${action}`));
    return this.entries.map(({ group, action, title, keys, note, hold }, at) => ({
      group,
      action,
      title,
      keys: keys.map((key) => caps(key, this.mac)),
      own: [...keys],
      usual: [...this.usual[at].keys],
      note: note ?? "",
      hold: hold ?? false,
      conflict: keys.some((key) => twice.has(`${key} ${action}`)),
    }));
  }

  /**
   * What an action would be written with if it had the key that is pressed.
   * @param {Press} press
   * @param {string} action
   * @returns {{key: string, caps: string[], refusal: string} | null} null: nothing that can be a key
   */
  named(press, action) {
    const [key] = namesOf(press, this.mac), entry = this.entries.find((one) => one.action === action);
    return key && entry ? { key, caps: caps(key, this.mac), refusal: refusal(key, entry, this.mac) } : null;
  }

  /**
   * @param {Window} window
   */
  listen(window) {
    const down = (/** @type {KeyboardEvent} */ event) => {
      if (event.defaultPrevented || event.isComposing) return;
      if (keepsItself(event) || (event.key === "Tab" && !this.pointing)) {
        if (event.key === "Tab") this.pointing = false;
        return;
      }
      if (event.key === "F6") this.pointing = false;
      if (this.press(event, event.repeat)) event.preventDefault();
    };
    const pointed = (/** @type {PointerEvent} */ event) => {
      if (event.isTrusted) this.pointing = true;
    };    const up = (/** @type {KeyboardEvent} */ event) => this.release(event.code);
    const away = () => this.releaseAll();
    window.addEventListener("keydown", down);
    window.addEventListener("keyup", up);
    window.addEventListener("blur", away);
    for (const name of ["pointerdown", "pointermove"]) window.addEventListener(name, /** @type {any} */ (pointed), { capture: true, passive: true });
    this.unlisten = () => {
      window.removeEventListener("keydown", down);
      window.removeEventListener("keyup", up);
      window.removeEventListener("blur", away);
      for (const name of ["pointerdown", "pointermove"]) window.removeEventListener(name, /** @type {any} */ (pointed), { capture: true });
    };
  }

  /**
   * @param {Press} press
   * @param {boolean} [repeat]
   * @returns {boolean} whether it was ours
   */
  press(press, repeat = false) {
    for (const name of namesOf(press, this.mac)) {
      const entry = this.byKey.get(name);
      if (!entry) continue;
      if (entry.hold) {
        if (!this.held.has(press.code)) {
          this.held.set(press.code, entry.action);
          this.emit("down", { action: entry.action, repeat: false });
        }
        // Shift and Alt alone are everybody's: only what is held with a key of its own is kept from the page.
        return !MODIFIERS.has(press.key);
      }
      if (!repeat || entry.repeat) this.emit("down", { action: entry.action, repeat });
      return true;
    }
    return false;
  }

  /** @param {string} code */
  release(code) {
    const action = this.held.get(code);
    if (action === undefined) return;
    this.held.delete(code);
    if (![...this.held.values()].includes(action)) this.emit("up", { action });
  }

  releaseAll() {
    for (const code of [...this.held.keys()]) this.release(code);
  }
}

/** @param {KeyboardEvent} event @returns {boolean} whether what has the focus wants this key for itself */
export function keepsItself(event) {
  const target = /** @type {Element | undefined} */ (event.composedPath()[0]);
  if (!target?.closest) return false;
  if (target.closest(OWN_KEYS)) return true;
  if (target.closest(WRITING)) return !FUNCTION.test(event.key); // F6 leads out of a field, too
  // What a click gave the focus to is still pressed by Enter; Space is then meant for the image.
  if (event.key === "Enter" && target.closest("button, a, summary")) return true;
  if (!WORKING.has(event.key) || target.closest("[data-viewer]") || target === target.ownerDocument.body) return false;
  return target.closest(MOVED) !== null || target.matches(":focus-visible");
}

/** @returns {boolean} */
function isMac() {
  return typeof navigator !== "undefined" && /Mac|iP(hone|ad|od)/.test(navigator.platform ?? "");
}
