/**
 * What is shown of one image: one view, or for a volume three linked ones (xy, xz, zy) and the position of the slices.
 *
 * To the rest of the page it is one viewer. What is asked of "the" view is answered by the view under the pointer, and
 * without one by the current view, which is the one that was clicked last. All views have one zoom and one middle, so
 * that a voxel lies in the same column or row in neighbouring views as long as they show all of it.
 */
import { Emitter } from "./emitter.js";
import { PLANES, fitZoom, planeSize, stretch } from "./geometry.js";
import { Holding } from "./holding.js";
import { nameOf } from "./orientation.js";
import { SlicesBox } from "./slicesbox.js";
import { Viewer } from "./viewer.js";

/**
 * @typedef {import("./geometry.js").Lane} Lane
 * @typedef {import("./geometry.js").Plane} Plane
 * @typedef {import("./viewer.js").ViewerOptions} ViewerOptions
 * @typedef {{t: number, z: number, y: number, x: number}} Position  where the slices are
 * @typedef {{lane: string, at: Position, plane: Plane, maximised: Plane | null, middle: {x: number, y: number, z: number}, zoom: number,
 *            fitted: boolean}} Spot
 * @typedef {{box: HTMLElement, viewer: Viewer, says: HTMLElement, mark: HTMLElement, button: HTMLButtonElement}} Pane
 */

/** From the upper left, row by row. @type {readonly Plane[]} */
export const ALL = Object.freeze(/** @type {Plane[]} */ (["xy", "zy", "xz"]));
/** The axis that stands still in a view names it for who maximises. @type {Readonly<Record<string, Plane>>} */
export const ALONG = Object.freeze({ x: "zy", y: "xz", z: "xy" });
export const NAMES = Object.freeze({ xy: "XY", xz: "XZ", zy: "YZ" });
/** Bytes of raw tiles that each view keeps. */
const RAW_BYTES = 160 * 1024 * 1024;
/** The box of the slices is drawn at most so often (milliseconds). */
const BOX_PACE = 300;
const LARGER = "M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5l-4.5 4.5M2.5 13.5l4.5-4.5", SMALLER = "M13.5 6.5h-4v-4M2.5 9.5h4v4M9.5 6.5l4-4M6.5 9.5l-4 4";

/**
 * How the place is divided: shares of the left column and of the upper row, as the volume is long along its axes.
 * @param {Lane} lane @returns {{column: number, row: number}}
 */
export function divided(lane) {
  const [, , nz, ny, nx] = lane.shape, y = ny * stretch(lane, "y"), z = nz * stretch(lane, "z");
  const share = (/** @type {number} */ large) => Math.min(0.72, Math.max(0.5, large / (large + z)));
  return { column: share(nx), row: Math.min(0.64, share(y)) };
}

/** Events: those of Viewer, "pane" (a surface that is new), "place" (slices, current view or crosshair changed). */
export class OrthoView extends Emitter {
  /** @param {HTMLElement} element @param {ViewerOptions} options */
  constructor(element, options) {
    super();
    this.element = element;
    this.options = options;
    if (getComputedStyle(element).position === "static") element.style.position = "relative";
    this.root = element.appendChild(document.createElement("div"));
    this.root.className = "orthoview";
    this.root.style.cssText = "position:absolute;inset:0;display:grid;gap:1px;background:#33373e";
    /** @type {Map<Plane, Pane>} */
    this.panes = new Map();
    /** @type {{element: HTMLElement, picture: SlicesBox} | null} */
    this.box = null;
    /** @type {Plane} */
    this.current = "xy";
    /** @type {Plane | null} the view under the pointer */
    this.pointed = null;
    /** @type {Plane | null} */
    this.maximised = null;
    /** @type {Position} */
    this.at = { t: 0, z: 0, y: 0, x: 0 };
    this.middle = { x: 0, y: 0, z: 0 };
    this.crossing = true;
    this.boxDrawn = 0;
    this.boxTimer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
    /** @type {Set<Plane>} views whose picture the box does not have yet */
    this.unseen = new Set();
    this.holding = new Holding(this);
    this.pane("xy");
  }

