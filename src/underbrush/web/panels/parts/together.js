/**
 * Windows that belong together. A view can be given a window of its own; it goes where the window goes from which it came,
 * and that one goes with it: image, time, slices, tool, brush, class and layers are the same in both. Strokes and results
 * are anyway, for each window is one more at the same project. No DOM.
 */

/** @typedef {import("./types").App} App */
/** @typedef {{plane: string, leader: string}} Alone  leader: the client of the window that it came from */
/** @typedef {{postMessage(data: any): void, close(): void, onmessage: ((event: any) => void) | null}} Channel */

const PLANES = ["xy", "xz", "zy"];

/** What the address of a window says: that it shows one view alone. @param {string} query @returns {Alone | null} */
export function aloneFrom(query) {
  const said = new URLSearchParams(query), plane = said.get("alone") ?? "";
  return PLANES.includes(plane) ? { plane, leader: said.get("with") ?? "" } : null;
}

/** @param {string} prefix @param {string} project @param {string} plane @param {string} leader */
export const addressOf = (prefix, project, plane, leader) => `${prefix}/p/${project}?${new URLSearchParams({ alone: plane, with: leader })}`;

/** What is the same in all windows that belong together, as it is now. @param {any} snapshot of the viewer */
export function sharedOf({ position, tool, layers }) {
  const { lane, t, z, y, x } = position;
  return { position: { lane, t, z, y, x }, tool: { class: tool.class, tool: tool.tool, size: tool.size }, layers };
}

/** Says what changed here to the other windows, and does what they say. */
export class Together {
  /** @param {App} viewer @param {Channel} channel */
  constructor(viewer, channel) {
    this.viewer = viewer;
    this.channel = channel;
    /** @type {Record<string, string>} what all know by now, as text */
    this.known = {};
    this.taking = false;
    /** Nothing is said where nobody is. */
    this.others = false;
    channel.onmessage = (/** @type {MessageEvent} */ event) => this.hear(event.data);
    this.offs = ["position", "tool", "layers"].map((name) => viewer.on(name, () => this.tell()));
  }

  /** @private @returns {Record<string, any>} by kind; layers one by one */
  now() {
    const { layers, ...rest } = sharedOf(this.viewer.snapshot());
    return { ...rest, ...Object.fromEntries(Object.entries(layers).map(([name, props]) => [`layer ${name}`, props])) };
  }

  /** Asks the others how they are. */
  begin() {
    this.channel.postMessage({ kind: "hello" });
  }

  /** @param {boolean} [all] also what they were told */
  tell(all = false) {
    if (this.taking || !this.others) return;
    for (const [kind, value] of Object.entries(this.now())) {
      const text = JSON.stringify(value);
      if (!all && this.known[kind] === text) continue;
      this.known[kind] = text;
      this.channel.postMessage({ kind, value });
    }
  }

  /** @param {{kind: string, value: any}} message */
  hear({ kind, value }) {
    this.others = true;
    if (kind === "hello") return this.tell(true);
    const text = JSON.stringify(value);
    if (JSON.stringify(this.now()[kind]) !== text) {
      this.taking = true; // what follows from it here is not news to who said it
      try {
        this.take(kind, value);
      } finally {
        this.taking = false;
      }
    }
    this.known[kind] = JSON.stringify(this.now()[kind]);
  }

  /** @private @param {string} kind @param {any} value */
  take(kind, value) {
    const { viewer } = this, { state } = viewer.snapshot();
    if (kind.startsWith("layer ")) viewer.setLayer(kind.slice(6), value);
    else if (kind === "tool") {
      if (state?.classes.some((/** @type {{id: number}} */ one) => one.id === value.class)) viewer.setClass(value.class);
      viewer.setTool(value.tool); // a class takes the brush up
      if (viewer.snapshot().tool.size !== value.size) viewer.setBrushSize(value.size);
    } else if (kind === "position") {
      const { lane, ...at } = value, known = state?.lanes.find((/** @type {{id: string}} */ one) => one.id === lane);
      if (!known) return; // an image that was added a moment ago
      if (viewer.snapshot().position.lane !== lane) viewer.setLane(lane);
      // Of a plane z, y, x are the middle of the view, which each window has for itself.
      viewer.setPosition(known.shape[2] > 1 ? at : { t: at.t });
    }
  }

  close() {
    for (const off of this.offs) off();
    this.channel.close();
  }
}
