/**
 * The only door to the viewer: `mount` makes it in an element. Methods and events: docs/design/viewer.md, Mount.
 */
import { act, holdAction, pickAt } from "./actions.js";
import { Connection } from "./connection.js";
import { Courier } from "./courier.js";
import { Deeds } from "./deeds.js";
import { Emitter } from "./emitter.js";
import { Facing } from "./facing.js";
import { Hand } from "./hand.js";
import { Keys } from "./keys.js";
import { levelling } from "./levelling.js";
import { Marks } from "./marks.js";
import { openOutbox } from "./outbox.js";
import { Painting } from "./painting.js";
import { OrthoView } from "./orthoview.js";
import { Places } from "./places.js";
import { Pointed } from "./pointed.js";
import { Store } from "./store.js";
import { StrokeStore } from "./strokestore.js";
import { copyPicture } from "./snapshot.js";
import { SwipeLine } from "./swipeline.js";
import { Tools } from "./tools.js";
import { PLAIN, SHIFTED, turned } from "./turning.js";
import { ViewMenus } from "./viewmenu.js";
import { Wheel } from "./wheel.js";

/**
 * @typedef {{project: string, prefix?: string, lane?: string, view?: string, alone?: boolean, preset?: "underbrush" | "ilastik",
 *            keys?: Record<string, string[]>, renderer?: "auto" | "webgl2" | "canvas2d", pixelRatio?: number}} Options
 * @typedef {import("./strokestore.js").Command} Command
 * @typedef {import("./outbox.js").Entry} Entry
 * @typedef {import("./painting.js").Mark} Mark
 * @typedef {"xy" | "xz" | "zy"} Plane
 */

/** How often what closed tabs left is looked for, in milliseconds. */
const COURIER = 30000;
/** After how long a state that did not come is asked for again. */
const AGAIN = 2000;

/**
 * @param {HTMLElement} element
 * @param {Options} options
 * @returns {Promise<Mounted>} never rejects for a server that is away
 */
export async function mount(element, options) {
  const store = new StrokeStore(here(() => globalThis.indexedDB));
  const locks = navigator.locks ?? null;
  const { claim, outbox } = await openOutbox({ project: options.project, store, locks, tab: here(() => globalThis.sessionStorage) });
  const app = new Mounted(element, options, { claim, outbox, locks });
  app.begin();
  return app;
}

/** A browser may forbid its memory by throwing. @template T @param {() => T} ask @returns {T | null} */
function here(ask) {
  try {
    return ask() ?? null;
  } catch {
    return null;
  }
}

export { StrokeStore };

export class Mounted extends Emitter {
  /**
   * @param {HTMLElement} element
   * @param {Options} options
   * @param {{claim: import("./claim.js").Claim, outbox: import("./outbox.js").Outbox, locks: LockManager | null}} own
   */
  constructor(element, options, { claim, outbox, locks }) {
    super();
    this.element = element;
    this.options = options;
    this.claim = claim;
    this.client = claim.client;
    this.outbox = outbox;
    const api = `${options.prefix ?? ""}/api/p/${options.project}`;
    this.api = api;
    this.viewer = new OrthoView(element, { api, renderer: options.renderer, pixelRatio: options.pixelRatio });
    this.tools = new Tools(here(() => globalThis.localStorage));
    this.keys = new Keys({ preset: options.preset, changes: options.keys });
    this.store = new Store({ url: `${api}/state?client=${this.client}` });
    this.connection = new Connection({ ...this.line(), client: this.client, outbox });
    this.courier = new Courier({ project: options.project, own: this.client, store: outbox.store, locks, connection: this.line() });
    this.deeds = new Deeds({
      outbox,
      send: (command) => this.submit(command),
      again: (command, stroke) => this.deeds.put(this.submit(command, this.marks.echo(command)), stroke),
      dropped: (entry) => this.marks.drop(entry),
    });
    this.pointed = new Pointed({ api });
    this.painting = new Painting({
      canvas: this.canvas(),
      tools: this.tools,
      sheet: () => this.places.sheet,
      commit: (command, stroke, mark) => this.deeds.note(this.submit(command, mark), stroke),
      pick: (place) => void pickAt(this, place),
      point: (place) => this.places.point(place),
      level: (event) => levelling(this, event),
    });
    const shown = (/** @type {any} */ lane) => this.tools.suit(lane.shape[4], lane.shape[3]);
    this.marks = new Marks({ viewer: this.viewer, store: this.store, tools: this.tools, token: () => this.painting.token() });
    /** @type {Places} */
    this.places = new Places({ viewer: this.viewer, store: this.store, painting: this.painting, shown });
    this.hand = new Hand(this);
    this.facing = new Facing(this, here(() => globalThis.localStorage));
    this.menus = new ViewMenus(this);
    this.swipe = new SwipeLine(this);
    this.wheel = new Wheel();
    /** @type {{plain: import("./turning.js").Plain, shifted: import("./turning.js").Shifted}} */
    this.wheelMeans = { plain: "auto", shifted: "brush" };
    /** @type {WeakSet<Entry>} whoever gave these is told by a promise */
    this.awaited = new WeakSet();
    this.titles = "";
    /** @type {Map<string, any>} events that wait until a stroke is done */
    this.held = new Map();
    this.shownView = "";
    /** @type {(() => void)[]} */
    this.undos = [];
  }

