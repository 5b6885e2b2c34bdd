/**
 * Commands that are made and not yet acknowledged, in order. They are here in memory, and in the browser's
 * storage as far as that works; where it does not, a standing warning says so and painting goes on.
 *
 * A number means one command of one client, for ever. Numbers that this tab gives out lie above all that it
 * knows; should the server know higher ones (the browser lost its latest memory in a power cut), what was never
 * sent is numbered anew before it is sent. Under an id that this page drew itself higher ones are no others: there
 * another window handed in what this one had kept.
 */
import { claimClient, drawClient } from "./claim.js";
import { Emitter } from "./emitter.js";
import { StrokeStore } from "./strokestore.js";

/**
 * @typedef {import("./strokestore.js").Command} Command
 * @typedef {{ok: true, number: number, revision: number | null, sequence: number | null, title: string} |
 *           {ok: false, number: number, sentence: string}} Outcome
 * @typedef {{number: number, command: Command, made: number, sent: boolean, fresh: boolean,
 *            settle: (outcome: Outcome) => void, outcome: Promise<Outcome>}} Entry
 *   fresh: made by this page, not found in the storage
 */

const UNSAFE = "This browser cannot keep strokes: leave this window open until they are saved.";

/**
 * Who this tab is, with what it left when it was here before.
 * @param {Parameters<typeof claimClient>[0]} place
 * @returns {Promise<{claim: import("./claim.js").Claim, outbox: Outbox}>}
 */
export async function openOutbox(place) {
  const { project, store } = place;
  const own = (/** @type {import("./claim.js").Claim} */ claim) => new Outbox({ project, store, client: claim.client, high: claim.high, drawn: claim.drawn });
  const claim = await claimClient(place);
  const outbox = own(claim);
  if ((await outbox.load()) || claim.drawn) return { claim, outbox };
  // What waits under this id cannot be read now. Later numbers would tell the server that it is done.
  outbox.close();
  claim.release();
  const other = await drawClient(place);
  const empty = own(other);
  empty.say(false);
  return { claim: other, outbox: empty };
}

/** Events: "change" ({count, oldest}), "storage" ({durable, sentence}), "renumbered" ([[from, to], ...]). */
export class Outbox extends Emitter {
  /**
   * @param {{project: string, client: string, high?: number, drawn?: boolean, store: StrokeStore, now?: () => number}} options
   *   high: the highest number that the client ever used; drawn: the id was never used before this page
   */
  constructor({ project, client, high = 0, drawn = false, store, now = Date.now }) {
    super();
    this.project = project;
    this.client = client;
    this.high = high;
    this.drawn = drawn;
    this.store = store;
    this.now = now;
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {boolean | null} */
    this.durable = null;
    /** @type {Promise<void>} */
    this.writing = Promise.resolve();
    this.retryTimer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  }

  /**
   * Takes up what an earlier page of this client left. It comes before all that is made here.
   * @returns {Promise<boolean>} whether that could be read
   */
  async load() {
    try {
      const rows = await this.store.commands(this.project, this.client);
      this.take(rows);
      this.say(true);
      return true;
    } catch {
      this.say(false);
      return false;
    }
  }

  /** @param {import("./strokestore.js").Row[]} rows of this client, in the order of their numbers */
  take(rows) {
    const have = new Set(this.entries.map((entry) => entry.number));
    const found = rows.filter((row) => !have.has(row.number)).map((row) => this.entry(row.number, row.command, row.made, false));
    this.entries = [...found, ...this.entries].sort((a, b) => a.number - b.number);
    this.high = Math.max(this.high, ...rows.map((row) => row.number));
    this.changed();
  }

  /**
   * @param {Command} command plain JSON; not changed afterwards
   * @returns {Entry}
   */
  add(command) {
    const entry = this.entry(++this.high, command, this.now(), true);
    this.entries.push(entry);
    this.changed();
    this.keep({ add: [entry] });
    return entry;
  }

  /**
   * @param {number} number
   * @param {Command} command
   * @param {number} made
   * @param {boolean} fresh
   * @returns {Entry}
   */
  entry(number, command, made, fresh) {
    /** @type {(outcome: Outcome) => void} */
    let settle = () => {};
    /** @type {Promise<Outcome>} */
    const outcome = new Promise((resolve) => (settle = resolve));
    return { number, command, made, sent: false, fresh, settle, outcome };
  }

