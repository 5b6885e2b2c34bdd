/** Changing keys: who has a key already, and what the changes are then. Pure; keys are written as in `keytable.js`. */

/** @typedef {{action: string, title: string, own: string[], usual: string[], hold?: boolean}} Row */
/** @typedef {Record<string, string[]>} Changes action -> its keys, where they are not the usual ones */

/** @param {string[]} a @param {string[]} b */
const same = (a, b) => a.length === b.length && a.every((key, at) => key === b[at]);

/** @param {Row} row @returns {boolean} whether somebody changed its keys */
export const isChanged = (row) => !same(row.own, row.usual);

/**
 * The action that has a key already.
 * @param {Row[]} rows @param {string} key @param {string} action that wants it
 * @returns {Row | null}
 */
export const ownerOf = (rows, key, action) => rows.find((row) => row.action !== action && row.own.includes(key)) ?? null;

/**
 * What differs from the usual keys.
 * @param {Row[]} rows @param {Changes} own the keys that some of them get now
 * @returns {Changes}
 */
export function changesOf(rows, own = {}) {
  const all = rows.map((row) => ({ ...row, own: own[row.action] ?? row.own }));
  return Object.fromEntries(all.filter(isChanged).map((row) => [row.action, row.own]));
}

/**
 * An action gets a key, in the place of another one or besides; who had it loses it.
 * @param {Row[]} rows @param {string} action @param {string} key @param {string | null} before null: besides
 * @returns {Changes}
 */
export function withKey(rows, action, key, before) {
  const row = rows.find((one) => one.action === action);
  if (!row) return changesOf(rows);
  const keys = before === null ? [...row.own, key] : row.own.map((one) => (one === before ? key : one));
  const owner = ownerOf(rows, key, action);
  const lost = owner ? { [owner.action]: owner.own.filter((one) => one !== key) } : {};
  return changesOf(rows, { ...lost, [action]: [...new Set(keys)] });
}

/** @param {Row[]} rows @param {string} action @param {string} key @returns {Changes} */
export function withoutKey(rows, action, key) {
  const row = rows.find((one) => one.action === action);
  return changesOf(rows, row ? { [action]: row.own.filter((one) => one !== key) } : {});
}

/**
 * An action gets its usual keys back; who has one of them now loses it.
 * @param {Row[]} rows @param {string} action @returns {Changes}
 */
export function withUsual(rows, action) {
  const row = rows.find((one) => one.action === action);
  if (!row) return changesOf(rows);
  /** @type {Changes} */
  const own = { [action]: row.usual };
  for (const other of rows)
    if (other.action !== action && other.own.some((key) => row.usual.includes(key)))
      own[other.action] = other.own.filter((key) => !row.usual.includes(key));
  return changesOf(rows, own);
}

/**
 * What was kept, as far as it can be used: a later version may have had other actions.
 * @param {string | null} text @param {{presets: readonly string[], plain: readonly string[], shifted: readonly string[]}} known
 */
export function settingsFrom(text, { presets, plain, shifted }) {
  const usual = { preset: presets[0], keys: /** @type {Changes} */ ({}), wheel: plain[0], shiftWheel: shifted[0], offered: false };
  let said = null;
  try {
    said = JSON.parse(text || "null");
  } catch {
    return usual; // not ours, or cut off
  }
  if (!said || typeof said !== "object") return usual;
  const one = (/** @type {readonly string[]} */ all, /** @type {unknown} */ wish) => (all.includes(/** @type {string} */ (wish)) ? String(wish) : all[0]);
  const lists = said.keys && typeof said.keys === "object" && !Array.isArray(said.keys) ? Object.entries(said.keys) : [];
  const keys = lists.filter(([, list]) => Array.isArray(list) && list.every((key) => typeof key === "string"));
  return {
    preset: one(presets, said.preset),
    keys: /** @type {Changes} */ (Object.fromEntries(keys)),
    wheel: one(plain, said.wheel),
    shiftWheel: one(shifted, said.shiftWheel),
    offered: said.offered === true,
  };
}
