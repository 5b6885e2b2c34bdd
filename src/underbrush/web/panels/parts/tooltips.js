/** One tooltip for the window: what has `data-tip` says it after 400 ms under the pointer or under the focus. */
import { keysOf } from "./link.js";

const DELAY = 400;

/** @param {Document} page */
export function startTooltips(page = document) {
  const held = /** @type {any} */ (page);
  if (held.underbrushTips) return;
  held.underbrushTips = true;
  const tip = page.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  page.body.append(tip);
  let timer = 0;
  let of = /** @type {HTMLElement | null} */ (null);
  const hide = () => {
    clearTimeout(timer);
    tip.hidden = true;
    of = null;
  };
  const show = () => {
    if (!of || !of.isConnected || !of.dataset.tip) return hide();
    tip.textContent = of.dataset.tip;
    // `data-key` are the keys themselves; `data-action` is what the viewer has a key for.
    const keys = of.dataset.action ? keysOf(of.dataset.action) : (of.dataset.key || "").split(" ");
    for (const key of keys.filter(Boolean)) {
      const cap = page.createElement("kbd");
      cap.textContent = key;
      tip.append(" ", cap);
    }
    tip.hidden = false;
    const at = of.getBoundingClientRect(),
      size = tip.getBoundingClientRect();
    const below = at.bottom + 6 + size.height < innerHeight - 4;
    tip.style.left = `${Math.max(8, Math.min(innerWidth - size.width - 8, at.left + at.width / 2 - size.width / 2))}px`;
    tip.style.top = `${below ? at.bottom + 6 : Math.max(4, at.top - size.height - 6)}px`;
  };
  const over = (/** @type {Event} */ event) => {
    const found = event.target instanceof Element ? /** @type {HTMLElement | null} */ (event.target.closest("[data-tip]")) : null;
    if (found === of) return;
    hide();
    if (!found) return;
    of = found;
    timer = window.setTimeout(show, DELAY);
  };
  page.addEventListener("pointerover", over);
  page.addEventListener("focusin", (event) => {
    if (event.target instanceof Element && event.target.matches(":focus-visible")) over(event);
  });
  for (const name of ["pointerdown", "keydown", "focusout", "wheel"])
    page.addEventListener(name, hide, { capture: true, passive: true });
  page.addEventListener("pointerleave", hide);
  // A ring round the image is for who came there by key.
  page.addEventListener("pointerdown", (event) => event.isTrusted && page.body.classList.add("by-pointer"), true);
  page.addEventListener(
    "keydown",
    (event) => {
      if (["Tab", "F6"].includes(event.key)) page.body.classList.remove("by-pointer");
    },
    true,
  );
}
