/**
 * The state of the project as this browser knows it: fetched whole, then kept up with what the websocket says.
 * An answer that is older than what is known already is left out.
 */
import { Emitter } from "./emitter.js";

/** Many edits in a row ask once. */
const GATHER = 120;

/** Events: "state" (the whole state), "trouble" ({sentence}). */
export class Store extends Emitter {
  /** @param {{url: string, fetch?: typeof fetch, gather?: number}} options url: of the state */
  constructor({ url, fetch: ask = (...args) => fetch(...args), gather = GATHER }) {
    super();
    this.url = url;
    this.ask = ask;
    this.gather = gather;
    /** @type {any} null until it is known */
    this.state = null;
    /** @type {Promise<boolean> | null} */
    this.asking = null;
    this.again = false;
    /** A state below this revision is older than what is known. */
    this.floor = -Infinity;
    this.timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  }

  /**
   * Asks for the whole state. Asked while an answer is under way, it is asked once more after it.
   * @returns {Promise<boolean>} whether an answer came
   */
  refresh() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.asking) {
      this.again = true;
      return this.asking;
    }
    this.asking = this.fetchState().finally(() => {
      this.asking = null;
      if (this.again) {
        this.again = false;
        this.later();
      }
    });
    return this.asking;
  }

  /** Asks soon. */
  later() {
    this.timer ??= setTimeout(() => void this.refresh(), this.gather);
  }

  async fetchState() {
    try {
      const response = await this.ask(this.url, { cache: "no-store" });
      if (!response.ok) return false;
      this.put(await response.json());
      return true;
    } catch {
      return false; // the line is cut; the connection says so and asks again after the welcome
    }
  }

  /** @param {any} state whole */
  put(state) {
    if (state.revision < this.floor) return;
    this.floor = state.revision;
    this.state = state;
    this.emit("state", state);
  }

  /** @param {any} message of the type "state": whole, or only the keys that changed; without any: ask */
  merge(message) {
    const { type: _type, ...changes } = message;
    const whole = "lanes" in changes && "classes" in changes;
    if (whole) return this.put({ ...(this.state ?? {}), ...changes });
    const keys = Object.keys(changes).filter((key) => key !== "revision");
    if (!this.state || !keys.length) return this.later();
    this.put({ ...this.state, ...changes });
  }

  /** Another server may count from another number: what it tells next is taken as it is. @returns {Promise<boolean>} */
  restart() {
    this.floor = -Infinity;
    return this.refresh();
  }

  /** @param {string} id @returns {any} */
  lane(id) {
    return this.state?.lanes.find((/** @type {any} */ lane) => lane.id === id) ?? null;
  }

  close() {
    clearTimeout(this.timer);
  }
}
