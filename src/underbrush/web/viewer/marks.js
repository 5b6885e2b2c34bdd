/**
 * How commands show until the server has them: the echo of each, and a title for undo. A command that was found in
 * the browser's storage, or that redo brought back, is echoed from what it says.
 */
import { pixelsOf, runsOf } from "./brush.js";
import { planeSize } from "./geometry.js";
import { polygonRows } from "./lasso.js";

/**
 * @typedef {import("./strokestore.js").Command} Command
 * @typedef {import("./outbox.js").Entry} Entry
 * @typedef {import("./painting.js").Mark} Mark
 */

export class Marks {
  /**
   * @param {{viewer: Pick<import("./orthoview.js").OrthoView, "echo" | "dropEcho">, store: import("./store.js").Store,
   *          tools: import("./tools.js").Tools, token: () => string}} parts
   */
  constructor({ viewer, store, tools, token }) {
    this.viewer = viewer;
    this.store = store;
    this.tools = tools;
    this.token = token;
    /** @type {WeakMap<Entry, Mark>} */
    this.byEntry = new WeakMap();
  }

  /** @param {Entry} entry @param {Mark | null} mark */
  put(entry, mark) {
    if (mark) this.byEntry.set(entry, mark);
  }

  /** @param {Entry} entry @returns {Mark | null} */
  of(entry) {
    return this.byEntry.get(entry) ?? null;
  }

  /** @param {Entry} entry @param {number} [revision] from which on its label tiles show it; without: now */
  drop(entry, revision) {
    const mark = this.of(entry);
    if (mark) this.viewer.dropEcho(mark.token, revision);
  }

  /** Shows what a command paints. @param {Command} command @returns {Mark | null} */
  echo(command) {
    const runs = command.type === "paint" ? command.runs : command.type === "lasso" ? this.inside(command) : [];
    if (!runs.length) return null;
    const token = this.token();
    this.viewer.echo(runs, command.class, token, command.lane);
    return { token, pixels: pixelsOf(runs) };
  }

  /** @param {Command} command a lasso @returns {number[]} its runs; none while the image is not known */
  inside({ lane, t, plane, slice, points }) {
    const known = this.store.lane(lane);
    if (!known) return [];
    const { width, height } = planeSize(known, plane);
    return runsOf({ plane, t, slice, width, height }, polygonRows(points.flat(), width, height));
  }

  /** @param {Command} command @returns {string} what undo would say of it */
  title(command) {
    const kind = { paint: "Stroke", lasso: "Lasso", fill: "Fill" }[command.type];
    if (!kind) return "Last change";
    const name = this.tools.classes.find(({ id }) => id === command.class)?.name;
    return name ? `${kind} in ${name}` : "Erasing";
  }
}
