// One plane of an image in an element. See docs/design/viewer.md for what may be called.
import { PLANES, clampZoom, fitZoom, frameOf, imageToScreen, planeSize, pointToImage, screenToImage, voxelAt, zoomedAt } from "./geometry.js";
import { UPRIGHT, back, isSame, roomAlong } from "./orientation.js";
import { initialLayers, shownChannels, shownFeature, wantedLayers, withLayer } from "./layers.js";
import { minimapArea, Minimap } from "./minimap.js";
import { scaleBar, ScaleBar } from "./scalebar.js";
import { Cursor } from "./cursor.js";
import { Picture, contrastKey } from "./picture.js";
import { GlRenderer } from "./gl.js";
import { Canvas2dRenderer } from "./canvas2d.js";

/** @typedef {import("./geometry.js").Lane} Lane */
/** @typedef {import("./geometry.js").Plane} Plane */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./layers.js").ClassInfo} ClassInfo */
/** @typedef {{api: string, renderer?: "auto" | "webgl2" | "canvas2d", fetch?: typeof fetch, rawBytes?: number,
 *   pixelRatio?: number, lostPatience?: number, minimap?: boolean, scalebar?: boolean} & Together} ViewerOptions */
/** What views that hang together need. plane: the first one; fitZoom: how large `fit` shows it; resizing, resized: told before
 *  and after the view takes the element's new size; drawn: told while the picture is still in the canvas; move: the minimap was clicked.
 * @typedef {{plane?: Plane, fitZoom?: (lane: Lane, plane: Plane, port: {width: number, height: number, ratio: number}) => number,
 *   resizing?: () => void, resized?: () => void, drawn?: () => void, move?: (u: number, v: number, zoom: number) => void}} Together */
/** @typedef {{u: number, v: number, t: number, z: number, y: number, x: number, inside: boolean}} Place */
/** @typedef {{lane: string, t: number, plane: Plane, slice: number, cx: number, cy: number, zoom: number, level: number,
 *   box: Box | null, layers: string[], orientation: import("./orientation.js").Orientation}} View */

/** How long the old picture may stay while that of a new slice or image comes (milliseconds). */
const HOLD = 120;
/** How long a lost graphics card may take to come back (milliseconds). */
const LOST_PATIENCE = 5000;
const EVENTS = ["view", "hover", "error", "complete", "renderer", "contrast"];

export class Viewer {
  /** @param {HTMLElement} element @param {ViewerOptions} options */
  constructor(element, options) {
    this.element = element;
    this.options = options;
    /** @type {Map<string, Set<(payload: any) => void>>} */
    this.listeners = new Map(EVENTS.map((name) => [name, new Set()]));
    /** @type {Lane | null} */
    this.lane = null;
    /** @type {readonly ClassInfo[]} */
    this.classes = [];
    this.layers = initialLayers();
    this.rawOnly = false;
    /** @type {number | null} */
    this.swipe = null;
    this.place = { t: 0, plane: /** @type {Plane} */ (options.plane ?? "xy"), slice: 0 };
    this.look = { cx: 0, cy: 0, zoom: 1 };
    this.orientation = UPRIGHT;
    this.port = { width: 1, height: 1, ratio: 1 };
    /** @type {DOMRect | null} where the element was when it got its size */
    this.box = null;
    /** Fitted until somebody moves it, also when the element gets its size later. */
    this.fitted = true;
    /** @type {Map<string, number>} sentence -> when it was told */
    this.complaints = new Map();
    /** @type {Set<string>} channels whose contrast is being asked for */
    this.seeking = new Set();
    this.stats = { frames: 0, drawMs: 0 };
    this.dirty = { picture: true, cursor: true, wants: true };
    this.holdUntil = 0;
    this.raf = 0;
    this.wasComplete = false;
    this.lastView = "";
    this.build();
  }

