/** What the line below says of steps without a picture: pure. */
import { bytes, counted } from "./words.js";
import { RESULTS } from "./export_words.js";

/** @typedef {{text: string, bad?: boolean}} Fact */

/**
 * Step 1: how many images there are, are selected, are missing.
 * @param {{missing: string | null}[]} lanes @param {number} selected @returns {Fact[]}
 */
export function imageFacts(lanes, selected) {
  const missing = lanes.filter((one) => one.missing).length;
  return [
    { text: counted(lanes.length, "image") },
    ...(selected ? [{ text: `${selected.toLocaleString("en-US")} selected` }] : []),
    ...(missing ? [{ text: `${missing.toLocaleString("en-US")} missing`, bad: true }] : []),
  ];
}

/**
 * Step 4: what would be written.
 * @param {string} result @param {number} images @param {number | null} size bytes of all, at most @returns {Fact[]}
 */
export function exportFacts(result, images, size) {
  return [
    { text: RESULTS[result] || result },
    { text: counted(images, "image") },
    ...(size ? [{ text: `up to ${bytes(size)}` }] : []),
  ];
}

/**
 * Step 5: how far the files are.
 * @param {{state: string, warnings: unknown[]}[]} rows @returns {Fact[]}
 */
export function batchFacts(rows) {
  if (!rows.length) return [];
  const of = (/** @type {string[]} */ ...states) => rows.filter((row) => states.includes(row.state)).length;
  const [done, failed] = [of("done", "skipped"), of("failed")];
  return [
    { text: counted(rows.length, "file") },
    ...(done ? [{ text: `${done.toLocaleString("en-US")} done` }] : []),
    ...(failed ? [{ text: `${failed.toLocaleString("en-US")} failed`, bad: true }] : []),
  ];
}
