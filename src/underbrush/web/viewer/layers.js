// State of the layers: what is shown, and how. Pure: every change gives a new frozen state.

/** @typedef {[number, number, number]} Colour  0..255 */
/** @typedef {{visible: boolean | null, colour: Colour | null, low: number | null, high: number | null, gamma: number}} ChannelLook  visible null: as the lane begins */
/** @typedef {{visible: boolean, opacity: number, mode: "single" | "composite" | "rgb" | "random" | "mask" | null, channel: number,
 *   channels: Readonly<Record<number, ChannelLook>>}} RawLayer  mode null: what the project says, or what suits the lane;
 *   random: one channel, each number in a colour of its own; mask: one channel, what is above 0 in one colour */
/** @typedef {{visible: boolean, opacity: number, style?: "fill" | "outline", eyes?: Readonly<Record<number, boolean>>,
 *   colour?: Colour | null, low?: number | null, high?: number | null, gamma?: number}} OverLayer */
/** @typedef {Readonly<{raw: RawLayer} & Record<string, OverLayer>>} Layers */
/** @typedef {{id: number, value?: number, name?: string, colour: number[], locked?: boolean}} ClassInfo */
/** @typedef {import("./geometry.js").Lane} Lane */
/** What one channel is drawn with. @typedef {{channel: number, colour: Colour, low: number, high: number, gamma: number, random?: boolean, mask?: boolean}} Shown */

/** Order of drawing of the overlays, from below. */
const ORDER = ["feature:", "mask", "segmentation", "probability:", "uncertainty", "labels"];

/** Channels of a composite: magenta against green is safe for colour-blind eyes, and so is blue beside both. @type {Colour[]} */
const COMPOSITE = [[0, 255, 0], [255, 0, 255], [0, 120, 255], [255, 255, 0], [0, 255, 255], [255, 128, 0]];
/** @type {Colour[]} */
const PRIMARY = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
/** Of a composite, where the lane does not say which. */
const FIRST = [0, 1, 2];
/** No class has it; it is seen on dark, grey and white. @type {Colour} */
const UNCERTAIN = [122, 92, 255];

/** The same over coloured images: stained sections are violet themselves. @type {Colour} */
const UNCERTAIN_ON_COLOUR = [0, 222, 150];

/** Between black and white, so that what lies outside of a mask is told from it on either. @type {Colour} */
const VEIL = [74, 80, 90];
/** @type {Colour} */
const VEIL_EDGE = [205, 210, 218];

/** A range so narrow that whatever is above 0 is as bright as it gets. */
const ANYTHING = 1e-30;

/** @returns {Layers} */
export function initialLayers() {
  /** @type {any} */
  const layers = {
    raw: { visible: true, opacity: 1, mode: null, channel: 0, channels: {} },
    labels: { visible: true, opacity: 1, eyes: {} },
    segmentation: { visible: true, opacity: 0.35, style: "fill", eyes: {} },
    uncertainty: { visible: false, opacity: 0.7, colour: null },
    mask: { visible: true, opacity: 0.6 },
  };
  return Object.freeze(layers);
}

/** @param {string} name @returns {OverLayer | null} what a layer is that has not been named before */
function freshLayer(name) {
  if (/^probability:\d+$/.test(name)) return { visible: false, opacity: 0.5, colour: null };
  if (/^feature:./s.test(name)) return { visible: false, opacity: 1, colour: null, low: null, high: null, gamma: 1 };
  return null;
}

/**
 * @param {Layers} layers @param {string} name @param {Record<string, any>} props
 * @returns {Layers}
 * @throws {TypeError} for a layer or a property that does not exist, or a value of a wrong kind
 */
export function withLayer(layers, name, props) {
  const before = /** @type {any} */ (layers[name] ?? freshLayer(name));
  if (!before) throw new TypeError(`There is no layer ${JSON.stringify(name)}.`);
  const after = { ...before };
  for (const [key, value] of Object.entries(props)) {
    if (!(key in before)) throw new TypeError(`The layer ${name} has no property ${JSON.stringify(key)}.`);
    if (key === "channels") after.channels = withChannels(before.channels, value);
    else if (key === "eyes") after.eyes = Object.freeze({ ...before.eyes, ...check(name, key, value) });
    else after[key] = check(name, key, value);
  }
  return Object.freeze({ ...layers, [name]: Object.freeze(after) });
}

