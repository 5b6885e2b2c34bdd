/**
 * Who this tab is. A client id belongs to one tab at a time: it is held with a lock of the browser, which lets
 * go by itself when the tab is closed or dies. A tab that is loaded again is who it was; a closed tab's id is
 * taken up by the next tab that has none, so that its undo lives on; a duplicated tab finds its id held and
 * draws its own.
 *
 * An id is used again only while the browser remembers its numbers: a number is never given out twice.
 * Without locks (a page that did not come by https or from this machine) nothing tells the living from the dead,
 * and every page load draws its own id.
 *
 * @typedef {{client: string, high: number, drawn: boolean, release: () => void}} Claim
 *   drawn: the id is new, and nobody used it before this page
 */
import { StrokeStore } from "./strokestore.js";

/** Older ids than this, in milliseconds, are forgotten when nothing waits under them. */
const FORGET = 30 * 24 * 3600 * 1000;
const HOLD = () => {};

/**
 * @param {LockManager | null | undefined} locks
 * @param {string} project
 * @param {string} client
 * @returns {Promise<(() => void) | null>} lets go again; null: another tab holds it
 */
export async function hold(locks, project, client) {
  if (!locks) return HOLD;
  return new Promise((resolve, reject) => {
    locks
      .request(`underbrush:${project}:${client}`, { ifAvailable: true }, (lock) => {
        if (!lock) return void resolve(null);
        return new Promise((release) => resolve(() => release(undefined)));
      })
      .catch(reject);
  });
}

/** @param {number} [letters] @returns {string} */
export function drawId(letters = 12) {
  const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"; // 32 of them: no letter is more likely than another
  return [...crypto.getRandomValues(new Uint8Array(letters))].map((byte) => alphabet[byte & 31]).join("");
}

/**
 * @param {{project: string, store: StrokeStore, locks?: LockManager | null, tab?: Pick<globalThis.Storage, "getItem" | "setItem"> | null}} place
 *   tab: what this tab alone remembers (sessionStorage)
 * @returns {Promise<Claim>} high: the highest number that this id ever used, as far as is known here
 */
export async function claimClient({ project, store, locks, tab }) {
  const key = keyOf(project);
  const rows = locks ? await store.clients(project).catch(() => []) : [];
  const mine = quietly(() => tab?.getItem(key));
  const candidates = [...rows.filter((row) => row.client === mine), ...rows.filter((row) => row.client !== mine)];
  for (const row of candidates) {
    const release = await hold(locks, project, row.client);
    if (!release) continue;
    quietly(() => tab?.setItem(key, row.client));
    return { client: row.client, high: row.high, drawn: false, release };
  }
  return drawClient({ project, locks, tab });
}

/**
 * An id that nobody had.
 * @param {{project: string, locks?: LockManager | null, tab?: Pick<globalThis.Storage, "setItem"> | null}} place
 * @returns {Promise<Claim>}
 */
export async function drawClient({ project, locks, tab }) {
  const client = drawId();
  const release = (await hold(locks, project, client)) ?? HOLD;
  quietly(() => tab?.setItem(keyOf(project), client));
  return { client, high: 0, drawn: true, release };
}

/** @param {string} project @returns {string} under which a tab remembers who it is */
const keyOf = (project) => `underbrush:client:${project}`;

/**
 * A browser that forbids sessionStorage throws when it is touched: then this tab just has no memory of its own.
 * @template T
 * @param {() => T} ask
 * @returns {T | undefined}
 */
function quietly(ask) {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

/**
 * Ids of closed tabs under which commands still wait, held for the caller. Each must be let go again.
 * @param {{project: string, store: StrokeStore, locks?: LockManager | null, own: string, now?: number}} place
 * @returns {Promise<{client: string, rows: import("./strokestore.js").Row[], high: number, release: () => void}[]>}
 */
export async function claimOrphans({ project, store, locks, own, now = Date.now() }) {
  const found = [];
  for (const row of await store.clients(project)) {
    if (row.client === own) continue;
    const release = await hold(locks, project, row.client);
    if (!release) continue;
    const rows = await store.commands(project, row.client);
    // Without locks a living tab may be meant. Handing in its commands is harmless (same client, same numbers),
    // but there is no need to while it does so itself.
    const waiting = locks ? rows : rows.filter((one) => now - one.made > 20000);
    if (waiting.length) found.push({ client: row.client, rows: waiting, high: row.high, release });
    else {
      if (!rows.length && now - row.seen > FORGET) await store.forgetClient(project, row.client);
      release();
    }
  }
  return found;
}
