/** What steps 4 and 5 say: names of results and formats, sizes, times. No DOM. */
import { bytes, counted } from "./words.js";

export const RESULTS = /** @type {Record<string, string>} */ ({
  segmentation: "Segmentation",
  probabilities: "Probabilities",
  uncertainty: "Uncertainty",
  features: "Features",
  objects: "Objects",
  labels: "Labels",
});
export const FORMATS = /** @type {Record<string, string>} */ ({
  tiff: "TIFF, compressed",
  "ome-tiff": "OME-TIFF, compressed",
  "compressed hdf5": "HDF5, compressed",
  hdf5: "HDF5",
  npy: "NumPy (.npy)",
  png: "PNG",
  jpg: "JPEG",
  bmp: "BMP",
  "ome-zarr": "OME-Zarr 0.4, all scales",
  "ome-zarr-0.5": "OME-Zarr 0.5, all scales",
  "single-scale ome-zarr": "OME-Zarr 0.4, one scale",
  "compressed n5": "N5, compressed",
  n5: "N5",
  "png sequence": "PNG, a file for each slice",
  "jpg sequence": "JPEG, a file for each slice",
  "bmp sequence": "BMP, a file for each slice",
  "tiff sequence": "TIFF, a file for each slice",
  "multipage tiff sequence": "OME-TIFF, a file for each time",
});
const FREE_AXES = ["compressed hdf5", "hdf5", "npy", "compressed n5", "n5"];
const WHOLE = ["uint8", "uint16", "uint32"];

/** Whether files of a format have the order of axes that is asked for. @param {string} format */
export const freeAxes = (format) => FREE_AXES.includes(format);

/** Whether values of a result go from 0 to 1. @param {string} result */
export const isShare = (result) => result === "probabilities" || result === "uncertainty";

/**
 * Types that a result can have in its file; the first one is its own.
 * @param {string} result
 * @param {string | null} [kept] one that the project keeps
 */
export function typesOf(result, kept = null) {
  const all =
    result === "objects" ? ["uint32", "uint16", "int32"] : result === "segmentation" || result === "labels" ? [...WHOLE, "float32"] : isShare(result) ? ["float32", ...WHOLE.slice(0, 2)] : ["float32", "float64"];
  return kept && !all.includes(kept) ? [...all, kept] : all;
}

/**
 * The classes that objects can be made of: which are (`on`), and which one must stay (`only`).
 * @template {{id: number}} T
 * @param {T[]} classes by value; id 0: it cannot be chosen
 * @param {number[]} chosen ids; none: all but the first
 * @returns {(T & {on: boolean, only: boolean})[]}
 */
export function objectClasses(classes, chosen) {
  const on = classes.map((one, n) => (chosen.length ? one.id > 0 && chosen.includes(one.id) : n > 0 || classes.length === 1));
  const gone = chosen.some((id) => !classes.some((one) => one.id === id));
  const single = !gone && on.filter(Boolean).length === 1;
  return classes.map((one, n) => ({ ...one, on: on[n], only: on[n] && single }));
}

/**
 * What is chosen after a click on a class: one at least, none that is gone; empty where it is all but the first again.
 * @param {{id: number}[]} classes by value
 * @param {number[]} chosen
 * @param {number} id
 */
export function toggledClass(classes, chosen, id) {
  const ids = (/** @type {{id: number, on: boolean}[]} */ rows) =>
    [...new Set(rows.filter((row) => row.on).map((row) => row.id))].sort((a, b) => a - b);
  const rows = objectClasses(classes, chosen);
  const found = ids(rows.map((row) => ({ id: row.id, on: row.id > 0 && row.on !== (row.id === id) })));
  const now = found.length ? found : [id];
  return same(now, ids(objectClasses(classes, []))) ? [] : now;
}

/** The largest value of a type, for scaling. @param {string} type */
export const largest = (type) => /** @type {Record<string, number>} */ ({ uint8: 255, uint16: 65535, uint32: 4294967295, int8: 127, int16: 32767, int32: 2147483647 })[type] || 1;

/**
 * The ways to scale the values of a result from 0 to 1, or null where nothing is to be chosen.
 * @param {string} result
 * @param {string | null} dtype
 * @param {number[][] | null} kept
 * @returns {{text: string, value: number[][] | null}[] | null}
 */