/** @param {Readonly<Record<number, ChannelLook>>} before @param {any} changes */
function withChannels(before, changes) {
  if (!isObject(changes)) throw new TypeError("channels is an object of channel number to its look.");
  /** @type {Record<number, ChannelLook>} */
  const after = { ...before };
  for (const [index, props] of Object.entries(changes)) {
    if (!/^\d+$/.test(index) || !isObject(props)) throw new TypeError(`There is no channel ${JSON.stringify(index)}.`);
    /** @type {any} */
    const look = { ...(before[Number(index)] ?? { visible: null, colour: null, low: null, high: null, gamma: 1 }) };
    for (const [key, value] of Object.entries(/** @type {object} */ (props))) {
      if (!(key in look)) throw new TypeError(`A channel has no property ${JSON.stringify(key)}.`);
      look[key] = key === "visible" && value === null ? null : check(`channel ${index}`, key, value);
    }
    after[Number(index)] = Object.freeze(look);
  }
  return Object.freeze(after);
}

/** @type {Record<string, (value: any) => boolean>} */
const RULES = {
  visible: (v) => typeof v === "boolean",
  opacity: (v) => Number.isFinite(v) && v >= 0 && v <= 1,
  mode: (v) => [null, "single", "composite", "rgb", "random", "mask"].includes(v),
  style: (v) => v === "fill" || v === "outline",
  channel: (v) => Number.isInteger(v) && v >= 0,
  colour: (v) => v === null || (Array.isArray(v) && v.length === 3 && v.every((part) => Number.isFinite(part) && part >= 0 && part <= 255)),
  low: (v) => v === null || Number.isFinite(v),
  high: (v) => v === null || Number.isFinite(v),
  gamma: (v) => Number.isFinite(v) && v > 0,
  eyes: (v) => isObject(v) && Object.entries(v).every(([id, on]) => /^\d+$/.test(id) && typeof on === "boolean"),
};

/** @param {string} where @param {string} key @param {any} value */
function check(where, key, value) {
  if (!RULES[key]?.(value)) throw new TypeError(`${where}: ${key} cannot be ${JSON.stringify(value)}.`);
  return value;
}

/** @param {any} value */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The names of the overlays that are switched on, from below. @param {Layers} layers */
export function overlayNames(layers) {
  return Object.keys(layers)
    .filter((name) => name !== "raw" && layers[name].visible && layers[name].opacity > 0)
    .sort((a, b) => rank(a) - rank(b));
}

/** The feature image that stands in place of the raw one, or null. @param {Layers} layers */
export function shownFeature(layers) {
  return overlayNames(layers).findLast((name) => name.startsWith("feature:")) ?? null;
}

/** What lies over the image: over a feature image nothing but labels. @param {Layers} layers */
export function laidOver(layers) {
  const names = overlayNames(layers).filter((name) => !name.startsWith("feature:"));
  return shownFeature(layers) ? names.filter((name) => name === "labels") : names;
}

/** What the server is asked to compute. @param {Layers} layers */
export function wantedLayers(layers) {
  return [shownFeature(layers) ?? [], ...laidOver(layers)].flat().filter((name) => name !== "labels" && name !== "mask");
}

/** @param {string} name */
function rank(name) {
  return ORDER.findIndex((kind) => (kind.endsWith(":") ? name.startsWith(kind) : name === kind));
}

/** Whether the numbers of an image may be names of objects. @param {Lane} lane */
export const hasNames = (lane) => !lane.dtype.startsWith("float");

/** What ilastik calls how an image is shown; all else suits the lane. @type {Readonly<Record<string, RawLayer["mode"]>>} */
const STORED = Object.freeze({ grayscale: "single", "alpha-modulated": "single", rgba: "rgb", "random-colortable": "random", "binary-mask": "mask" });

/** How the raw image of a lane is shown. @param {RawLayer} raw @param {Lane} lane */
export function rawMode(raw, lane) {
  const count = lane.shape[1], said = raw.mode ?? STORED[lane.display ?? ""] ?? null, wish = said === "random" && !hasNames(lane) ? null : said;
  const mode = wish ?? (lane.rgb && count >= 3 ? "rgb" : count > 1 ? "composite" : "single");
  return mode === "rgb" && count < 3 ? "single" : mode;
}

/**
 * The channels to draw, with all that is drawn with them. `auto`: contrast found for a channel, where nobody set any.
 * @param {Layers} layers @param {Lane} lane @param {(channel: number) => [number, number] | undefined} [auto]
 * @returns {Shown[]}
 */
