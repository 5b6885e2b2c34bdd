/** Sentences and numbers as they are shown. No DOM. */

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;

/** A sentence as it stands alone: it begins with a capital. @param {string} text */
export const capital = (text) => (/^[a-z][a-z]* /.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

/** A zoom factor as per cent. @param {number} zoom */
export function percent(zoom) {
  const value = zoom * 100;
  return `${value >= 10 ? Math.round(value) : Number(value.toPrecision(2))} %`;
}

/** Bytes in the unit that reads best. @param {number} bytes */
export function bytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0,
    value = bytes;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

/**
 * "Today 14:02", "Yesterday 17:40", "12 November", "3 November 2025".
 * @param {string} iso UTC time
 * @param {Date} now
 */
export function dayAndTime(iso, now) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "";
  const clock = `${String(time.getHours()).padStart(2, "0")}:${String(time.getMinutes()).padStart(2, "0")}`;
  const day = (/** @type {Date} */ date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((day(now) - day(time)) / 86_400_000);
  if (days === 0) return `Today ${clock}`;
  if (days === 1) return `Yesterday ${clock}`;
  const months = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
  ];
  return `${time.getDate()} ${months[time.getMonth()]}${time.getFullYear() === now.getFullYear() ? "" : ` ${time.getFullYear()}`}`;
}

/**
 * Sizes of a lane in its own axes: "520 × 696", "60 × 2 × 128 × 256".
 * @param {number[]} shape t c z y x
 * @param {string} axes
 */
export function sizes(shape, axes) {
  const of = /** @type {Record<string, number>} */ ({ t: shape[0], c: shape[1], z: shape[2], y: shape[3], x: shape[4] });
  const kept = [...axes].filter((axis) => axis in of);
  return (kept.length ? kept.map((axis) => of[axis]) : shape.filter((size, at) => size > 1 || at > 2)).join(" × ");
}

/** Where along z or t, counted from 0 as in ilastik and in scripts; the second number is the last one. @param {number} at @param {number} count */
export const spot = (at, count) => `${at} / ${count - 1}`;

/**
 * The size of a pixel in words, or "": "0.65 µm", with z where a volume says it: "0.2 µm, z 1 µm".
 * @param {Record<string, [number, string]>} pixelSize
 */
export function pixelSize(pixelSize) {
  const said = (/** @type {[number, string] | undefined} */ one) =>
    one?.[0] ? `${Number(one[0].toPrecision(3))} ${one[1] || "px"}` : "";
  const [flat, deep] = [said(pixelSize?.x || pixelSize?.y), said(pixelSize?.z)];
  return [flat, deep && `z ${deep}`].filter(Boolean).join(", ");
}

/** Between which values pixels lie: "481 to 5,647", "0.002 to 1". @param {number} low @param {number} high */
export function rangeText(low, high) {
  const said = (/** @type {number} */ n) =>
    Math.abs(n) >= 1000 ? Math.round(n).toLocaleString("en-US") : String(Number(n.toPrecision(3)));
  return low === high ? said(low) : `${said(low)} to ${said(high)}`;
}

/**
 * The folder and the name of where an image lies: the name is what is looked for.
 * @param {string} location @returns {[string, string]}
 */
export function placeParts(location) {
  // A dataset goes with the file that it lies in.
  const inner = /\.(h5|hdf5|hdf|ilp|npz|n5|zarr)[\\/]/i.exec(location);
  const file = (inner ? location.slice(0, inner.index) : location).replace(/[\\/]+$/, "");
  const at = Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\"));
  return at < 1 ? ["", location] : [location.slice(0, at), location.slice(at)];
}

/**
 * The folders on the way to a path, each with its own path: of Unix, of Windows (`C:\\data`), of a share (`\\\\host\\share`).
 * @param {string} path @returns {{name: string, path: string}[]}
 */
export function crumbsOf(path) {
  const windows = /^([A-Za-z]:|\\\\)/.test(path),
    by = windows ? "\\" : "/",
    share = path.startsWith("\\\\"),
    parts = path.split(windows ? /[\\/]+/ : /\/+/).filter(Boolean);
  const whole = (/** @type {number} */ at) => {
    const joined = parts.slice(0, at + 1).join(by);
    if (share) return `\\\\${joined}`;
    return windows ? (at ? joined : `${joined}\\`) : `/${joined}`;
  };
  const all = parts.map((name, at) => ({ name, path: whole(at) }));
  if (!share) return all;
  return all.length > 1 ? [{ name: `${parts[0]}\\${parts[1]}`, path: all[1].path }, ...all.slice(2)] : all;
}

/**
 * A name in two parts, of which the first may be cut: names of one experiment differ at their ends, or at a place that
 * all of them have (`well-02`), which then stands in the second part.
 * @param {string} name
 * @param {{first: number, last: number}} [differ] letters that all names begin and end with, see `alike`
 * @returns {[string, string]}
 */
export function halves(name, differ) {
  const letters = [...name];
  if (letters.length <= 16) return [name, ""];
  const end = letters.length - (differ?.last || 0);
  // Back to the word that the difference is in, and on to where it ends.
  let from = differ?.first || 0;
  while (from > 0 && /[\p{L}\p{N}]/u.test(letters[from - 1])) from -= 1;
  while (from > 1 && /[-=]/.test(letters[from - 1]) && /\p{L}/u.test(letters[from - 2])) {
    from -= 1;
    while (from > 0 && /\p{L}/u.test(letters[from - 1])) from -= 1;
  }
  let to = end;
  while (to < letters.length && /[\p{L}\p{N}]/u.test(letters[to])) to += 1;
  if (differ && differ.first >= 8 && letters.length - to >= 4 && to > from && to - from <= 16)
    return [letters.slice(0, from).join(""), `${letters.slice(from, to).join("")}…`];
  return [letters.slice(0, -8).join(""), letters.slice(-8).join("")];
}

/**
 * How many letters all names begin with and end with; undefined where there are not several.
 * @param {string[]} names @returns {{first: number, last: number} | undefined}
 */
export function alike(names) {
  const all = [...new Set(names)].map((name) => [...name]);
  if (all.length < 2) return undefined;
  const shortest = Math.min(...all.map((one) => one.length));
  let first = 0,
    last = 0;
  while (first < shortest && all.every((one) => one[first] === all[0][first])) first += 1;
  while (last < shortest - first && all.every((one) => one.at(-1 - last) === all[0].at(-1 - last))) last += 1;
  return { first, last };
}

/**
 * What is to be said of strokes that a browser keeps for projects that no window shows: beside the projects of the list, and of all others.
 * @param {Map<string, number>} before @param {Map<string, number>} now how many wait, by project
 * @param {{project: string, missing: boolean}[]} recent
 */
export function keptWords(before, now, recent) {
  const kept = [...now].map(([project, count]) => /** @type {[string, number]} */ ([project, Math.min(count, before.get(project) ?? 0)]));
  const known = new Set(recent.filter((one) => !one.missing).map((one) => one.project));
  const listed = Object.fromEntries(kept.filter(([project, count]) => count && known.has(project)).map(([project, count]) => [project, `${counted(count, "stroke")} kept in this browser`]));
  const rest = kept.filter(([project]) => !known.has(project)).reduce((sum, [, count]) => sum + count, 0);
  const others = rest ? `${counted(rest, "stroke")} kept in this browser for a project that is not listed here: open it, and ${rest === 1 ? "it is" : "they are"} sent.` : "";
  return { listed, others };
}