  /** @private */
  build() {
    const { options } = this;
    if (getComputedStyle(this.element).position === "static") this.element.style.position = "relative";
    this.element.style.overflow = "hidden";
    this.canvas = this.element.appendChild(makeCanvas());
    // Its own element, not the canvas: that one is exchanged when the graphics card is gone for good.
    this.surface = document.createElement("div");
    this.surface.style.cssText = "position:absolute;inset:0;outline:none;touch-action:none";
    this.element.append(this.surface);
    this.renderer = this.makeRenderer(this.canvas);
    this.picture = new Picture({
      api: this.options.api, fetch: this.options.fetch, rawBytes: this.options.rawBytes,
      changed: () => this.touch({ picture: true, wants: true }),
      failed: (sentence, permanent) => this.complain(sentence, permanent),
    }, this.renderer);
    this.cursor = new Cursor(this.element);
    this.scalebar = new ScaleBar(this.element);
    this.minimap = new Minimap(this.element, (u, v) => (options.move ?? this.setView.bind(this))(u, v, this.look.zoom));
    /** @type {{clientX: number, clientY: number} | null} where the pointer is: what lies under it changes when the view does */
    this.pointer = null;
    this.onMove = (/** @type {PointerEvent} */ event) => {
      this.pointer = { clientX: event.clientX, clientY: event.clientY };
      this.tell("hover", this.locate(event));
    };
    this.onLeave = () => {
      this.pointer = null;
      this.tell("hover", null);
    };
    this.surface.addEventListener("pointermove", this.onMove, { passive: true });
    this.surface.addEventListener("pointerleave", this.onLeave, { passive: true });
    this.onResize = () => this.resize();
    this.observer = new ResizeObserver((entries) => this.resize(entries.at(-1)));
    try {
      this.observer.observe(this.element, { box: "device-pixel-content-box" });
    } catch {
      this.observer.observe(this.element); // Safari knows no device pixels here
    }
    window.addEventListener("resize", this.onResize);
    this.resize();
  }

  /** @private @param {HTMLCanvasElement} canvas @returns {import("./gl.js").Renderer} */
  makeRenderer(canvas) {
    const wish = this.options.renderer ?? "auto";
    if (wish !== "canvas2d")
      try {
        return new GlRenderer(canvas, {
          lost: () => {
            this.tell("renderer", { kind: "webgl2", lost: true });
            this.lostTimer = setTimeout(() => this.giveUpCard(), this.options.lostPatience ?? LOST_PATIENCE);
          },
          restored: () => this.restored(),
        });
      } catch (error) {
        if (wish === "webgl2") throw error;
        console.warn(`Drawing without the graphics card: ${error instanceof Error ? error.message : error}`);
      }
    return new Canvas2dRenderer(canvas);
  }

  /** A sentence is told once in ten seconds, however many tiles it is about. @private @param {string} sentence @param {boolean} permanent */
  complain(sentence, permanent) {
    const now = performance.now();
    if (now - (this.complaints.get(sentence) ?? -Infinity) < 10_000) return;
    this.complaints.set(sentence, now);
    this.tell("error", { sentence, permanent });
  }

  /** The graphics card did not come back: go on without it. @private */
  giveUpCard() {
    const { canvas, renderer } = this;
    if (!canvas || !renderer?.lost) return;
    this.canvas = makeCanvas();
    canvas.replaceWith(this.canvas);
    renderer.destroy();
    this.renderer = new Canvas2dRenderer(this.canvas);
    this.renderer.resize(this.port.width, this.port.height);
    this.restored();
  }

  /** @private */
  restored() {
    clearTimeout(this.lostTimer);
    const { renderer, picture } = this;
    if (!renderer || !picture) return;
    picture.restore(renderer);
    this.touch({ picture: true, wants: true });
    this.tell("renderer", { kind: renderer.kind, lost: false });
  }

  /** @param {ResizeObserverEntry} [entry] */
  resize(entry) {
    const ratio = this.options.pixelRatio ?? (window.devicePixelRatio || 1), box = this.element.getBoundingClientRect();
    const exact = this.options.pixelRatio ? undefined : entry?.devicePixelContentBoxSize?.[0];
    const width = Math.max(1, exact?.inlineSize ?? Math.round(box.width * ratio));
    const height = Math.max(1, exact?.blockSize ?? Math.round(box.height * ratio));
    const same = width === this.port.width && height === this.port.height && ratio === this.port.ratio;
    if (!same) this.options.resizing?.();
    this.box = box;
    if (same) return;
    this.look.zoom *= ratio / this.port.ratio;
    this.port = { width, height, ratio };
    this.renderer?.resize(width, height);
    if (this.fitted) this.fit();
    this.options.resized?.();
    // At once: a canvas whose size changed is empty until it is drawn.
    this.touch({ picture: true, cursor: true, wants: true });
    if (this.lane && this.stats.frames) this.renderNow();
  }

