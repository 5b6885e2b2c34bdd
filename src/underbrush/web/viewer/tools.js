/**
 * Which tool is in the hand, how large, in which class. Pointer events ask here once, at pointer-down, and keep
 * the answer until the stroke ends.
 */
import { SIZES } from "./brush.js";
import { Emitter } from "./emitter.js";

/** @typedef {"navigate" | "brush" | "eraser" | "pick" | "fill" | "lasso" | "level"} Tool */
/** @typedef {{id: number, value: number, name: string, locked?: boolean}} ClassInfo */
/** @typedef {{by: "label" | "value", tolerance: number}} FillRule */
/** @typedef {{tool: Tool, size: number, class: number | null, erasing: boolean, fill: FillRule, hint: string}} ToolState */
/**
 * What a pointer that goes down does.
 * @typedef {{act: "pan"} | {act: "pick"} | {act: "level"} | {act: "none", sentence: string} |
 *           {act: "paint", size: number, classId: number} | {act: "lasso", classId: number} |
 *           {act: "fill", classId: number, rule: FillRule}} Deed
 */

/** @type {readonly Tool[]} */
export const TOOLS = Object.freeze(["navigate", "brush", "eraser", "pick", "fill", "lasso", "level"]);
/** Images above this many pixels along a side start with a brush of 5 instead of 3. */
const LARGE = 2000;

/** Where the sizes that somebody chose are kept for the next window. */
const KEPT = "underbrush.sizes";

/** @param {Pick<Storage, "getItem"> | null} storage @returns {{brush?: number, eraser?: number}} what was chosen before, as far as it can be */
function keptSizes(storage) {
  try {
    const said = JSON.parse(storage?.getItem(KEPT) || "{}");
    return Object.fromEntries(["brush", "eraser"].filter((name) => SIZES.includes(said?.[name])).map((name) => [name, said[name]]));
  } catch {
    return {}; // a private window, or not ours
  }
}

/** Events: "tool" (ToolState). */
export class Tools extends Emitter {
  /** @param {Pick<Storage, "getItem" | "setItem"> | null} [storage] keeps the sizes that are chosen */
  constructor(storage = null) {
    super();
    this.storage = storage;
    const kept = keptSizes(storage);
    /** @type {Tool} */
    this.tool = "brush";
    this.sizes = { brush: 3, eraser: 11, ...kept };
    this.chosen = { brush: "brush" in kept, eraser: "eraser" in kept };
    /** @type {number | null} */
    this.classId = null;
    /** @type {ClassInfo[]} in their order */
    this.classes = [];
    /** @type {FillRule} */
    this.fill = { by: "value", tolerance: 10 };
    this.held = { erase: false, pan: false, pick: false, pen: false };
    /** @type {Tool} where pick goes back to */
    this.before = "brush";
    /** @type {string | null} */
    this.readOnly = null;
    this.told = "";
  }

  /** @param {string} tool @throws {RangeError} */
  setTool(tool) {
    if (!TOOLS.includes(/** @type {Tool} */ (tool))) throw new RangeError(`There is no tool named ${JSON.stringify(tool)}.`);
    if (this.tool !== "pick") this.before = this.tool;
    this.tool = /** @type {Tool} */ (tool);
    this.changed();
  }

  /** @returns {"brush" | "eraser"} whose size is meant */
  get sized() {
    return this.tool === "eraser" || this.held.pen ? "eraser" : "brush";
  }

  /** @returns {number} */
  get size() {
    return this.sizes[this.sized];
  }

  /** @param {number} size @throws {RangeError} */
  setSize(size) {
    if (!SIZES.includes(size)) throw new RangeError(`A brush is ${SIZES.join(", ")} pixels wide, not ${size}.`);
    this.sizes[this.sized] = size;
    this.chosen[this.sized] = true;
    this.keep();
    this.changed();
  }

  keep() {
    const own = Object.fromEntries(Object.entries(this.sizes).filter(([name]) => this.chosen[/** @type {"brush" | "eraser"} */ (name)]));
    try {
      this.storage?.setItem(KEPT, JSON.stringify(own));
    } catch {
      /* a private window: the sizes last as long as it does */
    }
  }

  /** @param {number} steps */
  stepSize(steps) {
    const at = SIZES.indexOf(this.size) + Math.sign(steps);
    if (at >= 0 && at < SIZES.length) this.setSize(SIZES[at]);
  }

  /** A first brush that suits the image, until somebody chooses. @param {number} width @param {number} height */
  suit(width, height) {
    if (this.chosen.brush) return;
    this.sizes.brush = Math.max(width, height) > LARGE ? 5 : 3;
    this.changed();
  }