  // -- views ------------------------------------------------------------------------------------------------------

  /** @param {Plane} plane @returns {Viewer} made when it is first wanted */
  pane(plane) {
    const known = this.panes.get(plane);
    if (known) return known.viewer;
    const box = document.createElement("div"), host = document.createElement("div");
    box.style.cssText = "position:relative;min-width:0;min-height:0;overflow:hidden";
    box.dataset.plane = plane;
    host.style.cssText = "position:absolute;inset:0";
    box.append(host);
    this.root.append(box);
    const viewer = new Viewer(host, {
      ...this.options, plane, rawBytes: this.options.rawBytes ?? RAW_BYTES,
      fitZoom: (lane, _, port) => this.commonZoom(lane, plane, port),
      resizing: () => this.holding.resizing(),
      resized: () => this.refit(),
      drawn: () => this.seen(plane),
      move: (u, v, zoom) => this.look3(plane, u, v, zoom),
    });
    const pane = { box, viewer, ...this.signs(box, plane) };
    this.panes.set(plane, pane);
    for (const name of ["view", "hover", "error", "complete", "renderer", "contrast"]) viewer.on(name, (payload) => this.heard(plane, name, payload));
    const surface = /** @type {HTMLElement} */ (viewer.surface);
    surface.setAttribute("aria-label", `Image, ${NAMES[plane]}`);
    surface.addEventListener("pointerdown", () => this.choose(plane));
    const first = this.panes.get("xy");
    if (first && first.viewer !== viewer) this.copy(first.viewer, viewer);
    this.emit("pane", surface);
    return viewer;
  }

  /** What stands over a view. @private @param {HTMLElement} box @param {Plane} plane */
  signs(box, plane) {
    const tag = document.createElement("div"), says = document.createElement("span"), button = document.createElement("button");
    const mark = document.createElement("div");
    mark.style.cssText = "position:absolute;inset:0;pointer-events:none;box-shadow:inset 0 0 0 1px #8b919c";
    tag.className = "vctl vtag";
    tag.style.pointerEvents = "none";
    tag.innerHTML = `<span class="strong">${NAMES[plane]}</span>`;
    tag.append(says);
    button.type = "button";
    button.className = "ib vctl vmax";
    button.addEventListener("click", () => this.maximise(plane));
    box.append(mark, tag, button);
    return { says, mark, button };
  }

  /** @private @param {Viewer} from @param {Viewer} to */
  copy(from, to) {
    to.layers = from.layers;
    to.setClasses(from.classes);
    to.setRawOnly(from.rawOnly);
    to.setSwipe(from.swipe);
    for (const [token, echo] of from.picture?.echoes.byToken ?? []) to.echo(echo.runs.slice(0, echo.count), echo.id, token, echo.lane);
  }

  /** @returns {boolean} whether there are several views */
  get volume() {
    return (this.lane?.shape[2] ?? 1) > 1;
  }

  /** @param {Plane} plane */
  isShown(plane) {
    return this.volume ? this.maximised === null || this.maximised === plane : plane === "xy";
  }

  /** @returns {Viewer[]} */
  get shown() {
    return [...this.panes].filter(([plane]) => this.isShown(plane)).map(([, { viewer }]) => viewer);
  }

  /** @returns {Viewer[]} */
  get all() {
    return [...this.panes.values()].map(({ viewer }) => viewer);
  }

  /** The view that is meant. @returns {Viewer} */
  get active() {
    const plane = this.pointed !== null && this.isShown(this.pointed) ? this.pointed : this.current;
    return this.pane(plane);
  }

