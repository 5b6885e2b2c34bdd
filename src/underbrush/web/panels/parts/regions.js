/** F6 goes from area to area of the window, so that everything is near by keys alone: menus, step, image, below it, right. */
import { app, link, togglePanels } from "./link.js";

/** In the order in which one looks. Where a page lies over the image, it takes its place. */
const AREAS = [".topbar", ".left", ".page-of:not([hidden])", ".viewer", ".dimslot", ".lanes", ".right"];
const ABLE = "button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea, a[href], [tabindex='0']";
/** What is gone to first, where there is one: what is chosen. */
const CHOSEN = ["[aria-current]", "[aria-selected=true][tabindex='0']", ".lane[aria-selected=true]"];

/** @param {Element} one */
const isSeen = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("[inert]");

/** @param {Element} area @returns {HTMLElement | null} */
function wayInto(area) {
  const all = /** @type {HTMLElement[]} */ ([...area.querySelectorAll(ABLE)].filter((one) => isSeen(one) && /** @type {HTMLElement} */ (one).tabIndex >= 0));
  for (const chosen of CHOSEN) {
    const one = all.find((each) => each.matches(chosen));
    if (one) return one;
  }
  return all[0] ?? null;
}

/** @param {1 | -1} by on, or back */
export function toArea(by) {
  if (link.panels) return step(by);
  togglePanels();
  requestAnimationFrame(() => step(by)); // panels that were hidden are there then
}

/** @param {1 | -1} by */
function step(by) {
  const areas = AREAS.flatMap((name) => [...document.querySelectorAll(name)].slice(0, 1)).filter(isSeen);
  const at = areas.findIndex((area) => area.contains(document.activeElement));
  // From nowhere on to the step, and back to the image.
  const start = at < 0 ? areas.findIndex((area) => area.matches(".left")) - by : at;
  for (let n = 1; n <= areas.length; n++) {
    const area = areas[(((start + by * n) % areas.length) + areas.length) % areas.length];
    if (area.matches(".viewer")) return app()?.focus();
    const one = wayInto(area);
    if (one) return one.focus();
  }
}
