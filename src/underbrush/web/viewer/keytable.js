/**
 * What can be done by key: the table that keys.js listens by, and that menus, tooltips and `?` are written from.
 *
 * A key is written "Mod+Shift+Z": modifiers Mod (Ctrl, on macOS Cmd), Shift, then the key. Letters are read by what
 * is printed on them (Z is Z on a German keyboard; where no Latin letters are printed, by position). Digits,
 * brackets, comma and period are read by what is printed and by position: digits need Shift on French keyboards,
 * brackets need AltGr on German ones.
 *
 * @typedef {{action: string, group: string, title: string, keys: string[], note?: string, hold?: boolean, repeat?: boolean}} Entry
 *   hold: in force while the key is down; repeat: goes on while it is down
 */

/** @type {(group: string, rows: [action: string, title: string, keys: string[], more?: Partial<Entry>][]) => Entry[]} */
const group = (name, rows) => rows.map(([action, title, keys, more]) => ({ action, group: name, title, keys, ...more }));

const CLASSES = Array.from({ length: 9 }, (_, i) => /** @type {[string, string, string[]]} */ ([`class:${i + 1}`, `Class ${i + 1}`, [`${i + 1}`]]));

/** @type {readonly Entry[]} */
export const UNDERBRUSH = Object.freeze([
  ...group("Tools", [
    ["tool:brush", "Brush", ["B", "P"]],
    ["tool:eraser", "Eraser", ["E"]],
    ["erase", "Erase with the brush", ["Shift"], { hold: true, note: "hold" }],
    ["tool:fill", "Fill", ["F"]],
    ["tool:lasso", "Lasso", ["O"]],
    ["tool:navigate", "Navigate", ["N"]],
    ["pan", "Pan", ["Space"], { hold: true, note: "hold, or middle mouse" }],
    ["brush:smaller", "Smaller brush", [",", "["], { repeat: true, note: "or Shift and wheel" }],
    ["brush:larger", "Larger brush", [".", "]"], { repeat: true, note: "or Shift and wheel" }],
    ["tool:level", "Contrast by dragging", ["T"]],
    ["hand", "Paint by keys", ["Enter"], { note: "then arrows, Space" }],
    ["cancel", "Drop the lasso, end painting by keys", ["Escape"]],
  ]),
  ...group("Classes", [...CLASSES, ["addClass", "Add a class", ["Shift+A"]], ["pick", "Pick the class under the cursor", ["Alt"], { hold: true, note: "hold and click" }]]),
  ...group("Edit", [
    ["undo", "Undo", ["Mod+Z"], { repeat: true }],
    ["redo", "Redo", ["Mod+Y", "Mod+Shift+Z"], { repeat: true }],
  ]),
  ...group("Result", [
    ["live", "Live", ["L"]],
    ["update", "Single update", ["Shift+L"]],
    ["next", "Next uncertain place", ["Q"]],
    ["backPlace", "Back", ["Shift+Q"]],
  ]),
  ...group("Overlays", [
    ["layer:labels", "Labels", ["0"]],
    ["layer:probability", "Probability", ["Shift+P"]],
    ["layer:segmentation", "Segmentation", ["S"]],
    ["layer:uncertainty", "Uncertainty", ["U"]],
    ["rawOnly", "Raw only", ["R"], { hold: true, note: "hold" }],
    ["swipe", "Line between raw image and result", ["D"]],
    ["contrast", "Automatic contrast", ["A"]],
  ]),
  ...group("View", [
    ["zoom:in", "Zoom in", ["+"], { repeat: true, note: "or wheel" }],
    ["zoom:out", "Zoom out", ["-"], { repeat: true, note: "or wheel" }],
    ["fit", "Fit", ["K"]],
    ["zoom:100", "100 %", ["W"]],
    ["move:left", "Move left", ["ArrowLeft"], { repeat: true }],
    ["move:right", "Move right", ["ArrowRight"], { repeat: true }],
    ["move:up", "Move up", ["ArrowUp"], { repeat: true }],
    ["move:down", "Move down", ["ArrowDown"], { repeat: true }],
    ["crosshair", "Crosshair", ["H"]],
    ["centre", "Centre on the cursor", ["C"]],
    ["turn:right", "Turn the view right", ["M"]],
    ["turn:left", "Turn the view left", ["Shift+M"]],
    ["turn:swap", "Swap the axes of the view", ["Shift+X"]],
    ["turn:upright", "View upright", ["Shift+K"]],
    ["goto", "Go to a position", ["J"]],
    ["picture", "Save a picture of the view", ["Shift+S"]],
  ]),
  ...group("Slices, times, channels", [
    ["slice:-1", "Slice before", ["PageUp"], { repeat: true, note: "or wheel" }],
    ["slice:+1", "Slice after", ["PageDown"], { repeat: true, note: "or wheel" }],
    ["slice:-10", "10 slices back", ["Shift+PageUp"], { repeat: true }],
    ["slice:+10", "10 slices on", ["Shift+PageDown"], { repeat: true }],
    ["slice:first", "First slice", ["Home"]],
    ["slice:last", "Last slice", ["End"]],
    ["time:-1", "Time point before", ["Shift+ArrowLeft"], { repeat: true }],
    ["time:+1", "Time point after", ["Shift+ArrowRight"], { repeat: true }],
    ["maximise:x", "Maximise the view along x", ["X"]],
    ["maximise:y", "Maximise the view along y", ["Y"]],
    ["maximise:z", "Maximise the view along z", ["Z"]],
    ["channel:+1", "Next channel", ["G"]],
    ["channel:-1", "Previous channel", ["Shift+G"]],
  ]),
  ...group("Window", [
    ["sidePanels", "Side panels", ["Tab"], { note: "after the mouse" }],
    ["panels", "Next area of the window", ["F6"]],
    ["panelsBack", "Area before", ["Shift+F6"]],
    ["keys", "All keys", ["?"]],
  ]),
]);