  /** Places, hides and names the views. @private */
  arrange() {
    const { lane, root, maximised } = this, several = this.volume && maximised === null;
    const { column, row } = several && lane ? divided(lane) : { column: 1, row: 1 };
    root.style.gridTemplate = several
      ? `minmax(0,${row}fr) minmax(0,${1 - row}fr) / minmax(0,${column}fr) minmax(0,${1 - column}fr)` : "minmax(0,1fr) / minmax(0,1fr)";
    for (const plane of ALL) {
      const pane = this.panes.get(plane);
      if (!pane) continue;
      pane.box.style.display = this.isShown(plane) ? "block" : "none";
      pane.box.style.order = String(ALL.indexOf(plane));
      pane.button.style.display = this.volume ? "" : "none";
      // Whoever shows tips knows the key of the action.
      Object.assign(pane.button.dataset, { tip: maximised ? "All views" : "Maximise", action: `maximise:${PLANES[plane].w}` });
      pane.button.setAttribute("aria-label", maximised ? "All views" : `Maximise ${NAMES[plane]}`);
      pane.button.innerHTML = `<svg class="i" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="${maximised ? SMALLER : LARGER}"/></svg>`;
      // One bar for all views; it is not said twice.
      pane.viewer.options.scalebar = this.options.scalebar !== false && (plane === "xy" || maximised === plane);
      if (!this.isShown(plane)) this.emit("view", { plane, lane: null });
    }
    if (several && !this.box) this.box = this.makeBox();
    if (this.box) this.box.element.style.display = several ? "block" : "none";
    for (const viewer of this.shown) {
      viewer.lastView = "";
      viewer.resize();
      viewer.touch({ picture: true, cursor: true, wants: true });
    }
    this.refit();
    this.placed();
  }

  /** @private */
  makeBox() {
    const element = this.root.appendChild(document.createElement("div"));
    element.style.cssText = "position:relative;min-width:0;min-height:0;overflow:hidden;order:9;background:var(--bg-well, #08090a)";
    const picture = new SlicesBox(element), tag = element.appendChild(document.createElement("div"));
    tag.className = "vctl vtag";
    tag.innerHTML = '<span class="strong">Position of the slices</span>';
    new ResizeObserver(() => this.drawBox()).observe(element);
    return { element, picture };
  }

  /** One view alone, or all again. @param {Plane | null} plane */
  maximise(plane) {
    if (!this.volume) return;
    this.maximised = plane === this.maximised ? null : plane;
    if (plane) this.current = plane;
    this.pointed = null;
    this.arrange();
  }

  /** @param {Plane} plane becomes the one that keys and sliders mean */
  choose(plane) {
    // A press that was meant for a view may come when that is hidden by another that was maximised.
    if (!this.isShown(plane)) return;
    this.pointed = plane;
    if (this.current === plane) return;
    this.current = plane;
    this.placed();
  }

  /** @private @param {Plane} plane @param {string} name @param {any} payload */
  heard(plane, name, payload) {
    if (name === "hover") {
      if (payload) this.pointed = plane;
      else if (this.pointed === plane) this.pointed = null;
      if (!payload) this.holding.left();
    }
    if ((name === "view" || name === "complete") && !this.isShown(plane)) return;
    this.emit(name, payload);
  }

  // -- place ------------------------------------------------------------------------------------------------------

  /** @param {Partial<Position>} change clamped to the image */
  setPosition(change) {
    const { lane } = this;
    if (!lane) return;
    const [nt, , nz, ny, nx] = lane.shape, most = { t: nt, z: nz, y: ny, x: nx };
    for (const axis of /** @type {(keyof Position)[]} */ (["t", "z", "y", "x"])) {
      const value = Math.round(change[axis] ?? this.at[axis]);
      this.at[axis] = Math.min(most[axis] - 1, Math.max(0, value || 0));
    }
    for (const [plane, { viewer }] of this.panes) {
      const slice = this.at[PLANES[plane].w], { place } = viewer;
      if (viewer.lane && (place.t !== this.at.t || place.slice !== slice)) viewer.setPlane(this.at.t, plane, slice);
    }
    this.placed();
  }