export function shownChannels(layers, lane, auto = () => undefined) {
  const { raw } = layers, count = lane.shape[1], mode = rawMode(raw, lane);
  if (!raw.visible || raw.opacity === 0) return [];
  /** @param {number} channel @param {Colour} colour @returns {Shown} */
  const shown = (channel, colour) => {
    const look = raw.channels[channel], [low, high] = rangeOf(lane, auto(channel));
    return { channel, colour: scaled(colour, raw.opacity), low: look?.low ?? low, high: look?.high ?? high, gamma: look?.gamma ?? 1 };
  };
  if (mode === "single" || mode === "random" || mode === "mask") {
    const channel = Math.min(raw.channel, count - 1);
    if (mode === "mask") return [{ ...shown(channel, raw.channels[channel]?.colour ?? [255, 255, 255]), low: 0, high: ANYTHING, gamma: 1, mask: true }];
    if (mode === "random") return [{ ...shown(channel, [255, 255, 255]), random: true }];
    return [shown(channel, raw.channels[channel]?.colour ?? [255, 255, 255])];
  }
  if (mode === "rgb") return PRIMARY.map((colour, channel) => shown(channel, colour));
  return Array.from({ length: count }, (_, channel) => channel)
    .filter((channel) => raw.channels[channel]?.visible ?? (lane.first ?? FIRST).includes(channel))
    .map((channel) => shown(channel, raw.channels[channel]?.colour ?? COMPOSITE[channel % COMPOSITE.length]));
}

/** @param {Colour} colour @param {number} by @returns {Colour} */
const scaled = (colour, by) => [colour[0] * by, colour[1] * by, colour[2] * by];

/** @param {Lane} lane @param {[number, number] | undefined} auto @returns {[number, number]} */
function rangeOf(lane, auto) {
  const range = lane.range;
  if (range && range.length === 2 && range[1] > range[0]) return [range[0], range[1]];
  if (auto) return auto;
  if (lane.dtype === "uint8") return [0, 255];
  return lane.dtype === "uint16" ? [0, 65535] : [0, 1];
}

/**
 * How an overlay's numbers become colours. `colours`: 256 x RGBA by number, not premultiplied, alpha 0 where nothing
 * shows; `order`: rank of a class id (the higher one has the outline), 0 none; `key`: equal paints have equal keys.
 * @typedef {{outline: boolean, opacity: number, colours: Uint8Array, order: Uint8Array, key: string}} Paint
 */

/**
 * @param {Layers} layers @param {string} name @param {readonly ClassInfo[]} classes in their order
 * @param {boolean} [coloured] the image below is shown in its own colours
 * @returns {Paint}
 */
export function paintOf(layers, name, classes, coloured = false) {
  const layer = layers[name], colours = new Uint8Array(1024), order = new Uint8Array(256), outline = layer.style === "outline";
  if (name === "labels" || name === "segmentation") {
    const parts = classes.map((info, place) => {
      const [r, g, b] = info.colour, seen = layer.eyes?.[info.id] ?? (name === "labels" || place > 0);
      colours.set([r, g, b, seen ? 255 : 0], info.id * 4);
      order[info.id] = place + 1;
      return `${info.id}:${r},${g},${b},${seen}`;
    });
    return { outline, opacity: layer.opacity, colours, order, key: `${outline}|${parts.join("|")}` };
  }
  const colour = name.startsWith("feature:") ? null : valueColour(layer, name, classes, coloured);
  for (let value = 0; value < 256; value++) colours.set(colour ? [...colour, value] : [value, value, value, 255], value * 4);
  return { outline: false, opacity: layer.opacity, colours, order, key: colour ? colour.join() : "grey" };
}

/** How the outside of a mask (1, inside is 0) is drawn: a veil, and a line where it begins. @param {OverLayer} layer @returns {Paint[]} */
export function maskPaints({ opacity }) {
  const veil = new Uint8Array(1024), edge = new Uint8Array(1024), order = new Uint8Array(256);
  veil.set([...VEIL, 255], 4);
  edge.set([...VEIL_EDGE, 255], 4);
  order[1] = 1;
  return [
    { outline: false, opacity, colours: veil, order, key: "veil" },
    { outline: true, opacity: Math.min(1, opacity + 0.25), colours: edge, order, key: "veil edge" },
  ];
}

/** @param {OverLayer} layer @param {string} name @param {readonly ClassInfo[]} classes @param {boolean} coloured */
function valueColour(layer, name, classes, coloured) {
  const id = Number(name.split(":")[1]), own = classes.find((info) => info.id === id)?.colour;
  return layer.colour ?? (name === "uncertainty" ? (coloured ? UNCERTAIN_ON_COLOUR : UNCERTAIN) : (own?.slice(0, 3) ?? [255, 255, 255]));
}
