/**
 * The line between the raw image and the result: results and strokes only to the right of it. It stands at the same part
 * of the width in all views, and is moved by its grip or by arrows.
 */

const STEP = 0.02;
const GRIP = "M6 4L2.5 8 6 12M10 4l3.5 4L10 12";
/** Of the width; nearer to an edge the grip could not be held any more. */
const LEAST = 0.02;

export class SwipeLine {
  /** @param {import("./index.js").Mounted} app */
  constructor(app) {
    this.app = app;
    /** @type {number | null} */
    this.fraction = null;
    /** Where it stood when it was there last. */
    this.last = 0.5;
    /** @type {Map<HTMLElement, {line: HTMLElement, grip: HTMLElement}>} by the element of its view */
    this.lines = new Map();
  }

  listen() {
    this.app.hear(this.app.viewer.on("pane", () => this.set(this.fraction)));
  }

  toggle() {
    this.set(this.fraction === null ? this.last : null);
  }

  /** @param {number | null} fraction null: results everywhere */
  set(fraction) {
    const { viewer } = this.app;
    this.fraction = fraction === null ? null : Math.min(1 - LEAST, Math.max(LEAST, fraction));
    this.last = this.fraction ?? this.last;
    viewer.setSwipe(this.fraction);
    if (this.fraction === null) {
      if ([...this.lines.values()].some(({ grip }) => grip === document.activeElement)) this.app.focus();
      for (const { line } of this.lines.values()) line.remove();
      this.lines.clear();
    } else for (const { element } of viewer.all) this.place(element, this.fraction);
    this.app.emit("swipe", { fraction: this.fraction });
  }

  /** @private @param {HTMLElement} element @param {number} fraction */
  place(element, fraction) {
    const { line, grip } = this.lines.get(element) ?? this.make(element);
    line.style.left = `${fraction * 100}%`;
    const percent = Math.round(fraction * 100);
    grip.setAttribute("aria-valuenow", String(percent));
    grip.setAttribute("aria-valuetext", `${percent} %`);
  }

  /** @private @param {HTMLElement} element */
  make(element) {
    const line = element.appendChild(document.createElement("div")), grip = line.appendChild(document.createElement("div"));
    line.className = "swipeline";
    line.style.cssText = "position:absolute;top:0;bottom:0;width:1px;margin-left:-0.5px;background:#fff;box-shadow:0 0 0 1px #0009;pointer-events:none;z-index:1";
    grip.className = "swipegrip";
    grip.style.cssText = "position:absolute;top:64px;left:-15.5px;width:32px;height:24px;border-radius:4px;background:#1c1e22;color:#fff;" +
      "box-shadow:0 0 0 1px #fff;display:grid;place-items:center;cursor:ew-resize;touch-action:none;pointer-events:auto";
    grip.innerHTML = `<svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true"><path d="${GRIP}"/></svg>`;
    grip.tabIndex = 0;
    grip.dataset.tip = "Left of the line the raw image alone; drag it, or use the arrows";
    for (const [name, value] of Object.entries({ role: "slider", "aria-label": "Line between raw image and result", "aria-valuemin": "0", "aria-valuemax": "100" }))
      grip.setAttribute(name, value);
    grip.addEventListener("pointerdown", (event) => event.button === 0 && grip.setPointerCapture(event.pointerId));
    grip.addEventListener("pointermove", (event) => {
      if (!grip.hasPointerCapture(event.pointerId)) return;
      const box = element.getBoundingClientRect();
      this.set((event.clientX - box.left) / box.width);
    });
    grip.addEventListener("dblclick", () => this.set(0.5));
    grip.addEventListener("keydown", (event) => this.key(event));
    const made = { line, grip };
    this.lines.set(element, made);
    return made;
  }

  /** @private @param {KeyboardEvent} event */
  key(event) {
    const at = this.fraction ?? 0.5, far = event.shiftKey ? 5 * STEP : STEP;
    if (event.key === "ArrowLeft" || event.key === "ArrowDown") this.set(at - far);
    else if (event.key === "ArrowRight" || event.key === "ArrowUp") this.set(at + far);
    else if (event.key === "Home") this.set(0);
    else if (event.key === "End") this.set(1);
    else if (event.key === "Escape") this.set(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