  /** One view's slice; the view becomes the current one. @param {number} t @param {Plane} plane @param {number} slice */
  setPlane(t, plane, slice) {
    if (this.isShown(plane)) this.current = plane;
    this.setPosition({ t, [PLANES[plane].w]: slice });
  }

  /** Signs and lines that tell where the slices are. @private */
  placed() {
    const { at, volume } = this;
    for (const [plane, { viewer, says, box, mark }] of this.panes) {
      const { u, v, w } = PLANES[plane], turned = nameOf(viewer.orientation);
      says.textContent = [volume ? `${w} ${at[w]}` : "", turned].filter(Boolean).join(" · ");
      if (says.parentElement) says.parentElement.style.display = volume || turned ? "" : "none";
      if (volume) viewer.setCrosshair(this.crossing ? { u: at[u] + 0.5, v: at[v] + 0.5 } : null);
      const marked = volume && this.maximised === null && plane === this.current;
      mark.style.display = marked ? "block" : "none";
      box.toggleAttribute("data-current", marked);
    }
    this.drawBox();
    this.emit("place");
  }

  /** How a plane lies in its view. @param {Plane} plane @param {import("./orientation.js").Orientation} orientation */
  setOrientation(plane, orientation) {
    this.pane(plane).setOrientation(orientation);
    this.refit();
    this.placed();
  }

  /** @param {boolean} on the lines through all views of a volume */
  setCrossing(on) {
    this.crossing = on;
    this.placed();
  }

  /** @param {{u: number, v: number} | null} position in the view that is meant; a volume's crosshair stands at the slices */
  setCrosshair(position) {
    if (!this.volume) this.active.setCrosshair(position);
  }

  /** @returns {Spot} */
  get spot() {
    const { current, maximised } = this, { look, fitted } = this.pane(current);
    this.noteMiddle(current);
    return { lane: this.lane?.id ?? "", at: { ...this.at }, plane: current, maximised, middle: { ...this.middle }, zoom: look.zoom, fitted };
  }

  /** @param {Spot} spot of the lane that is shown */
  moveTo({ at, plane, maximised, middle, zoom, fitted }) {
    const alone = this.volume ? maximised : null;
    this.current = this.volume ? (alone ?? plane) : "xy";
    if (this.maximised !== alone) {
      this.maximised = alone;
      this.arrange();
    }
    this.setPosition(at);
    if (fitted) return this.fit();
    this.middle = { ...middle };
    this.apply(zoom);
  }

  /** Slices through the middle of the image. */
  toMiddle() {
    const [, , nz, ny, nx] = this.lane?.shape ?? [1, 1, 1, 1, 1];
    this.setPosition({ t: 0, z: Math.floor(nz / 2), y: Math.floor(ny / 2), x: Math.floor(nx / 2) });
  }

  /** A pixel to the middle of all views. @param {{z: number, y: number, x: number}} pixel @param {number} zoom */
  centreOn({ z, y, x }, zoom) {
    this.middle = { x: x + 0.5, y: y + 0.5, z: z + 0.5 };
    this.apply(zoom);
  }

  // -- zoom and middle, one for all ---------------------------------------------------------------------------------

  /** @private @param {Lane} lane @param {Plane} own @param {{width: number, height: number, ratio: number}} port room of the own view */
  commonZoom(lane, own, port) {
    const zooms = ALL.filter((plane) => plane !== own && this.isShown(plane) && this.panes.has(plane))
      .map((plane) => fitZoom(lane, plane, /** @type {Pane} */ (this.panes.get(plane)).viewer.room));
    return Math.min(fitZoom(lane, own, port), ...zooms);
  }

  /** Views that show all of their plane do so at one zoom. @private */
  refit() {
    if (this.volume) for (const viewer of this.shown) if (viewer.fitted) viewer.fit();
  }

  /** @private @param {Plane} plane */
  noteMiddle(plane) {
    const { u, v } = PLANES[plane], { cx, cy } = this.pane(plane).look;
    this.middle[u] = cx;
    this.middle[v] = cy;
  }

