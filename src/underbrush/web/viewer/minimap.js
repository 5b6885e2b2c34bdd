// The minimap: a frame over a corner of the picture. The picture inside is drawn by the renderer; the frame shows what
// is in sight and moves it by click and drag.
import { imageArea } from "./geometry.js";
import { UPRIGHT, partOf } from "./orientation.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").Frame} Frame */
/** CSS pixels from the top left corner of the viewer. @typedef {{left: number, top: number, width: number, height: number}} Area */

/** It covers no more than this part of a small view's width and height. */
const PART = 0.22;
const MOST_WIDE = 116, MOST_HIGH = 96, LEAST = 24, EDGE = 4, AWAY = 12;

/**
 * Where the picture of the whole plane goes; null where it is not wanted: everything is in sight, or there is no room.
 * @param {Frame} frame @param {{width: number, height: number}} size of the plane @returns {Area | null}
 */
export function minimapArea(frame, size) {
  const [x0, y0, x1, y1] = imageArea(frame, size), wide = x1 - x0, high = y1 - y0;
  if (wide <= frame.width * 1.001 && high <= frame.height * 1.001) return null;
  const port = { width: frame.width / frame.ratio, height: frame.height / frame.ratio };
  const fit = Math.min(Math.min(MOST_WIDE, PART * port.width) / wide, Math.min(MOST_HIGH, PART * port.height) / high);
  const width = Math.max(LEAST, Math.round(wide * fit)), height = Math.max(LEAST, Math.round(high * fit));
  if (port.width < 320 || port.height < 240) return null;
  return { left: Math.floor(port.width) - AWAY - EDGE - width, top: Math.floor(port.height) - AWAY - EDGE - height, width, height };
}

/**
 * What is in sight, in CSS pixels of the area; at least 4 wide and high, so that it is seen in the largest image.
 * @param {Frame} frame @param {{width: number, height: number}} size @param {Area} area @returns {Area}
 */
export function minimapSight(frame, size, area) {
  const [left, top, right, bottom] = imageArea(frame, size), kx = area.width / (right - left), ky = area.height / (bottom - top);
  const x0 = Math.max(0, -left), x1 = Math.min(right, frame.width) - left, y0 = Math.max(0, -top), y1 = Math.min(bottom, frame.height) - top;
  const width = Math.max(4, (x1 - x0) * kx), height = Math.max(4, (y1 - y0) * ky);
  return {
    left: Math.max(0, Math.min(area.width - width, ((x0 + x1) / 2) * kx - width / 2)),
    top: Math.max(0, Math.min(area.height - height, ((y0 + y1) / 2) * ky - height / 2)),
    width, height,
  };
}

export class Minimap {
  /**
   * @param {HTMLElement} parent
   * @param {(u: number, v: number) => void} move  the middle of what is to be in sight
   */
  constructor(parent, move) {
    this.move = move;
    this.element = document.createElement("div");
    this.element.title = "Overview: click or drag to move";
    this.element.style.cssText = `position:absolute;display:none;box-sizing:content-box;border:${EDGE}px solid #141518;border-radius:6px;` +
      "box-shadow:0 0 0 1px #ffffff14;cursor:pointer;touch-action:none;overflow:hidden";
    this.sight = document.createElement("i");
    this.sight.style.cssText = "position:absolute;box-sizing:border-box;border:1.5px solid #fff;box-shadow:0 0 0 1px #000a;pointer-events:none";
    this.element.append(this.sight);
    parent.append(this.element);
    /** @type {{area: Area, size: {width: number, height: number}} | null} */
    this.shown = null;
    this.orientation = UPRIGHT;
    this.element.addEventListener("pointerdown", (event) => this.start(event));
    this.element.addEventListener("pointermove", (event) => this.element.hasPointerCapture(event.pointerId) && this.go(event));
  }

  /** @private @param {PointerEvent} event */
  start(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    this.element.setPointerCapture(event.pointerId);
    this.go(event);
  }

  /** @private @param {PointerEvent} event */
  go(event) {
    if (!this.shown) return;
    event.stopPropagation();
    const { area, size } = this.shown, box = this.element.getBoundingClientRect();
    const x = (event.clientX - box.left - EDGE) / area.width, y = (event.clientY - box.top - EDGE) / area.height;
    const [u, v] = partOf(this.orientation, Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y)));
    this.move(u * size.width, v * size.height);
  }

  /** @param {Frame} frame @param {{width: number, height: number}} size @param {Area | null} area */
  show(frame, size, area) {
    this.shown = area && { area, size };
    this.orientation = frame.orientation;
    this.element.style.display = area ? "block" : "none";
    if (!area) return;
    const place = { left: area.left - EDGE, top: area.top - EDGE, width: area.width, height: area.height };
    for (const [name, value] of Object.entries(place)) this.element.style.setProperty(name, `${value}px`);
    for (const [name, value] of Object.entries(minimapSight(frame, size, area))) this.sight.style.setProperty(name, `${value.toFixed(1)}px`);
  }
}
