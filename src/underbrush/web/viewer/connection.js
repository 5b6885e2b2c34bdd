/**
 * The websocket of one client: says hello, sends what waits in the outbox, in order and one at a time, and comes
 * back by itself when the line is cut.
 *
 * One command is under way at a time. Were two, and the first could not be made safe ("later"), the second would
 * be applied before it, and the number of the first would count as used.
 *
 * Events: "state" ({state, sentence, banner}), "ack" ({entry, revision, sequence, title}), "refused" ({entry,
 * sentence}), "later" ({entry, sentence}), "welcome" ({revision, last, done}), "message" (every other text
 * message), "binary" ({header, bytes}), "idle" (nothing waits), "trouble" ({sentence}).
 */
import { Emitter } from "./emitter.js";

/** @typedef {"connecting" | "online" | "reconnecting" | "offline" | "closed"} State */

const SENTENCES = {
  connecting: "Connecting ...",
  online: "",
  reconnecting: "Reconnecting: what you paint is kept here.",
  offline: "This computer is offline: what you paint is kept here.",
};
const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
/** An answer that takes longer means a dead line (a computer that slept, a tunnel that broke): call again. */
const PATIENCE = 15000;
/** Short breaks are mended before anybody needs to read about them. */
const BANNER_AFTER = 1000;

/**
 * @typedef {{setTimeout: (fn: () => void, ms: number) => any, clearTimeout: (id: any) => void}} Clock
 * @typedef {{url: string, client: string, outbox: import("./outbox.js").Outbox, WebSocket?: typeof WebSocket,
 *            clock?: Clock, random?: () => number, online?: () => boolean,
 *            probe?: () => Promise<number | null>}} Options
 *   url: without the query; probe: the status with which the server answers a plain request, null: it does not
 */

export class Connection extends Emitter {
  /** @param {Options} options */
  constructor(options) {
    super();
    this.options = options;
    this.outbox = options.outbox;
    /** @type {Clock} */
    this.clock = options.clock ?? { setTimeout: (fn, ms) => setTimeout(fn, ms), clearTimeout: (id) => clearTimeout(id) };
    /** @type {State} */
    this.state = "connecting";
    this.sentence = SENTENCES.connecting;
    this.banner = false;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.welcomed = false;
    this.ended = false;
    this.failures = 0;
    this.laters = 0;
    /** @type {import("./outbox.js").Entry | null} */
    this.underWay = null;
    /** @type {Map<string, any>} */
    this.views = new Map();
    /** @type {Record<string, any>} */
    this.timers = {};
  }

  start() {
    this.after("banner", BANNER_AFTER, () => this.say(this.state, this.sentence, true));
    this.call();
  }

  stop() {
    this.ended = true;
    for (const name of Object.keys(this.timers)) this.cancel(name);
    this.hangUp();
  }

  /** Calls at once instead of after the wait (the network is back, the window is seen again). */
  hurry() {
    if (this.ended || this.socket) return;
    this.cancel("call");
    this.failures = Math.min(this.failures, 1);
    this.call();
  }

  /** Somebody asks for it: a call that nobody has answered yet is given up for a new one, too. */
  again() {
    if (this.welcomed) return;
    this.hangUp();
    this.hurry();
  }

  /** Sends what waits, if it is time to. Called by whoever put something into the outbox. */
  pump() {
    const entry = this.outbox.first;
    if (!this.welcomed || this.underWay || this.timers.later) return;
    if (!entry) return void this.emit("idle");
    this.underWay = entry;
    entry.sent = true;
    this.after("answer", PATIENCE, () => this.lost());
    this.send({ type: "command", number: entry.number, command: entry.command });
  }

  /**
   * What is looked at; told again after every reconnect.
   * @param {string} name
   * @param {any} view the message without type and view; null: nothing any more
   */
  look(name, view) {
    if (view) this.views.set(name, view);
    else this.views.delete(name);
    this.tell(view ? { type: "view", view: name, ...view } : { type: "unview", view: name });
  }

  /**
   * Sends a message that is worth nothing later on.
   * @param {any} message
   * @returns {boolean} whether there was a line to send it on
   */
  tell(message) {
    if (!this.welcomed) return false;
    this.send(message);
    return true;
  }

  // -- the line -----------------------------------------------------------------------------------------------

