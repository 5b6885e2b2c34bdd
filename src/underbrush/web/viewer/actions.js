/**
 * What each action of keytable.js does. An action that is not here is the page's: it is told as an event.
 */
import { shownChannels, shownFeature } from "./layers.js";
import { ALONG } from "./orthoview.js";
import { savePicture } from "./snapshot.js";

/** @typedef {import("./index.js").Mounted} Mounted */
/** A press of an arrow moves by this part of the view. */
const MOVE = 0.1;
const ZOOM = 1.25;

/** Actions of the page around the viewer. */
export const PAGE = Object.freeze(new Set(["keys", "next", "backPlace", "sidePanels", "panels", "panelsBack", "goto", "addClass"]));

/** @type {Readonly<Record<string, (app: Mounted, repeat: boolean) => void>>} */
const SIMPLE = Object.freeze({
  cancel: (app) => (app.painting.active && app.tools.tool === "lasso" ? app.painting.cancel() : app.hand.leave()),
  hand: (app) => app.hand.enter(),
  swipe: (app) => app.swipe.toggle(),
  picture: (app) => void savePicture(app),
  undo: (app) => app.undo(),
  redo: (app) => app.redo(),
  live: (app) => app.setLive(!app.store.state?.live),
  update: (app) => app.update(),
  contrast: (app) => void autoContrast(app),
  "brush:smaller": (app) => app.stepBrush(-1),
  "brush:larger": (app) => app.stepBrush(1),
  "layer:labels": (app) => toggle(app, "labels"),
  "layer:segmentation": (app) => toggle(app, "segmentation"),
  "layer:uncertainty": (app) => toggle(app, "uncertainty"),
  "layer:probability": (app) => toggleProbability(app),
  "zoom:in": (app) => app.zoomBy(ZOOM),
  "zoom:out": (app) => app.zoomBy(1 / ZOOM),
  "zoom:100": (app) => app.zoomTo(1),
  reconnect: (app) => app.connection.again(),
  fit: (app) => app.fit(),
  centre: (app) => app.centre(),
  crosshair: (app) => app.places.toggleCrosshair(),
  "move:left": (app, repeat) => move(app, -1, 0, repeat),
  "move:right": (app, repeat) => move(app, 1, 0, repeat),
  "move:up": (app, repeat) => move(app, 0, -1, repeat),
  "move:down": (app, repeat) => move(app, 0, 1, repeat),
});

/** @type {Readonly<Record<string, (app: Mounted, on: boolean) => void>>} in force while a key is down */
const HELD = Object.freeze({
  erase: (app, on) => app.tools.hold("erase", on),
  pan: (app, on) => (app.hand.on ? app.hand.press(on) : app.tools.hold("pan", on)),
  pick: (app, on) => app.tools.hold("pick", on),
  rawOnly: (app, on) => app.setRawOnly(on),
});

/** More slices than there are: clamped to the first and the last. @type {Readonly<Record<string, number>>} */
const SLICES = Object.freeze({ first: -(2 ** 31), last: 2 ** 31 });

/** Nothing of this may happen under a stroke that is being painted. */
const DISTURBING = /^(undo|redo|fit|centre|slice:|time:|maximise:|turn:|tool:|class:)/;

/**
 * @param {Mounted} app
 * @param {string} action
 * @param {boolean} [repeat] the key stayed down
 * @returns {boolean} whether there is such an action
 */
export function act(app, action, repeat = false) {
  if (app.painting.active && DISTURBING.test(action)) return true;
  const [kind, value] = action.split(":");
  if (Object.hasOwn(SIMPLE, action)) SIMPLE[action](app, repeat);
  else if (kind === "tool") app.setTool(value);
  else if (kind === "class") app.tools.setClassAt(Number(value));
  else if (kind === "slice") app.places.step(SLICES[value] ?? Number(value));
  else if (kind === "maximise") app.places.maximise(ALONG[value]);
  else if (kind === "turn") app.facing.turn(/** @type {import("./orientation.js").Turn} */ (value));
  else if (kind === "time") app.setTime(app.viewer.place.t + Number(value));
  else if (kind === "channel") stepChannel(app, Number(value));
  else if (PAGE.has(action)) app.emit("action", { action });
  else return false;
  return true;
}

/** @param {Mounted} app @param {string} action @param {boolean} on */
export function holdAction(app, action, on) {
  if (Object.hasOwn(HELD, action)) HELD[action](app, on);
}

/** @param {Mounted} app @param {string} name */
function toggle(app, name) {
  app.setLayer(name, { visible: !app.viewer.layers[name]?.visible });
}

/** The probability of the class in hand; when one is shown already, none. @param {Mounted} app */
function toggleProbability(app) {
  const shown = Object.entries(app.viewer.layers).filter(([name, layer]) => name.startsWith("probability:") && layer.visible);
  for (const [name] of shown) app.setLayer(name, { visible: false });
  if (!shown.length && app.tools.classId !== null) app.setLayer(`probability:${app.tools.classId}`, { visible: true });
}

/** The pointer of the keyboard, or what is seen. @param {Mounted} app @param {number} right @param {number} down @param {boolean} repeat */
function move(app, right, down, repeat) {
  if (app.hand.on) return app.hand.step(right, down, repeat);
  const { clientWidth, clientHeight } = app.element;
  app.viewer.panBy(-right * MOVE * clientWidth, -down * MOVE * clientHeight);
}

/** The contrast that suits the channels that are shown. @param {Mounted} app */
async function autoContrast(app) {
  const { lane, layers } = app.viewer, feature = shownFeature(layers);
  if (!lane) return;
  if (feature) return app.setLayer(feature, { low: null, high: null });
  try {
    for (const { channel } of shownChannels(layers, lane)) {
      const response = await fetch(`${app.api}/lanes/${lane.id}/histogram?c=${channel}`);
      if (!response.ok) throw new Error(String(response.status));
      const [low, high] = (await response.json()).auto;
      if (high > low) app.setLayer("raw", { channels: { [channel]: { low, high } } });
    }
  } catch {
    app.notice("warning", "The contrast could not be found: the server does not answer. Try again when it is back.");
  }
}

/** One channel alone, the next or the one before. @param {Mounted} app @param {number} step */
function stepChannel(app, step) {
  const { lane } = app.viewer;
  const count = lane?.shape[1] ?? 1;
  if (!lane || count < 2) return;
  const shown = shownChannels(app.viewer.layers, lane);
  const at = shown.length === 1 ? shown[0].channel + step : step > 0 ? 0 : count - 1;
  app.setLayer("raw", { mode: "single", channel: ((at % count) + count) % count });
}

/** The class of the stroke at a place comes into the hand. @param {Mounted} app @param {{lane?: string, t: number, z: number, y: number, x: number}} place */
export async function pickAt(app, place) {
  const value = await app.pointed.ask({ lane: app.viewer.lane?.id ?? "", ...place });
  if (!value) app.notice("warning", "The class here is not known: the server does not answer.");
  else if (!value.label) app.notice("info", "There is no stroke here to pick a class from.");
  else if (app.tools.classes.some(({ id }) => id === value.label)) app.tools.picked(value.label);
}