  // ---- what is shown -------------------------------------------------------------------------------------------

  /** @param {Lane | null} lane @param {{keep?: boolean}} [options] keep: the view stays although the image is another one */
  setLane(lane, options = {}) {
    const before = this.lane, same = before !== null && lane !== null && before.id === lane.id && before.v === lane.v;
    this.lane = lane;
    if (lane && !(same && before && String(before.shape) === String(lane.shape))) {
      this.clampPlace();
      if (!options.keep) this.fit();
      this.hold();
      this.findContrast();
    } else if (before?.range && !lane?.range) this.findContrast();
    this.touch({ picture: true, cursor: true, wants: true });
  }

  /** @param {readonly ClassInfo[]} classes in their order */
  setClasses(classes) {
    this.classes = classes;
    this.touch({ picture: true });
  }

  /** @param {number} t @param {Plane} plane @param {number} slice */
  setPlane(t, plane, slice) {
    if (!(plane in PLANES)) throw new TypeError(`There is no plane ${JSON.stringify(plane)}.`);
    const turned = plane !== this.place.plane;
    this.place = { t, plane, slice };
    this.clampPlace();
    if (turned) this.fit();
    this.hold();
    this.findContrast();
    this.touch({ picture: true, cursor: true, wants: true });
  }

  /** @private */
  clampPlace() {
    if (!this.lane) return;
    const { depth } = planeSize(this.lane, this.place.plane), most = this.lane.shape[0] - 1;
    const within = (/** @type {number} */ value, /** @type {number} */ last) => Math.min(last, Math.max(0, Math.round(value) || 0));
    this.place = { ...this.place, t: within(this.place.t, most), slice: within(this.place.slice, depth - 1) };
  }

  /** @private */
  hold() {
    this.holdUntil = performance.now() + HOLD;
    this.wasComplete = false; // what is there already is told, too
  }

  /** @param {number} cx @param {number} cy @param {number} zoom */
  setView(cx, cy, zoom) {
    this.fitted = false;
    this.applyView({ cx, cy, zoom });
  }

  /** @private @param {{cx: number, cy: number, zoom: number}} view */
  applyView(view) {
    if (!this.lane) return;
    const { width, height } = planeSize(this.lane, this.place.plane);
    const within = (/** @type {number} */ value, /** @type {number} */ end) => Math.min(end, Math.max(0, Number.isFinite(value) ? value : end / 2));
    const zoom = clampZoom(this.lane, this.place.plane, this.room, view.zoom, this.fitting(this.lane));
    this.look = { cx: within(view.cx, width), cy: within(view.cy, height), zoom };
    this.touch({ picture: true, cursor: true, wants: true });
  }

  /** @private @param {Lane} lane @returns {number} the zoom at which all is in sight */
  fitting(lane) {
    return (this.options.fitZoom ?? fitZoom)(lane, this.place.plane, this.room);
  }

  /** The whole plane. */
  fit() {
    if (!this.lane) return;
    const { width, height } = planeSize(this.lane, this.place.plane);
    this.applyView({ cx: width / 2, cy: height / 2, zoom: this.fitting(this.lane) });
    this.fitted = true;
  }

  /** @param {number} zoom device pixels per image pixel */
  zoomTo(zoom) {
    this.setView(this.look.cx, this.look.cy, zoom);
  }

  /** @param {number} px @param {number} py @param {number} factor */
  zoomAt(px, py, factor) {
    const frame = this.frame;
    if (!frame || !this.lane) return;
    const zoom = clampZoom(this.lane, this.place.plane, this.room, this.look.zoom * factor, this.fitting(this.lane)), view = zoomedAt(frame, px, py, zoom);
    this.setView(view.cx, view.cy, view.zoom);
  }