export function scalings(result, dtype, kept) {
  if (!isShare(result)) return null;
  const whole = !!dtype && !dtype.startsWith("float");
  const top = largest(dtype || "float32");
  const first = whole ? { text: `0 to 1 becomes 0 to ${top.toLocaleString("en-US")}`, value: null } : { text: "None, 0 to 1", value: null };
  const found = [first, { text: "0 to 1 becomes 0 to 100", value: [[0, 1], [0, 100]] }];
  if (kept && !found.some((one) => same(one.value, kept)))
    found.push({ text: `${kept[0].join(" to ")} becomes ${kept[1].join(" to ")}`, value: kept });
  return found;
}

/** @param {unknown} a @param {unknown} b */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * Orders of axes to choose from: channels last, channels first, and turned round.
 * @param {string} axes
 */
export function orders(axes) {
  const still = axes.replace("c", "");
  const all = axes.includes("c") ? [axes, `${still}c`, `c${still}`] : [axes];
  const turned = [...all[all.length - 1]].reverse().join("");
  return [...new Set([...all, turned])];
}

/** "y x c" @param {string} axes */
export const spaced = (axes) => [...axes].join(" ");

/** Why an order of axes cannot be chosen, or "". @param {string} format */
export function axesReason(format) {
  if (freeAxes(format)) return "";
  if (format.includes("zarr")) return "OME-Zarr has its own order: t c z y x.";
  if (format.includes("sequence")) return "The files follow the first axis of the image.";
  return format.includes("tiff") ? "TIFF has its own order: t z c y x." : "A picture is y x.";
}

/**
 * Bytes of all results, from those of one: images differ in size.
 * @param {number} one bytes of the result of `shape`
 * @param {number[]} shape t c z y x of its image
 * @param {number[][]} shapes of all images
 */
export function totalBytes(one, shape, shapes) {
  const pixels = (/** @type {number[]} */ s) => s[0] * s[2] * s[3] * s[4];
  return (one / Math.max(1, pixels(shape))) * shapes.reduce((sum, s) => sum + pixels(s), 0);
}

/** "up to 1.4 MB": what compression saves is only known afterwards. @param {number} n @param {string} format */
export const sizeText = (n, format) => `${["hdf5", "npy", "n5", "bmp", "bmp sequence"].includes(format) ? "about" : "up to"} ${bytes(n)}`;

/** "about 20 s left" @param {number | null} seconds */
export function leftText(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return "about 1 s left";
  if (seconds < 90) return `about ${Math.round(seconds)} s left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${(seconds / 3600).toFixed(1)} h left`;
}

/** "0.4 s", "3 min 5 s" @param {number} seconds */
export function timeText(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/**
 * "5 of 48 files done, 1 failed"
 * @param {{rows: {state: string}[]}} job
 * @param {string} noun
 */
export function jobText(job, noun) {
  const of = (/** @type {string[]} */ ...states) => job.rows.filter((row) => states.includes(row.state)).length;
  const parts = [`${of("done", "skipped")} of ${counted(job.rows.length, noun)} done`];
  if (of("skipped")) parts.push(`${of("skipped")} of them before`);
  if (of("failed")) parts.push(`${of("failed")} failed`);
  return parts.join(", ");
}

/**
 * A path in three: before, the part that is the image's own name, after.
 * @param {string} path
 * @param {string} name
 */
export function marked(path, name) {
  const at = name ? path.lastIndexOf(name) : -1;
  return at < 0 ? [path, "", ""] : [path.slice(0, at), name, path.slice(at + name.length)];
}

/**
 * A number that was typed, or null for an empty field; undefined where it is none.
 * @param {string} text
 */
export function wholeOrNull(text) {
  const trimmed = text.trim();
  if (!trimmed) return null;
  return /^\d{1,9}$/.test(trimmed) ? Number(trimmed) : undefined;
}

export const STATES = /** @type {Record<string, string>} */ ({
  waiting: "waiting",
  checking: "looking",
  running: "running",
  done: "done",
  skipped: "done before",
  failed: "failed",
  cancelled: "cancelled",
});
export const KINDS = /** @type {[string, string][]} */ ([
  ["channels", "Channel count"],
  ["names", "Channel names and order"],
  ["dtype", "Type"],
  ["range", "Intensity range"],
  ["pixel size", "Pixel size"],
]);

/** A path without its folders. @param {string} path */
export const nameOf = (path) => path.split(/[\\/]/).pop() || path;
