/**
 * The menu over a view of a volume: turning it, swapping its axes, a window of its own. Arrows move, Enter and Space
 * choose, Escape closes and gives the focus back.
 */
import { NAMES } from "./orthoview.js";

/** @typedef {{id: string, text: string, caps?: string[], off?: boolean}} Item */

/** What the menu of a view offers, by action. */
const TURNS = ["turn:right", "turn:left", "turn:swap", "turn:upright"];
const DOTS = '<svg class="i" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2.2"/></svg>';

/** One menu for each view of a volume. A single view has these things in the menus of the window. */
export class ViewMenus {
  /** @param {import("./index.js").Mounted} app */
  constructor(app) {
    this.app = app;
    /** @type {Map<import("./geometry.js").Plane, ViewMenu>} */
    this.of = new Map();
  }

  listen() {
    const { app } = this;
    app.hear(app.viewer.on("place", () => this.place()));
    app.hear(() => this.of.forEach((menu) => menu.hide(false)));
    this.place();
  }

  /** @private */
  place() {
    const { viewer } = this.app;
    for (const [plane, { box }] of viewer.panes) {
      const menu = this.of.get(plane) ?? this.make(plane, box);
      menu.root.style.display = viewer.volume ? "" : "none";
    }
  }

  /** @private @param {import("./geometry.js").Plane} plane @param {HTMLElement} box */
  make(plane, box) {
    const menu = new ViewMenu(box, {
      name: `View ${NAMES[plane]}`,
      items: () => this.items(plane),
      choose: (id) => {
        if (id === "window") this.app.emit("action", { action: "window", plane });
        else this.app.facing.turn(/** @type {import("./orientation.js").Turn} */ (id.slice(5)), plane);
      },
    });
    this.of.set(plane, menu);
    return menu;
  }

  /** @private @param {import("./geometry.js").Plane} plane @returns {Item[]} */
  items(plane) {
    const rows = this.app.keyTable(), upright = !this.app.facing.of.has(plane);
    const turns = TURNS.map((action) => {
      const row = rows.find((one) => one.action === action);
      return { id: action, text: row?.title ?? action, caps: row?.keys[0], off: upright && action === "turn:upright" };
    });
    return this.app.options.alone ? turns : [...turns, { id: "window", text: "In a window of its own" }];
  }
}

export class ViewMenu {
  /**
   * @param {HTMLElement} parent the place of the view
   * @param {{name: string, items: () => Item[], choose: (id: string) => void}} options items: asked for when it opens
   */
  constructor(parent, { name, items, choose }) {
    this.items = items;
    this.chosen = choose;
    this.root = document.createElement("div");
    this.root.className = "vmenu";
    this.root.style.cssText = "position:absolute;right:40px;top:8px";
    this.button = this.root.appendChild(document.createElement("button"));
    this.button.type = "button";
    this.button.className = "ib vctl";
    this.button.style.position = "static";
    this.button.innerHTML = DOTS;
    this.button.dataset.tip = "Turn this view, and more";
    for (const [key, value] of Object.entries({ "aria-label": name, "aria-haspopup": "menu", "aria-expanded": "false" })) this.button.setAttribute(key, value);
    this.button.addEventListener("click", () => (this.list ? this.hide() : this.show()));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.away = (/** @type {Event} */ event) => {
      if (!this.root.contains(/** @type {Node} */ (event.target))) this.hide(false);
    };
    /** @type {HTMLElement | null} */
    this.list = null;
    parent.append(this.root);
  }

  show() {
    const list = this.root.appendChild(document.createElement("div"));
    list.className = "popup";
    list.setAttribute("role", "menu");
    list.setAttribute("aria-label", this.button.getAttribute("aria-label") ?? "");
    list.append(...this.items().map((item) => this.row(item)));
    this.list = list;
    this.button.setAttribute("aria-expanded", "true");
    // The place of the view cuts off what reaches beyond it.
    const box = this.button.getBoundingClientRect(), { offsetWidth, offsetHeight } = list;
    Object.assign(list.style, {
      position: "fixed", left: `${Math.max(8, box.right - offsetWidth)}px`, top: `${Math.max(8, Math.min(box.bottom + 4, innerHeight - 8 - offsetHeight))}px`,
    });
    document.addEventListener("pointerdown", this.away, true);
    this.rows[0]?.focus();
  }

  /** @param {boolean} [back] the focus goes to the button */
  hide(back = true) {
    if (!this.list) return;
    document.removeEventListener("pointerdown", this.away, true);
    this.list.remove();
    this.list = null;
    this.button.setAttribute("aria-expanded", "false");
    if (back) this.button.focus();
  }

  /** @private @param {Item} item */
  row({ id, text, caps = [], off }) {
    const row = document.createElement("button"), words = row.appendChild(document.createElement("span"));
    row.type = "button";
    row.tabIndex = -1;
    row.setAttribute("role", "menuitem");
    if (off) row.setAttribute("aria-disabled", "true");
    words.className = "grow";
    words.textContent = text;
    const keys = row.appendChild(document.createElement("span"));
    keys.className = "keyset";
    for (const cap of caps) keys.appendChild(document.createElement("kbd")).textContent = cap;
    row.addEventListener("click", () => {
      if (off) return;
      this.hide();
      this.chosen(id);
    });
    return row;
  }

  /** @private @returns {HTMLElement[]} */
  get rows() {
    return [...(this.list?.querySelectorAll("button:not([aria-disabled=true])") ?? [])].map((one) => /** @type {HTMLElement} */ (one));
  }

  /** @private @param {KeyboardEvent} event */
  key(event) {
    const { rows } = this, at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (!this.list) {
      if (event.key !== "ArrowDown") return;
      this.show();
    } else if (event.key === "ArrowDown") rows[(at + 1) % rows.length]?.focus();
    else if (event.key === "ArrowUp") rows.at(at - 1)?.focus();
    else if (event.key === "Home") rows[0]?.focus();
    else if (event.key === "End") rows.at(-1)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") this.hide();
    else return event.stopPropagation(); // Enter and Space press what has the focus
    event.preventDefault();
    event.stopPropagation();
  }
}