  /** The picture moves by that much. @param {number} dx @param {number} dy CSS pixels */
  panBy(dx, dy) {
    const frame = this.frame;
    if (!frame) return;
    const [along, across] = back(frame.orientation, dx * frame.ratio, dy * frame.ratio);
    this.setView(this.look.cx - along / frame.sx, this.look.cy - across / frame.sy, this.look.zoom);
  }

  /** How the plane lies in the view; its middle stays. @param {import("./orientation.js").Orientation} orientation */
  setOrientation(orientation) {
    if (isSame(orientation, this.orientation)) return;
    this.orientation = orientation;
    if (this.fitted) this.fit();
    this.touch({ picture: true, cursor: true, wants: true });
  }

  /** The size of the view along columns and rows of the plane. */
  get room() {
    return roomAlong(this.port, this.orientation);
  }

  /** @param {string} name @param {Record<string, any>} props @throws {TypeError} */
  setLayer(name, props) {
    this.layers = withLayer(this.layers, name, props);
    if (name === "raw") this.findContrast();
    this.touch({ picture: true, wants: true });
  }

  /** @param {boolean} on */
  setRawOnly(on) {
    this.rawOnly = on;
    this.touch({ picture: true });
  }

  /** @param {number | null} fraction */
  setSwipe(fraction) {
    this.swipe = fraction;
    this.touch({ picture: true });
  }

  /** Contrast for channels whose lane has none of its own: from the first image of a kind, then the same for all. @private */
  async findContrast() {
    const { lane, picture } = this;
    if (!lane || !picture || lane.range || lane.rgb) return;
    await Promise.all(shownChannels(this.layers, lane).map(async ({ channel }) => {
      const key = contrastKey(lane, channel);
      if (picture.auto.has(key) || this.seeking.has(key)) return;
      this.seeking.add(key);
      try {
        const address = `${this.options.api}/lanes/${lane.id}/histogram?c=${channel}`;
        const response = await (this.options.fetch ?? fetch)(address, { credentials: "same-origin" });
        const auto = response.ok ? (await response.json()).auto : null;
        if (Array.isArray(auto) && auto[1] > auto[0]) {
          picture.auto.set(key, [auto[0], auto[1]]);
          this.tell("contrast", { channel, low: auto[0], high: auto[1] });
        }
      } catch (error) {
        // Asked again with the next image or slice; until then the whole range of the type is shown.
        this.complain(`No contrast was found for this image yet (${error instanceof Error ? error.message : error}).`, false);
      }
      this.seeking.delete(key);
      this.touch({ picture: true });
    }));
  }

  /** What the channels in sight are drawn with: for histograms and fields. @returns {import("./layers.js").Shown[]} */
  get channels() {
    const { lane, picture } = this;
    return lane ? shownChannels(this.layers, lane, (channel) => picture?.auto.get(contrastKey(lane, channel))) : [];
  }

  /** The shown feature's value at a pixel of the plane: what is drawn there. @param {number} u @param {number} v @returns {{name: string, value: number} | null} */
  featureAt(u, v) {
    const sight = this.sight();
    return (sight && this.picture?.featureAt(sight, u, v)) ?? null;
  }

  /** What the shown feature is black and white at. @returns {[number, number] | null} */
  get featureRange() {
    const sight = this.sight(), name = shownFeature(this.layers);
    return sight && name && this.picture ? this.picture.featureRange(sight, name) : null;
  }

  // ---- results, labels, echoes ---------------------------------------------------------------------------------

  /** @param {import("./overlaytiles.js").Header} header @param {Uint8Array} bytes */
  putOverlayTile(header, bytes) {
    this.picture?.putResult(header, bytes);
    this.touch({ picture: true });
  }

  /** @param {string} [layer] */
  dropOverlay(layer) {
    this.picture?.overlays.drop(layer);
    this.touch({ picture: true });
  }

  /** @param {import("./labeltiles.js").LabelsMessage} message */
  putLabels(message) {
    this.picture?.labels.put(message);
    this.touch({ picture: true, wants: true });
  }