  /** @private @param {number} zoom */
  apply(zoom) {
    for (const [plane, { viewer }] of this.panes) {
      const { u, v } = PLANES[plane];
      if (viewer.lane) viewer.setView(this.middle[u], this.middle[v], zoom);
    }
  }

  /** @private @param {Plane} plane @param {number} u @param {number} v @param {number} zoom */
  look3(plane, u, v, zoom) {
    const lane = this.lane;
    if (!lane) return;
    // Where the other views were fitted their middle is that of the image.
    for (const other of ALL) if (other !== plane && this.panes.get(other)?.viewer.lane) this.noteMiddle(other);
    this.middle[PLANES[plane].u] = u;
    this.middle[PLANES[plane].v] = v;
    this.apply(zoom);
  }

  /** @param {number} cx @param {number} cy @param {number} zoom of the view that is meant */
  setView(cx, cy, zoom) {
    this.look3(this.active.place.plane, cx, cy, zoom);
  }

  /** @param {number} zoom */
  zoomTo(zoom) {
    const { cx, cy } = this.look;
    this.setView(cx, cy, zoom);
  }

  /** @param {number} px @param {number} py of the view that is meant @param {number} factor */
  zoomAt(px, py, factor) {
    const { active } = this;
    active.zoomAt(px, py, factor);
    this.look3(active.place.plane, active.look.cx, active.look.cy, active.look.zoom);
  }

  /** @param {number} dx @param {number} dy CSS pixels */
  panBy(dx, dy) {
    const { active } = this;
    active.panBy(dx, dy);
    this.look3(active.place.plane, active.look.cx, active.look.cy, active.look.zoom);
  }

  fit() {
    for (const viewer of this.all) if (viewer.lane) viewer.fit();
    this.refit();
  }

  // -- as one viewer --------------------------------------------------------------------------------------------------

  /** @returns {Lane | null} */
  get lane() {
    return this.panes.get("xy")?.viewer.lane ?? null;
  }

  /** @param {Lane | null} lane @param {{keep?: boolean}} [options] */
  setLane(lane, options = {}) {
    const before = this.lane, volume = (lane?.shape[2] ?? 1) > 1;
    if (volume) for (const plane of ALL) this.pane(plane);
    else [this.current, this.maximised] = ["xy", null];
    for (const [plane, { viewer }] of this.panes) {
      const own = plane === "xy" || volume ? lane : null, had = viewer.lane;
      if (own && !had && plane !== "xy") this.copy(this.pane("xy"), viewer);
      viewer.setLane(own, options);
    }
    if (!volume || before?.id !== lane?.id) this.all.forEach((viewer) => viewer.setCrosshair(null));
    const stretched = before && lane && JSON.stringify(before.pixel_size ?? {}) !== JSON.stringify(lane.pixel_size ?? {});
    if (before?.id !== lane?.id || String(before?.shape) !== String(lane?.shape) || stretched) this.arrange();
    if (stretched) for (const viewer of this.shown) if (viewer.fitted) viewer.fit();
    if (lane) this.setPosition({});
  }

  get place() {
    return this.active.place;
  }

  get look() {
    return this.active.look;
  }

  get view() {
    return this.active.view;
  }

  get frame() {
    return this.active.frame;
  }

  get layers() {
    return this.pane("xy").layers;
  }

  get rawOnly() {
    return this.pane("xy").rawOnly;
  }

  get channels() {
    return this.active.channels;
  }

  /** What the feature image is under the pointer. @param {{inside: boolean, x: any, y: any, z: any}} cursor */
  featureUnder({ inside, ...at }) {
    const { active } = this, { u, v } = PLANES[active.place.plane];
    return inside ? active.featureAt(at[u], at[v]) : null;
  }

  get picture() {
    return this.active.picture;
  }

  get surface() {
    return /** @type {HTMLElement} */ (this.active.surface);
  }

  /** @returns {HTMLElement[]} */
  get surfaces() {
    return this.all.map(({ surface }) => /** @type {HTMLElement} */ (surface));
  }