  call() {
    if (this.ended) return;
    const { url, client } = this.options;
    const Socket = this.options.WebSocket ?? WebSocket;
    const socket = new Socket(`${url}?client=${encodeURIComponent(client)}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    let opened = false;
    const mine = (/** @type {(event: any) => void} */ fn) => (/** @type {any} */ event) => {
      if (this.socket === socket) fn(event);
    };
    socket.onopen = mine(() => {
      opened = true;
      this.send({ type: "hello", client, last: this.outbox.high });
    });
    socket.onmessage = mine((event) => this.hear(event.data));
    socket.onclose = mine((event) => this.lost(event.code, opened));
    // "error" is always followed by "close", which knows more.
    this.after("answer", PATIENCE, () => this.lost()); // until the welcome
  }

  /** @param {any} message */
  send(message) {
    this.socket?.send(JSON.stringify(message));
  }

  hangUp() {
    const { socket } = this;
    this.socket = null;
    this.welcomed = false;
    this.underWay = null;
    this.cancel("answer");
    this.cancel("later");
    if (socket && socket.readyState < 2) socket.close();
  }

  /**
   * The line is cut, or nobody is at its other end.
   * @param {number} [code]
   * @param {boolean} [opened]
   */
  lost(code, opened = true) {
    this.hangUp();
    if (this.ended) return;
    const sentence = sentenceOf(code);
    const online = this.options.online?.() ?? true;
    if (sentence) this.closed(sentence);
    else if (this.state !== "closed") this.away(online ? "reconnecting" : "offline");
    this.failures++;
    if (!opened && this.failures > 1) void this.ask();
    const wait = this.state === "closed" ? 3 * LONGEST_WAIT : Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.failures - 1));
    const jitter = 0.75 + 0.5 * (this.options.random ?? Math.random)();
    this.after("call", wait * jitter, () => this.call());
  }

  /** @param {"reconnecting" | "offline"} state */
  away(state) {
    const shown = this.banner;
    this.say(state, SENTENCES[state], shown);
    if (!shown && !this.timers.banner) {
      this.after("banner", BANNER_AFTER, () => this.say(this.state, this.sentence, this.state !== "online"));
    }
  }

  /** @param {string} sentence */
  closed(sentence) {
    this.say("closed", `${sentence} What you painted is kept here.`, true);
  }

  /** A refused handshake has no reason in it; a plain request does. */
  async ask() {
    const status = await (this.options.probe?.() ?? Promise.resolve(null)).catch(() => null);
    const sentence = this.ended || this.welcomed || status === null ? "" : sentenceOf(4000 + status);
    if (sentence) this.closed(sentence);
    else if (this.state === "closed" && status === null) this.away("reconnecting"); // gone: it may come back
  }

  /** @param {State} state @param {string} sentence @param {boolean} banner */
  say(state, sentence, banner) {
    if (this.state === state && this.sentence === sentence && this.banner === banner) return;
    Object.assign(this, { state, sentence, banner });
    this.emit("state", { state, sentence, banner });
  }

  // -- what the server says -------------------------------------------------------------------------------------

  /** @param {string | ArrayBuffer} data */
  hear(data) {
    try {
      if (typeof data === "string") this.read(JSON.parse(data));
      else this.emit("binary", parseBinary(data));
    } catch (error) {
      this.emit("trouble", { sentence: `The server said something that this window does not understand (${error}). Load the page again.` });
    }
  }

  /** @param {any} message */
  read(message) {
    if (message.type === "welcome") this.welcome(message);
    else if (message.type === "ack") this.answered(message, { ok: true, number: message.number, revision: message.revision, sequence: message.sequence, title: message.title ?? "" });
    else if (message.type === "refused") this.answered(message, { ok: false, number: message.number, sentence: message.sentence });
    else if (message.type === "later") this.later(message);
    else this.emit("message", message);
  }

  /** @param {{revision: number, last: number}} message */
  welcome({ revision, last }) {
    this.cancel("answer");
    this.cancel("banner");
    this.failures = 0;
    this.welcomed = true;
    const done = this.outbox.welcome(last, revision);
    this.say("online", "", false);
    this.emit("welcome", { revision, last, done });
    for (const [name, view] of this.views) this.tell({ type: "view", view: name, ...view });
    this.pump();
  }

  /** @param {any} message @param {import("./outbox.js").Outcome} outcome */
  answered(message, outcome) {
    if (this.underWay?.number === outcome.number) {
      this.underWay = null;
      this.cancel("answer");
    }
    this.laters = 0;
    const entry = this.outbox.settle(outcome);
    if (entry) this.emit(message.type, { ...message, entry });
    this.pump();
  }

  /** It could not be made safe: the same command again, before all others. @param {any} message */
  later({ number, sentence }) {
    if (this.underWay?.number !== number) return;
    const entry = this.underWay;
    this.underWay = null;
    this.cancel("answer");
    const wait = Math.min(10000, 1000 * 2 ** this.laters++);
    this.after("later", wait, () => this.pump());
    this.emit("later", { entry, sentence });
  }

  /** @param {string} name @param {number} ms @param {() => void} fn */
  after(name, ms, fn) {
    this.cancel(name);
    this.timers[name] = this.clock.setTimeout(() => {
      delete this.timers[name];
      fn();
    }, ms);
  }

  /** @param {string} name */
  cancel(name) {
    if (name in this.timers) this.clock.clearTimeout(this.timers[name]);
    delete this.timers[name];
  }
}

/**
 * @param {number | undefined} code of the close; 4000 + the status of an answer by HTTP
 * @returns {string} empty: the line just broke
 */
function sentenceOf(code) {
  if (code === 4401 || code === 4403) return "This window may no longer speak to the server: open the address that underbrush printed.";
  if (code === 4404) return "This project is not open on the server any more: open it again on the start page.";
  return "";
}

/**
 * @param {ArrayBuffer} data u32 length of JSON (little-endian), JSON, payload
 * @returns {{header: any, bytes: Uint8Array}}
 */
export function parseBinary(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return { header, bytes: new Uint8Array(data, 4 + length) };
}