  /** The server is there again, or labels changed otherwise: labels are asked for anew, and what was refused once more. */
  refreshLabels() {
    this.picture?.labelStore.want([]);
    this.picture?.labels.restart();
    this.picture?.echoes.restart();
    this.picture?.raw.retry();
    this.picture?.labelStore.retry();
    this.picture?.masks.retry();
    this.touch({ wants: true });
  }

  /** @param {ArrayLike<number>} runs @param {number} classId @param {string | number} token @param {string} [lane] */
  echo(runs, classId, token, lane = this.lane?.id) {
    if (lane !== undefined) this.picture?.echoes.add(lane, runs, classId, token);
    this.touch({ picture: true });
  }

  /** @param {string | number} token @param {number | null} [revision] */
  dropEcho(token, revision = null) {
    this.picture?.echoes.drop(token, revision, Date.now());
    this.touch({ picture: true, wants: true });
  }

  /** @param {ArrayLike<number>[] | null} loops */
  drawCursor(loops) {
    if (this.cursor) this.cursor.loops = loops;
    this.touch({ cursor: true });
  }

  /** @param {{u: number, v: number} | null} position */
  setCrosshair(position) {
    if (this.cursor) this.cursor.cross = position;
    this.touch({ cursor: true });
  }

  // ---- positions -----------------------------------------------------------------------------------------------

  get frame() {
    return this.lane && frameOf(this.lane, this.place.plane, this.look, this.port, this.orientation);
  }

  /** @param {number} px @param {number} py */
  screenToImage(px, py) {
    return this.frame ? screenToImage(this.frame, px, py) : { u: NaN, v: NaN };
  }

  /** @param {number} u @param {number} v */
  imageToScreen(u, v) {
    return this.frame ? imageToScreen(this.frame, u, v) : { px: NaN, py: NaN };
  }

  /** @param {{clientX: number, clientY: number}} event @returns {Place | null} */
  locate(event) {
    if (!this.lane) return null;
    const box = this.element.getBoundingClientRect();
    // A press may come before the new size was told.
    if (this.box && (box.width !== this.box.width || box.height !== this.box.height)) this.resize();
    const { u, v } = pointToImage(/** @type {import("./geometry.js").Frame} */ (this.frame), event.clientX - box.left, event.clientY - box.top);
    const { width, height } = planeSize(this.lane, this.place.plane), { t, plane, slice } = this.place;
    return { u, v, t, ...voxelAt(plane, slice, u, v), inside: u >= 0 && v >= 0 && u < width && v < height };
  }

  /** @returns {View | null} */
  get view() {
    const sight = this.sight();
    if (!sight || !this.picture) return null;
    const { t, plane, slice } = sight;
    return { lane: sight.lane.id, t, plane, slice, ...this.look, orientation: this.orientation, level: this.picture.level(sight), box: this.picture.box(sight), layers: wantedLayers(this.layers) };
  }

  // ---- drawing -------------------------------------------------------------------------------------------------

  /** @private @returns {import("./picture.js").Sight | null} */
  sight() {
    const { frame, lane } = this;
    if (!frame || !lane) return null;
    const { layers, classes, rawOnly, swipe } = this, area = this.options.minimap === false ? null : minimapArea(frame, planeSize(lane, this.place.plane));
    /** @type {Box | null} */
    const inset = area && [area.left * frame.ratio, area.top * frame.ratio, (area.left + area.width) * frame.ratio, (area.top + area.height) * frame.ratio];
    return { lane, ...this.place, frame, layers, classes, rawOnly, swipe, inset };
  }

  /** Something is to be drawn or asked for again. @param {Partial<{picture: boolean, cursor: boolean, wants: boolean}>} what */
  touch(what) {
    Object.assign(this.dirty, what);
    if (!this.raf && this.picture) this.raf = requestAnimationFrame(() => this.tick());
  }

  /** @private */
  tick() {
    this.raf = 0;
    const sight = this.sight();
    if (sight && this.dirty.wants && !this.renderer?.lost) {
      this.dirty.wants = false;
      this.picture?.request(sight);
    }
    if (sight && performance.now() < this.holdUntil && this.dirty.picture && (this.seeking.size || !this.picture?.complete(sight))) {
      this.raf = requestAnimationFrame(() => this.tick());
      return;
    }
    this.holdUntil = 0;
    if (this.dirty.picture) this.drawPicture(sight);
    if (this.dirty.cursor) this.drawOver(sight);
    if (sight) this.tellView(sight);
  }