  /** The way to the server. */
  line() {
    const url = new URL(`${this.api}/ws`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const probe = async () => (await fetch(`${this.api}/state?client=${this.client}`, { method: "GET", cache: "no-store" })).status;
    const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    return { url: url.href, probe, online: () => local || navigator.onLine };
  }

  /** What painting uses of the viewer. @returns {import("./painting.js").Canvas} */
  canvas() {
    const { viewer } = this;
    return {
      get surface() {
        return viewer.surface;
      },
      locate: (event) => viewer.locate(event),
      panBy: (dx, dy) => viewer.panBy(dx, dy),
      zoomAt: (px, py, factor) => viewer.zoomAt(px, py, factor),
      echo: (runs, classId, token, lane) => viewer.echo(runs, classId, token, lane),
      dropEcho: (token, revision) => viewer.dropEcho(token, revision),
      drawCursor: (loops) => viewer.drawCursor(loops),
    };
  }

  begin() {
    const { viewer, tools, store, connection, outbox, keys, courier, painting } = this;
    this.element.dataset.viewer = "";
    viewer.surface.tabIndex = 0;
    this.hear(store.on("state", (state) => this.stateChanged(state)));
    this.hear(tools.on("tool", (state) => this.emit("tool", state)));
    this.hear(keys.on("down", ({ action, repeat }) => (this.isHeld(action) ? holdAction(this, action, true) : act(this, action, repeat))));
    this.hear(keys.on("up", ({ action }) => holdAction(this, action, false)));
    this.hear(painting.on("notice", (notice) => this.emit("notice", notice)));
    this.hear(this.pointed.on("cursor", (cursor) => this.emit("cursor", { ...cursor, feature: viewer.featureUnder(cursor) })));
    this.hear(outbox.on("change", () => this.unsentChanged()));
    this.hear(courier.on("waiting", () => this.unsentChanged()));
    this.hear(outbox.on("storage", (storage) => this.calmly("storage", storage)));
    this.hear(painting.on("active", (active) => active || this.tellHeld()));
    this.hear(courier.on("refused", ({ sentence }) => this.notice("warning", `A stroke of a closed window was not taken: ${sentence}`)));
    this.hear(viewer.on("view", (view) => this.viewChanged(view)));
    this.hear(viewer.on("place", () => this.tellPosition()));
    this.hear(viewer.on("complete", (view) => this.emit("complete", { t: view.t, plane: view.plane, slice: view.slice })));
    this.hear(viewer.on("hover", (place) => this.pointed.at(place && viewer.lane ? { lane: viewer.lane.id, ...place } : null)));
    this.hear(viewer.on("error", ({ sentence, permanent }) => this.notice(permanent ? "error" : "warning", sentence)));
    this.hearConnection(connection);
    this.hearWindow();
    for (const entry of outbox.entries) this.marks.put(entry, this.marks.echo(entry.command));
    keys.listen(window);
    painting.listen();
    this.hand.listen();
    this.swipe.listen();
    this.facing.listen();
    this.menus.listen();
    connection.start();
    void store.refresh();
  }

  /** @param {Connection} connection */
  hearConnection(connection) {
    this.hear(connection.on("state", () => this.calmly("connection", this.connectionState)));
    this.hear(connection.on("welcome", (welcome) => this.welcomed(welcome)));
    this.hear(connection.on("ack", (ack) => this.acknowledged(ack)));
    this.hear(connection.on("refused", ({ entry, sentence }) => this.refused(entry, sentence)));
    this.hear(connection.on("later", ({ sentence }) => connection.laters === 1 && this.notice("error", `${sentence} What you painted is kept here and tried again.`)));
    this.hear(connection.on("message", (message) => this.message(message)));
    this.hear(connection.on("binary", ({ header, bytes }) => header.type === "tile" && this.viewer.putOverlayTile(header, bytes)));
    this.hear(connection.on("trouble", ({ sentence }) => this.notice("error", sentence)));
  }

  hearWindow() {
    const on = (/** @type {EventTarget} */ target, /** @type {string} */ name, /** @type {(event: any) => void} */ fn, options = {}) => {
      target.addEventListener(name, fn, options);
      this.hear(() => target.removeEventListener(name, fn, options));
    };
    const hearSurface = (/** @type {HTMLElement} */ surface) => {
      on(surface, "wheel", (event) => turned(this, event), { passive: false });
      on(surface, "pointerdown", () => this.focus());
    };
    this.viewer.surfaces.forEach(hearSurface);
    this.hear(this.viewer.on("pane", (surface) => {
      surface.tabIndex = -1;
      hearSurface(surface);
      this.painting.listenTo(surface);
    }));
    on(window, "online", () => this.connection.hurry());
    on(document, "visibilitychange", () => !document.hidden && this.connection.hurry());
    on(window, "beforeunload", (event) => {
      this.painting.finish();
      if (this.outbox.atRisk) event.preventDefault();
    });
    const timer = setInterval(() => void this.courier.round(), COURIER);
    this.hear(() => clearInterval(timer));
  }

  /** @param {() => void} undo */
  hear(undo) {
    this.undos.push(undo);
  }

  // -- commands -------------------------------------------------------------------------------------------------

  /**
   * @param {Command} command
   * @param {Mark | null} [mark]
   * @returns {Entry}
   */
  submit(command, mark = null) {
    const entry = this.outbox.add(command);
    this.marks.put(entry, mark);
    this.connection.pump();
    return entry;
  }

  /**
   * @param {Command} json
   * @param {number | null} [deed] commands of one number are taken back together
   * @returns {Promise<import("./outbox.js").Outcome>}
   */
  command(json, deed = null) {
    if (json.type === "undo" || json.type === "redo") this.painting.finish();
    const entry = this.submit(JSON.parse(JSON.stringify(json)));
    this.awaited.add(entry);
    if (json.type !== "undo" && json.type !== "redo") this.deeds.note(entry, deed);
    return entry.outcome;
  }

  undo() {
    this.painting.finish();
    this.deeds.undo();
  }

  redo() {
    this.painting.finish();
    this.deeds.redo();
  }

  unsentChanged() {
    this.emit("unsent", this.courier.with(this.outbox.summary));
    // Undo is offered for what the server does not know yet, too.
    queueMicrotask(() => this.store.state && JSON.stringify(this.history()) !== this.titles && this.tellState());
  }

  /** @returns {{undo: string | null, redo: string | null}} what would be undone and redone */
  history() {
    const { undo, redo } = this.store.state;
    const { waiting, taken } = this.deeds;
    return { undo: waiting ? this.marks.title(waiting) : undo, redo: taken ? this.marks.title(taken) : waiting ? null : redo };
  }

  /** The state as panels hear it. */
  tellState() {
    this.titles = JSON.stringify(this.history());
    this.calmly("state", this.shownState);
  }

  get shownState() {
    return this.store.state && { ...this.store.state, ...this.history() };
  }

  /** @param {any} ack */
  acknowledged({ entry, number, revision, title, changed, undo, redo }) {
    this.marks.drop(entry, revision);
    if (changed === false) this.deeds.unchanged(entry);
    if (this.marks.of(entry)) {
      this.emit("stroke", { number, class: entry.command.class, pixels: this.marks.of(entry)?.pixels ?? 0, title });
    }
    if (undo !== undefined) this.store.merge({ type: "state", undo, redo });
  }

  /** @param {Entry} entry @param {string} sentence */
  refused(entry, sentence) {
    this.marks.drop(entry);
    this.deeds.unchanged(entry);
    if (!this.awaited.has(entry)) this.notice("warning", sentence);
  }

  /** @param {{revision: number, done: Entry[]}} welcome */
  welcomed({ revision, done }) {
    for (const entry of done) this.marks.drop(entry, revision);
    this.viewer.refreshLabels();
    void this.askState();
    void this.courier.round();
  }

  /** Asks for the state until there is one: nothing can be shown without. */
  async askState() {
    const there = await this.store.restart();
    if (!there && this.connection.welcomed) this.asking = setTimeout(() => void this.askState(), AGAIN);
  }

  /** @param {any} message */
  message(message) {
    const { type } = message;
    if (type === "labels") {
      // Of very large changes only the box is told.
      if (message.changes) this.viewer.putLabels(message);
      else this.viewer.refreshLabels();
      this.pointed.stale();
    } else if (type === "state") this.store.merge(message);
    else if (type === "training" || type === "save") {
      const { type: _type, ...content } = message;
      this.store.merge({ type: "state", [type]: content });
      if (type === "training") this.pointed.stale();
      if (type === "save") this.calmly(type, message);
      else this.emit(type, message);
    } else this.emit(type, message);
  }

  /**
   * Tells what may bring a banner, which moves the image, not before the stroke under way is done.
   * @param {string} event
   * @param {any} payload
   */
  calmly(event, payload) {
    if (this.painting.active) this.held.set(event, payload);
    else this.emit(event, payload);
  }

  tellHeld() {
    const held = [...this.held];
    this.held.clear();
    for (const [event, payload] of held) this.emit(event, payload);
  }

  /** @param {"info" | "warning" | "error"} level @param {string} sentence */
  notice(level, sentence) {
    this.emit("notice", { level, sentence });
  }

  // -- state and place --------------------------------------------------------------------------------------------

  /** @param {any} state */
  stateChanged(state) {
    this.tools.setClasses(state.classes, state.read_only ?? null);
    this.viewer.setClasses(state.classes);
    const shown = this.viewer.lane;
    const lane = (shown && this.store.lane(shown.id)) ?? this.store.lane(this.options.lane ?? "") ?? state.lanes[0] ?? null;
    if (lane?.id !== shown?.id) this.places.show(lane);
    else if (lane && JSON.stringify(lane) !== JSON.stringify(shown)) this.viewer.setLane(lane);
    this.tellState();
  }

  /** @param {import("./viewer.js").View | {plane: Plane, lane: null} | null} view lane null: that plane is not shown any more */
  viewChanged(view) {
    if (!view) return;
    const name = this.options.view ?? "main", own = view.plane === "xy" ? name : `${name}-${view.plane}`;
    if (view.lane === null) {
      if (this.connection.views.has(own)) this.connection.look(own, null);
      return;
    }
    const { lane, t, plane, slice, level, box, layers, zoom } = view;
    this.connection.look(own, box ? { lane, t, plane, slice, level, box, layers } : null);
    if (plane === this.viewer.current) this.emit("zoom", { zoom, level });
    this.tellPosition();
  }

  tellPosition() {
    const { position } = this.places;
    if (JSON.stringify(position) === this.shownView) return;
    this.shownView = JSON.stringify(position);
    this.emit("position", position);
  }

  /** @param {string} id @throws {RangeError} */
  setLane(id) {
    this.places.setLane(id);
  }

  /** @param {number} slice */
  setSlice(slice) {
    this.places.setSlice(slice);
  }

  /** @param {number} t */
  setTime(t) {
    this.places.set({ t });
  }

  /** Slices of a volume. @param {Partial<{t: number, z: number, y: number, x: number}>} position */
  setPosition(position) {
    this.places.set(position);
  }

  /** One view of a volume alone. @param {Plane} plane */
  setPlane(plane) {
    if (this.viewer.maximised !== plane) this.places.maximise(plane);
  }

  /** One view of a volume alone, or, where it is already, all of them again. @param {Plane | null} plane */
  maximise(plane) {
    this.places.maximise(plane);
  }

  /** @param {boolean} on */
  setCrosshair(on) {
    if (on !== this.places.position.crosshair) this.places.toggleCrosshair();
  }

  /**
   * @param {string} lane
   * @param {number} t
   * @param {number} z
   * @param {number} y
   * @param {number} x
   */
  goTo(lane, t, z, y, x) {
    this.places.goTo(lane, { t, z, y, x });
    this.hand.arrive({ z, y, x });
  }

  back() {
    this.places.back();
  }

  fit() {
    this.viewer.fit();
  }

  /** @param {number} factor device pixels per image pixel */
  zoomTo(factor) {
    this.viewer.zoomTo(factor);
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.viewer.zoomTo(this.viewer.look.zoom * factor);
  }

  centre() {
    this.places.centre();
  }

  /**
   * What the wheel does alone and with Shift.
   * @param {import("./turning.js").Plain} plain @param {import("./turning.js").Shifted} [shifted] @throws {RangeError}
   */
  setWheel(plain, shifted = "brush") {
    if (!PLAIN.includes(plain) || !SHIFTED.includes(shifted)) throw new RangeError("There is no such meaning of the wheel.");
    this.wheelMeans = { plain, shifted };
  }

  // -- tools, layers, results ---------------------------------------------------------------------------------------

  /** @param {string} tool */
  setTool(tool) {
    this.tools.setTool(tool);
  }

  /** @param {number} size */
  setBrushSize(size) {
    this.tools.setSize(size);
  }

  /** @param {number} steps */
  stepBrush(steps) {
    for (let i = 0; i < Math.abs(steps); i++) this.tools.stepSize(steps);
  }

  /** @param {{by?: "label" | "value", tolerance?: number}} rule */
  setFill(rule) {
    this.tools.setFill(rule);
  }

  /** @param {number} id */
  setClass(id) {
    this.tools.setClass(id);
  }

  /** @param {string} name @param {Record<string, any>} props */
  setLayer(name, props) {
    this.viewer.setLayer(name, props);
    this.emit("layers", this.layers());
  }

  /** @returns {Record<string, any>} */
  layers() {
    return this.viewer.layers;
  }

  /** @param {boolean} on */
  setRawOnly(on) {
    this.viewer.setRawOnly(on);
  }

  /** Black and white of the feature image that is shown, or null. @returns {[number, number] | null} */
  featureRange() {
    return this.viewer.active.featureRange;
  }

  /** @param {boolean} on */
  setLive(on) {
    if (!this.connection.tell({ type: "live", on })) return this.notice("warning", "Live cannot be switched while the server is away.");
    this.store.merge({ type: "state", live: on });
  }

  update() {
    if (!this.connection.tell({ type: "update" })) this.notice("warning", "There is no update while the server is away.");
  }

  // -- keys, the whole, the end -----------------------------------------------------------------------------------------

  /** @param {string} action @returns {boolean} */
  isHeld(action) {
    return this.keys.entries.some((entry) => entry.action === action && entry.hold === true);
  }

  /** @param {"underbrush" | "ilastik"} preset @param {Record<string, string[]>} [changes] */
  setKeys(preset, changes) {
    return this.keys.set(preset, changes);
  }

  keyTable() {
    return this.keys.table();
  }

  /** What a key would be called, for who changes one. @param {KeyboardEvent} event @param {string} action */
  nameKey(event, action) {
    return this.keys.named(event, action);
  }

  /** Results only to the right of that part of the width; null: everywhere. @param {number | null} fraction */
  setSwipe(fraction) {
    this.swipe.set(fraction);
  }

  copyPicture() {
    return copyPicture(this);
  }

  /** @param {string} action of keyTable() @throws {RangeError} */
  do(action) {
    if (!act(this, action)) throw new RangeError(`There is no action named ${JSON.stringify(action)}.`);
  }

  get connectionState() {
    const { state, sentence, banner } = this.connection;
    return { state, sentence, banner, unsent: this.courier.with(this.outbox.summary).count };
  }

  snapshot() {
    return {
      client: this.client,
      tool: this.tools.state,
      position: this.places.position,
      zoom: { zoom: this.viewer.look.zoom, level: this.viewer.view?.level ?? 0 },
      layers: this.layers(),
      hand: { on: this.hand.on, down: this.hand.down },
      swipe: { fraction: this.swipe.fraction },
      connection: this.connectionState,
      unsent: this.courier.with(this.outbox.summary),
      storage: this.outbox.storage,
      state: this.shownState,
    };
  }

  focus() {
    this.viewer.surface?.focus({ preventScroll: true });
  }

  /** Ends everything. What waits stays in the browser, and is sent by the next page. */
  unmount() {
    this.painting.close();
    this.keys.unlisten();
    for (const undo of this.undos.splice(0)) undo();
    clearTimeout(this.asking);
    this.places.close();
    this.courier.close();
    this.connection.stop();
    this.pointed.close();
    this.store.close();
    this.outbox.close();
    this.viewer.destroy();
    void this.outbox.writing.finally(() => this.claim.release());
  }
}