  /** @param {{by?: "label" | "value", tolerance?: number}} rule @throws {RangeError} */
  setFill(rule) {
    const fill = { ...this.fill, ...rule };
    if (!["label", "value"].includes(fill.by) || !(fill.tolerance >= 0)) throw new RangeError("Fill goes by label or by value, with a tolerance from 0.");
    this.fill = fill;
    this.changed();
  }

  /** @param {ClassInfo[]} classes in their order @param {string | null} [readOnly] why nothing can be painted */
  setClasses(classes, readOnly = null) {
    this.classes = classes;
    this.readOnly = readOnly;
    if (!classes.some(({ id }) => id === this.classId)) this.classId = classes.length ? this.fallback() : null;
    this.changed();
  }

  /** The class that is gone leaves its place to the one that took it; a fresh project starts with the second. */
  fallback() {
    return (this.classId === null ? (this.classes[1] ?? this.classes[0]) : this.classes[0]).id;
  }

  /** @param {number} id @throws {RangeError} */
  setClass(id) {
    if (!this.classes.some((one) => one.id === id)) throw new RangeError(`There is no class with the id ${id}.`);
    this.classId = id;
    if (["eraser", "navigate", "level"].includes(this.tool)) this.tool = "brush"; // who chooses a class wants to paint
    this.changed();
  }

  /** @param {number} place from 1, in the order of the list: the number keys */
  setClassAt(place) {
    const found = this.classes[place - 1];
    if (found) this.setClass(found.id);
  }

  /** @param {"erase" | "pan" | "pick" | "pen"} what @param {boolean} on */
  hold(what, on) {
    if (this.held[what] === on) return;
    this.held[what] = on;
    this.changed();
  }

  /** After a class was picked with the tool pick, the tool that was in the hand before comes back. @param {number} id */
  picked(id) {
    const back = this.tool === "pick" ? this.before : this.tool;
    this.setClass(id);
    if (back === "pick" || back === this.tool) return;
    this.tool = back === "navigate" || back === "eraser" ? "brush" : back;
    this.changed();
  }

  /** @returns {boolean} */
  get erasing() {
    return this.tool === "eraser" || this.held.pen || (this.tool === "brush" && this.held.erase);
  }

  /**
   * What a pointer does that goes down now.
   * @param {{shift: boolean, alt: boolean, eraser: boolean, pan: boolean}} how of this pointer
   * @returns {Deed}
   */
  deed({ shift, alt, eraser, pan }) {
    if (pan || this.held.pan || (this.tool === "navigate" && !alt && !eraser)) return { act: "pan" };
    if (alt || this.tool === "pick") return { act: "pick" };
    if (this.tool === "level" && !eraser) return { act: "level" };
    if (this.readOnly) return { act: "none", sentence: this.readOnly };
    if (eraser || this.tool === "eraser") return { act: "paint", size: this.sizes.eraser, classId: 0 };
    if (this.tool === "brush" && shift) return { act: "paint", size: this.sizes.brush, classId: 0 };
    const info = this.classes.find(({ id }) => id === this.classId);
    if (!info) return { act: "none", sentence: "There is no class to paint in: add one on the left." };
    if (this.tool === "fill") return { act: "fill", classId: info.id, rule: this.fill };
    if (this.tool === "lasso") return { act: "lasso", classId: info.id };
    return { act: "paint", size: this.sizes.brush, classId: info.id };
  }

  /** @returns {string} one line for the status bar */
  get hint() {
    const name = this.classes.find(({ id }) => id === this.classId)?.name;
    if (this.held.pan) return "Drag to move the image.";
    if (this.held.pick || this.tool === "pick") return "Click a stroke to paint on in its class.";
    if (this.tool === "navigate") return "Drag to move the image. B paints.";
    if (this.tool === "level") return "Drag up and down: more and less contrast; left and right: brighter and darker. A is automatic.";
    if (this.readOnly) return this.readOnly;
    if (this.erasing) return "Drag over strokes to erase them.";
    if (!name) return "Add a class to paint in.";
    if (this.tool === "fill") return this.fill.by === "label" ? `Click a stroke: all of it becomes ${name}.` : `Click: similar pixels around become ${name}.`;
    if (this.tool === "lasso") return `Drag round what is ${name}. Esc drops it.`;
    return `Paint ${name}. Shift erases, Alt and click picks a class.`;
  }

  /** @returns {ToolState} */
  get state() {
    return { tool: this.tool, size: this.size, class: this.classId, erasing: this.erasing, fill: this.fill, hint: this.hint };
  }

  changed() {
    const { state } = this;
    const text = JSON.stringify(state);
    if (text === this.told) return;
    this.told = text;
    this.emit("tool", state);
  }
}