  /** @private @param {import("./picture.js").Sight | null} sight */
  drawPicture(sight) {
    this.dirty.picture = false;
    const { renderer, picture } = this;
    if (!renderer || !picture || renderer.lost) return;
    const start = performance.now();
    const frame = frameOf({ id: "", shape: [1, 1, 1, 1, 1], dtype: "uint8", v: "", levels: 1 }, "xy", this.look, this.port);
    renderer.draw(sight ? picture.scene(sight) : { frame, image: null, raws: [], overlays: [], swipe: 0, line: 1, inset: null });
    this.stats.frames += 1;
    this.stats.drawMs += performance.now() - start;
    this.options.drawn?.();
    this.wait();
  }

  /** Echoes that wait for tiles are looked at again, although nothing else changes. @private */
  wait() {
    clearTimeout(this.echoTimer);
    const waiting = [...(this.picture?.echoes.byToken.values() ?? [])].some((echo) => echo.until !== null);
    if (waiting) this.echoTimer = setTimeout(() => this.touch({ picture: true, wants: true }), 500);
  }

  /** @private @param {import("./picture.js").Sight | null} sight */
  drawOver(sight) {
    this.dirty.cursor = false;
    if (!sight) return this.scalebar?.show(null);
    const { frame, lane, plane } = sight, size = planeSize(lane, plane);
    this.cursor?.draw(frame);
    this.scalebar?.show(this.options.scalebar === false ? null : scaleBar(lane, plane, frame));
    this.minimap?.show(frame, size, sight.inset && minimapArea(frame, size));
  }

  /** @private @param {import("./picture.js").Sight} sight */
  tellView(sight) {
    const view = this.view, text = JSON.stringify(view);
    if (text !== this.lastView) {
      this.lastView = text;
      this.tell("view", view);
      if (this.pointer) this.tell("hover", this.locate(this.pointer));
    }
    const complete = this.picture?.complete(sight) ?? false;
    if (complete && !this.wasComplete) this.tell("complete", view);
    this.wasComplete = complete;
  }

  // ---- events and tests ----------------------------------------------------------------------------------------

  /** @param {string} event @param {(payload: any) => void} fn @returns {() => void} takes it off again */
  on(event, fn) {
    const set = this.listeners.get(event);
    if (!set) throw new TypeError(`The viewer has no event ${JSON.stringify(event)}.`);
    set.add(fn);
    return () => set.delete(fn);
  }

  /** @private @param {string} event @param {any} payload */
  tell(event, payload) {
    for (const fn of this.listeners.get(event) ?? []) fn(payload);
  }

  /** Draws at once, whatever is there. */
  renderNow() {
    const sight = this.sight();
    this.holdUntil = 0;
    this.drawPicture(sight);
    this.drawOver(sight);
  }

  /** @param {number} px @param {number} py CSS pixels @returns {number[]} r, g, b, a: 0..255 */
  readPixel(px, py) {
    this.renderNow();
    return this.renderer?.readPixel(px * this.port.ratio, py * this.port.ratio) ?? [0, 0, 0, 0];
  }

  /** Kept when nothing is loading and nothing waits to be drawn. @returns {Promise<void>} */
  async settled() {
    do await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    while (this.raf || this.picture?.busy || this.dirty.picture || this.seeking.size);
  }

  destroy() {
    cancelAnimationFrame(this.raf);
    clearTimeout(this.echoTimer);
    clearTimeout(this.lostTimer);
    this.observer?.disconnect();
    window.removeEventListener("resize", this.onResize ?? (() => {}));
    this.picture?.close();
    this.picture = undefined;
    this.renderer?.destroy();
    this.element.replaceChildren();
  }
}

/** The canvas of a renderer; one that has had a context of one kind never gets another. */
function makeCanvas() {
  const canvas = document.createElement("canvas");
  canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%;display:block;background:var(--bg-well, #08090a)";
  return canvas;
}
