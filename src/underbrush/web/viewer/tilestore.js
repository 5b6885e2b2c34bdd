// Tiles from the server: fetched in the order that was asked, given up when nobody wants them any more, tried again
// when the server was away, kept in a cache that is bounded in bytes.

/**
 * One request. `parts` are the cache keys of what the answer holds, in its order.
 * @typedef {{id: string, url: string, parts: string[]}} Want
 */
/** @template T @typedef {{key: string, bytes: number, value: T}} Part */
/** @template T @typedef {{
 *   decode: (want: Want, response: Response) => Promise<Part<T>[]>,
 *   dispose: (value: T) => void,
 *   changed: (keys: string[]) => void,
 *   failed: (sentence: string, permanent: boolean) => void,
 *   limit: number, parallel?: number, fetch?: typeof fetch, waits?: number[], cache?: RequestCache }} StoreOptions */

/** Milliseconds before the next attempt; the last one is repeated as long as the tile is wanted. */
const WAITS = [300, 1000, 2000, 5000];

/** @template T */
export class TileStore {
  /** @param {StoreOptions<T>} options */
  constructor(options) {
    this.options = options;
    /** @type {Map<string, Part<T>>} oldest use first */
    this.parts = new Map();
    this.bytes = 0;
    /** @type {Want[]} */
    this.queue = [];
    /** @type {Map<string, {want: Want, abort: AbortController}>} */
    this.flying = new Map();
    /** @type {Map<string, {attempts: number, after: number, permanent: boolean}>} */
    this.failures = new Map();
    /** @type {Set<string>} never thrown out: what is in sight */
    this.pinned = new Set();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.closed = false;
  }

  /** What is there, marked as used. @param {string} key @returns {T | undefined} */
  get(key) {
    const part = this.parts.get(key);
    if (!part) return undefined;
    this.parts.delete(key);
    this.parts.set(key, part);
    return part.value;
  }

  /** What is there; its age in the cache stays. @param {string} key @returns {T | undefined} */
  peek(key) {
    return this.parts.get(key)?.value;
  }

  /**
   * Replaces the list of what is wanted, the most urgent first. Requests under way that are not in it are aborted.
   * `pinned`: keys that stay whatever the limit.
   * @param {Want[]} wants @param {Iterable<string>} [pinned]
   */
  want(wants, pinned = []) {
    if (this.closed) return;
    this.pinned = new Set(pinned);
    const ids = new Set(wants.map((want) => want.id));
    for (const [id, { abort }] of this.flying) if (!ids.has(id)) (this.flying.delete(id), abort.abort());
    for (const id of this.failures.keys()) if (!ids.has(id)) this.failures.delete(id);
    this.queue = wants.filter((want) => !this.flying.has(want.id));
    this.pump();
  }

  /** Asks again for what failed for good as well (the server came back, the image was repaired). */
  retry() {
    this.failures.clear();
    this.pump();
  }

  /** True while something wanted is under way or waits its turn; what failed for good is not counted. */
  get busy() {
    return this.flying.size > 0 || this.queue.some((want) => !this.failures.get(want.id)?.permanent);
  }

  /** @private */
  pump() {
    const most = this.options.parallel ?? 6, now = Date.now();
    let soonest = Infinity;
    /** @type {Want[]} */
    const later = [];
    for (const want of this.queue) {
      const failure = this.failures.get(want.id);
      if (failure?.permanent) later.push(want);
      else if (failure && failure.after > now) (later.push(want), (soonest = Math.min(soonest, failure.after)));
      else if (this.flying.size < most) this.load(want);
      else later.push(want);
    }
    this.queue = later;
    clearTimeout(this.timer);
    if (soonest < Infinity && !this.closed) this.timer = setTimeout(() => this.pump(), soonest - now);
  }

  /** @private @param {Want} want */
  async load(want) {
    const abort = new AbortController(), flight = { want, abort }, ask = this.options.fetch ?? fetch;
    this.flying.set(want.id, flight);
    try {
      const response = await ask(want.url, { signal: abort.signal, credentials: "same-origin", cache: this.options.cache });
      if (!response.ok) throw new Refused(response.status, await sentenceOf(response));
      const parts = await this.options.decode(want, response);
      // An answer that came although nobody waits any more: a newer request for the same place may be under way.
      if (this.flying.get(want.id) !== flight) return parts.forEach((part) => this.options.dispose(part.value));
      this.failures.delete(want.id);
      parts.forEach((part) => this.put(part));
      this.trim();
      this.options.changed(parts.map((part) => part.key));
    } catch (error) {
      if (this.flying.get(want.id) === flight) this.fail(want, error);
    } finally {
      if (this.flying.get(want.id) === flight) this.flying.delete(want.id);
      if (!this.closed) this.pump();
    }
  }

  /** @private @param {Want} want @param {unknown} error */
  fail(want, error) {
    const waits = this.options.waits ?? WAITS, attempts = (this.failures.get(want.id)?.attempts ?? 0) + 1;
    const permanent = !(error instanceof Refused ? error.passing : error instanceof TypeError || isAbort(error));
    const after = Date.now() + waits[Math.min(attempts, waits.length) - 1];
    this.failures.set(want.id, { attempts, after, permanent });
    this.queue.unshift(want);
    this.options.failed(error instanceof Refused ? error.message : sentenceFor(error), permanent);
  }

  /** @param {Part<T>} part */
  put(part) {
    this.drop(part.key);
    this.parts.set(part.key, part);
    this.bytes += part.bytes;
  }

  /** @param {string} key */
  drop(key) {
    const part = this.parts.get(key);
    if (!part) return;
    this.parts.delete(key);
    this.bytes -= part.bytes;
    this.options.dispose(part.value);
  }

  /** @private */
  trim() {
    if (this.bytes <= this.options.limit) return;
    for (const key of [...this.parts.keys()]) {
      if (this.bytes <= this.options.limit) return;
      if (!this.pinned.has(key)) this.drop(key);
    }
  }

  /** Forgets everything that is there; what is wanted is asked for with the next `want`. */
  clear() {
    for (const { abort } of this.flying.values()) abort.abort();
    this.flying.clear();
    this.failures.clear();
    this.queue = [];
    for (const key of [...this.parts.keys()]) this.drop(key);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.clear();
  }
}

/** The server said no; `passing` where it may say yes later. */
export class Refused extends Error {
  /** @param {number} status @param {string} sentence */
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
    this.passing = status >= 500 || status === 408 || status === 429;
  }
}

/** @param {unknown} error */
const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/** @param {unknown} error */
function sentenceFor(error) {
  if (error instanceof TypeError) return "The server does not answer; the picture goes on when it does.";
  return error instanceof Error ? error.message : String(error);
}

/** The server's own sentence, if its answer has one. @param {Response} response */
async function sentenceOf(response) {
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text), said = body.sentence ?? body.detail;
    if (typeof said === "string" && said) return said;
  } catch {
    // not JSON: the status has to do
  }
  return `A part of the image cannot be shown: the server answered ${response.status}.`;
}
