// The scale bar: how long it is and what it says (pure), and the small element that shows it.
import { PLANES, pixelMetres, stretch } from "./geometry.js";
import { UPRIGHT, isAcross } from "./orientation.js";

/** @typedef {import("./geometry.js").Lane} Lane */
/** @typedef {import("./geometry.js").Plane} Plane */
/** @typedef {{text: string, px: number}} Bar  px: CSS pixels */

/** @type {[number, string][]} */
const UNITS = [[1e-9, "nm"], [1e-6, "µm"], [1e-3, "mm"], [1, "m"]];

/** The largest of 1, 2, 5 x 10^n that is not above a value. @param {number} value */
export function niceBelow(value) {
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9), lead = value / power;
  return (lead >= 5 - 1e-9 ? 5 : lead >= 2 - 1e-9 ? 2 : 1) * power;
}

/**
 * @param {Lane} lane @param {Plane} plane
 * @param {{zoom: number, ratio: number, orientation?: import("./orientation.js").Orientation}} frame
 * @param {number} [most] CSS pixels that it may be long
 * @returns {Bar}
 */
export function scaleBar(lane, plane, frame, most = 150) {
  const axis = PLANES[plane][isAcross(frame.orientation ?? UPRIGHT) ? "v" : "u"], metres = pixelMetres(lane, axis);
  const perPixel = (frame.zoom * stretch(lane, axis)) / frame.ratio;
  if (metres === null) {
    const pixels = Math.max(1, niceBelow(most / perPixel));
    return { text: `${grouped(pixels)} px`, px: pixels * perPixel };
  }
  const length = niceBelow((most / perPixel) * metres);
  const [unit, name] = UNITS.findLast(([size]) => length >= size * (1 - 1e-9)) ?? UNITS[0];
  return { text: `${grouped(Number((length / unit).toPrecision(6)))} ${name}`, px: (length / metres) * perPixel };
}

/** 12345 -> 12,345 @param {number} value */
const grouped = (value) => value.toLocaleString("en-US", { maximumSignificantDigits: 6 });

export class ScaleBar {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.element = document.createElement("div");
    this.element.className = "scalebar";
    this.element.style.cssText = "position:absolute;left:16px;bottom:16px;color:#fff;pointer-events:none;display:none;" +
      "font:600 12px/16px var(--font, system-ui, sans-serif);text-shadow:0 0 2px #000,0 0 2px #000,0 0 3px #000,0 0 5px #000"; // on pale sections, too
    this.label = document.createElement("span");
    this.line = document.createElement("i");
    this.line.style.cssText = "display:block;height:3px;background:#fff;box-shadow:0 0 0 1px #000a;margin-top:4px";
    this.element.append(this.label, this.line);
    parent.append(this.element);
  }

  /** @param {Bar | null} bar */
  show(bar) {
    this.element.style.display = bar ? "block" : "none";
    if (!bar) return;
    if (this.label.textContent !== bar.text) this.label.textContent = bar.text;
    this.line.style.width = `${bar.px.toFixed(1)}px`;
  }
}
