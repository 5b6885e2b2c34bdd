/**
 * What is under the pointer: the place at once, values and probabilities when the pointer rests on a pixel for a
 * moment. An answer for a pixel that the pointer has left is not shown.
 */
import { Emitter } from "./emitter.js";

/** At most so often (milliseconds) a place is told. */
const PACE = 50;
/** A pointer that rests for so long is asked for. */
const REST = 60;
/** An answer is good for as long as nothing changed; so many are kept. */
const KEPT = 500;

/**
 * @typedef {{lane: string, t: number, z: number, y: number, x: number, inside?: boolean}} Place
 * @typedef {{values: number[], probabilities: number[] | null, label: number}} Value
 */

/** Events: "cursor" ({lane, t, z, y, x, inside, values, probabilities, label}). */
export class Pointed extends Emitter {
  /** @param {{api: string, fetch?: typeof fetch}} options */
  constructor({ api, fetch: ask = (...args) => fetch(...args) }) {
    super();
    this.api = api;
    this.fetch = ask;
    /** @type {Place | null} */
    this.place = null;
    /** @type {Map<string, Value>} */
    this.known = new Map();
    /** @type {AbortController | null} */
    this.asking = null;
    this.told = 0;
    this.timers = /** @type {Record<string, any>} */ ({});
  }

  /** @param {Place | null} place */
  at(place) {
    const same = place !== null && this.place !== null && keyOf(place) === keyOf(this.place) && place.inside === this.place.inside;
    this.place = place;
    if (same) return;
    this.asking?.abort();
    clearTimeout(this.timers.rest);
    this.tell();
    if (place?.inside && !this.known.has(keyOf(place))) this.timers.rest = setTimeout(() => void this.look(place), REST);
  }

  /** What was known of values may have changed. */
  stale() {
    this.known.clear();
    const { place } = this;
    clearTimeout(this.timers.rest);
    if (place?.inside) this.timers.rest = setTimeout(() => void this.look(place), REST);
  }

  /** @param {Place} place */
  async look(place) {
    this.asking?.abort();
    this.asking = new AbortController();
    await this.ask(place, this.asking.signal);
    if (this.place && keyOf(this.place) === keyOf(place)) this.tell();
  }

  /**
   * @param {Place} place
   * @param {AbortSignal} [signal]
   * @returns {Promise<Value | null>} null: no answer
   */
  async ask(place, signal) {
    const { lane, t, z, y, x } = place;
    try {
      const response = await this.fetch(`${this.api}/lanes/${lane}/value?t=${t}&z=${z}&y=${y}&x=${x}`, { signal, cache: "no-store" });
      if (!response.ok) return null;
      const value = await response.json();
      if (this.known.size >= KEPT) this.known.clear();
      this.known.set(keyOf(place), value);
      return value;
    } catch {
      return null; // the pointer went on, or the line is cut, which the connection tells
    }
  }

  tell() {
    const wait = this.told + PACE - Date.now();
    clearTimeout(this.timers.tell);
    if (wait > 0) {
      this.timers.tell = setTimeout(() => this.tell(), wait);
      return;
    }
    this.told = Date.now();
    const { place } = this;
    if (!place?.inside) {
      this.emit("cursor", { lane: place?.lane ?? null, t: null, z: null, y: null, x: null, inside: false, values: null, probabilities: null, label: null });
      return;
    }
    const { lane, t, z, y, x } = place;
    const { values = null, probabilities = null, label = null } = this.known.get(keyOf(place)) ?? {};
    this.emit("cursor", { lane, t, z, y, x, inside: true, values, probabilities, label });
  }

  close() {
    this.asking?.abort();
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
  }
}

/** @param {Place} place */
const keyOf = ({ lane, t, z, y, x }) => `${lane}|${t}|${z}|${y}|${x}`;