  /** @param {{clientX: number, clientY: number}} event */
  locate(event) {
    return this.active.locate(event);
  }

  /** @param {number} px @param {number} py */
  screenToImage(px, py) {
    return this.active.screenToImage(px, py);
  }

  /** @param {number} u @param {number} v */
  imageToScreen(u, v) {
    return this.active.imageToScreen(u, v);
  }

  /** @param {readonly import("./layers.js").ClassInfo[]} classes */
  setClasses(classes) {
    for (const viewer of this.all) viewer.setClasses(classes);
  }

  /** @param {string} name @param {Record<string, any>} props @throws {TypeError} */
  setLayer(name, props) {
    for (const viewer of this.all) viewer.setLayer(name, props);
  }

  /** @param {boolean} on */
  setRawOnly(on) {
    for (const viewer of this.all) viewer.setRawOnly(on);
  }

  /** @param {number | null} fraction */
  setSwipe(fraction) {
    for (const viewer of this.all) viewer.setSwipe(fraction);
  }

  /** @param {import("./overlaytiles.js").Header} header @param {Uint8Array} bytes */
  putOverlayTile(header, bytes) {
    this.panes.get(header.plane)?.viewer.putOverlayTile(header, bytes);
  }

  /** @param {string} [layer] */
  dropOverlay(layer) {
    for (const viewer of this.all) viewer.dropOverlay(layer);
  }

  /** @param {import("./labeltiles.js").LabelsMessage} message */
  putLabels(message) {
    for (const viewer of this.all) viewer.putLabels(message);
  }

  refreshLabels() {
    for (const viewer of this.all) viewer.refreshLabels();
  }

  /** @param {ArrayLike<number>} runs @param {number} classId @param {string | number} token @param {string} [lane] */
  echo(runs, classId, token, lane = this.lane?.id) {
    for (const [plane, { viewer }] of this.panes) if (viewer.lane || plane === "xy") viewer.echo(runs, classId, token, lane);
  }

  /** @param {string | number} token @param {number | null} [revision] */
  dropEcho(token, revision = null) {
    for (const [plane, { viewer }] of this.panes) viewer.dropEcho(token, viewer.lane || plane === "xy" ? revision : null);
  }

  /** @param {ArrayLike<number>[] | null} loops in the view that is meant */
  drawCursor(loops) {
    for (const viewer of this.all) viewer.drawCursor(viewer === this.active ? loops : null);
  }

  // -- the box of the slices ------------------------------------------------------------------------------------------

  /** A view was drawn, and its picture is still in its canvas. @private @param {Plane} plane */
  seen(plane) {
    const viewer = this.panes.get(plane)?.viewer;
    if (!this.box || !this.volume || this.maximised !== null || !viewer) return;
    if (performance.now() - this.boxDrawn > BOX_PACE) {
      this.box.picture.take(viewer);
      this.unseen.delete(plane);
    } else this.unseen.add(plane);
    this.drawBoxSoon();
  }

  /** @private */
  drawBoxSoon() {
    this.boxTimer ??= setTimeout(() => {
      this.boxDrawn = -Infinity;
      for (const plane of [...this.unseen]) this.panes.get(plane)?.viewer.renderNow();
      this.boxDrawn = performance.now();
      this.boxTimer = undefined;
      this.drawBox();
    }, BOX_PACE);
  }

  /** @private */
  drawBox() {
    if (this.box && this.lane && this.volume && this.maximised === null) this.box.picture.draw(this.lane, this.at);
  }

  // -- for tests, and the end -------------------------------------------------------------------------------------------

  /** @param {number} px @param {number} py */
  readPixel(px, py) {
    return this.active.readPixel(px, py);
  }

  async settled() {
    await Promise.all(this.shown.map((viewer) => viewer.settled()));
  }

  destroy() {
    clearTimeout(this.boxTimer);
    this.holding.stop();
    for (const viewer of this.all) viewer.destroy();
    this.root.remove();
  }
}