/** What differs for hands that know ilastik. @type {Readonly<Record<string, string[]>>} */
export const ILASTIK = Object.freeze({
  "tool:brush": ["B"],
  "layer:probability": ["P"],
  rawOnly: ["I", "R"],
  addClass: ["A"],
  contrast: ["Shift+A"],
  "slice:+1": ["Mod+ArrowUp", "PageDown"],
  "slice:-1": ["Mod+ArrowDown", "PageUp"],
  "slice:+10": ["Mod+Shift+ArrowUp", "Shift+PageDown"],
  "slice:-10": ["Mod+Shift+ArrowDown", "Shift+PageUp"],
  "slice:first": ["Shift+ArrowUp", "Home"],
  "slice:last": ["Shift+ArrowDown", "End"],
  "time:+1": ["<", "Shift+ArrowRight"],
  "time:-1": [">", "Shift+ArrowLeft"],
});

/** Of the viewer, not of the page around it. */
export const PRESETS = Object.freeze({ underbrush: {}, ilastik: ILASTIK });

/**
 * @param {keyof typeof PRESETS} [preset]
 * @param {Record<string, string[]>} [changes] action -> keys
 * @returns {Entry[]}
 * @throws {RangeError} for a preset or an action that does not exist, or a key that cannot be read
 */
export function tableOf(preset = "underbrush", changes = {}) {
  if (!Object.hasOwn(PRESETS, preset)) throw new RangeError(`There is no set of keys named ${JSON.stringify(preset)}.`);
  const actions = new Set(UNDERBRUSH.map(({ action }) => action));
  for (const [action, keys] of Object.entries(changes)) {
    if (!actions.has(action)) throw new RangeError(`There is no action named ${JSON.stringify(action)}.`);
    if (!Array.isArray(keys)) throw new RangeError(`The keys of ${action} are a list.`);
    keys.forEach(parseKey);
  }
  /** @type {Record<string, string[]>} */
  const given = { ...PRESETS[preset], ...changes };
  return UNDERBRUSH.map((entry) => ({ ...entry, keys: given[entry.action] ?? entry.keys }));
}

/**
 * @param {string} text
 * @returns {{mod: boolean, shift: boolean, key: string}}
 * @throws {RangeError}
 */
export function parseKey(text) {
  const parts = typeof text === "string" && text.length > 1 ? text.split(/\+(?=.)/) : [text];
  const key = /** @type {string} */ (parts.pop());
  if (!key || typeof key !== "string" || parts.some((part) => part !== "Mod" && part !== "Shift")) {
    throw new RangeError(`${JSON.stringify(text)} is not a key: write it like "B", "Shift+P" or "Mod+Z".`);
  }
  return { mod: parts.includes("Mod"), shift: parts.includes("Shift"), key };
}

/** What a browser or a desktop takes before a page hears of it, or what a page must not take from it. */
const TAKEN = Object.freeze(new Set([..."ACFLNPQRTVWX0", "Tab", "Shift+T", "Shift+N", "Shift+W", "Shift+I", "PageUp", "PageDown"].map((key) => `Mod+${key}`)
  .concat(["Mod+S", "F1", "F3", "F5", "F7", "F10", "F11", "F12", "Escape", "Shift+Tab", "CapsLock", "NumLock", "Meta", "ContextMenu", "Dead", "Process", "Unidentified"])));

/**
 * Why an action cannot have a key, as a sentence; empty: it can.
 * @param {string} key as namesOf gives it
 * @param {{hold?: boolean}} entry
 * @param {boolean} mac
 */
export function refusal(key, entry, mac) {
  if (TAKEN.has(key) || /^Mod\+[1-9]$/.test(key)) return `${caps(key, mac).join(" ")} belongs to the browser.`;
  if (/^(Shift|Alt)$/.test(key) && !entry.hold) return `${caps(key, mac).join(" ")} alone is for what is held.`;
  return "";
}

/**
 * Keys that mean two things.
 * @param {Entry[]} table
 * @returns {[key: string, action: string, other: string][]}
 */
export function conflicts(table) {
  /** @type {Map<string, string>} */
  const taken = new Map();
  /** @type {[string, string, string][]} */
  const found = [];
  for (const { action, keys } of table) {
    for (const key of keys) {
      const { mod, shift, key: name } = parseKey(key);
      const same = `${mod ? "Mod+" : ""}${shift ? "Shift+" : ""}${name.length === 1 ? name.toUpperCase() : name}`;
      const other = taken.get(same);
      if (other) found.push([key, other, action]);
      else taken.set(same, action);
    }
  }
  return found;
}

/** @type {Record<string, string>} */
const PRINTED = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", "-": "−" };

/**
 * @param {string} key
 * @param {boolean} mac
 * @returns {string[]} the caps to print, one after the other
 */
export function caps(key, mac) {
  const { mod, shift, key: name } = parseKey(key);
  return [...(mod ? [mac ? "Cmd" : "Ctrl"] : []), ...(shift ? ["Shift"] : []), name === "Alt" && mac ? "Option" : (PRINTED[name] ?? name)];
}