  /** @returns {Entry | undefined} the one whose turn it is */
  get first() {
    return this.entries[0];
  }

  /** @returns {number} */
  get count() {
    return this.entries.length;
  }

  /**
   * The server answered: it is applied, or it never will be.
   * @param {Outcome} outcome
   * @returns {Entry | undefined}
   */
  settle(outcome) {
    const at = this.entries.findIndex((entry) => entry.number === outcome.number);
    if (at < 0) return undefined;
    const [entry] = this.entries.splice(at, 1);
    this.keep({ remove: [entry] });
    this.changed();
    entry.settle(outcome);
    return entry;
  }

  /**
   * Takes a command back that never left this page.
   * @param {Entry} entry
   * @returns {boolean} whether it was in time
   */
  withdraw(entry) {
    if (entry.sent || !entry.fresh || !this.entries.includes(entry)) return false;
    this.settle({ ok: false, number: entry.number, sentence: "Taken back before it was sent." });
    return true;
  }

  /**
   * The server says hello: what it has already is done, the rest will be sent again.
   * @param {number} last the highest number that it applied
   * @param {number} revision
   * @returns {Entry[]} those that were done
   */
  welcome(last, revision) {
    const unsent = this.entries.filter((entry) => entry.fresh && !entry.sent);
    if (!this.drawn && unsent.some((entry) => entry.number <= last)) this.renumber(unsent, last);
    this.high = Math.max(this.high, last);
    const done = this.entries.filter((entry) => entry.number <= last);
    for (const { number } of done) this.settle({ ok: true, number, revision, sequence: null, title: "" });
    return done;
  }

  /** @param {Entry[]} entries @param {number} last */
  renumber(entries, last) {
    const old = entries.map(({ number }) => number);
    this.high = Math.max(this.high, last);
    for (const entry of entries) entry.number = ++this.high;
    this.entries.sort((a, b) => a.number - b.number);
    this.keep({ add: entries, remove: old.map((number) => ({ number })) });
    this.emit("renumbered", old.map((number, i) => [number, entries[i].number]));
  }

  /** @returns {boolean} whether a closed tab would take something with it */
  get atRisk() {
    return this.count > 0 && this.durable !== true;
  }

  /** @returns {{count: number, oldest: number}} oldest: seconds */
  get summary() {
    const oldest = this.entries.length ? (this.now() - Math.min(...this.entries.map((entry) => entry.made))) / 1000 : 0;
    return { count: this.count, oldest: Math.max(0, Math.round(oldest)) };
  }

  changed() {
    this.emit("change", this.summary);
  }

  /**
   * Writes behind each other: what is removed after it was added is gone.
   * @param {{add?: Entry[], remove?: {number: number}[]}} change
   */
  keep({ add = [], remove = [] }) {
    const { project, client } = this;
    const row = (/** @type {Entry} */ { number, command, made }) => ({ project, client, number, command, made });
    const change = {
      client: { project, client, high: this.high, seen: this.now() },
      add: add.map(row),
      remove: remove.map(({ number }) => /** @type {[string, string, number]} */ ([project, client, number])),
    };
    this.writing = this.writing.then(async () => {
      try {
        if (this.durable === false) await this.store.write({ add: this.entries.map(row) }); // what failed before
        await this.store.write(change);
        this.say(true);
      } catch {
        this.say(false);
        this.retry();
      }
    });
  }

  /** What could not be kept is tried again: the disk may have room again, the database may open again. */
  retry() {
    clearTimeout(this.retryTimer);
    if (!this.count || !this.store.factory) return;
    this.retryTimer = setTimeout(() => this.keep({}), 5000);
  }

  /** @param {boolean} durable */
  say(durable) {
    if (this.durable === durable) return;
    this.durable = durable;
    this.emit("storage", this.storage);
  }

  /** @returns {{durable: boolean, sentence: string}} */
  get storage() {
    return { durable: this.durable !== false, sentence: this.durable === false ? UNSAFE : "" };
  }

  close() {
    clearTimeout(this.retryTimer);
  }
}
