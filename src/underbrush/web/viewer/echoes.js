// Strokes that are shown before the server has them. Each belongs to a token; a later one lies over an earlier one.
import { spansOf } from "./geometry.js";

/** @typedef {import("./overlaytiles.js").Where} Where */
/** @typedef {import("./scene.js").Spans} Spans */
/** `until`: the revision whose label tiles make it needless; null: stays until dropped.
 *  @typedef {{lane: string, id: number, runs: Int32Array, count: number, until: number | null, since: number,
 *   spans: Spans | null, plane: string}} Echo */

export class Echoes {
  constructor() {
    /** @type {Map<string | number, Echo>} */
    this.byToken = new Map();
  }

  /** @param {string} lane @param {ArrayLike<number>} runs five numbers each @param {number} id @param {string | number} token */
  add(lane, runs, id, token) {
    if (runs.length % 5) throw new RangeError("An echo takes five numbers a run: t, z, y, x, n.");
    let echo = this.byToken.get(token);
    if (!echo) {
      echo = { lane, id, runs: new Int32Array(Math.max(640, runs.length)), count: 0, until: null, since: 0, spans: null, plane: "" };
      this.byToken.set(token, echo);
    }
    echo.runs = grown(echo.runs, echo.count + runs.length);
    echo.runs.set(runs, echo.count);
    echo.count += runs.length;
    echo.plane = "";
  }

  /** @param {string | number} token @param {number | null} revision null: now @param {number} now milliseconds */
  drop(token, revision, now) {
    const echo = this.byToken.get(token);
    if (!echo) return;
    if (revision === null) this.byToken.delete(token);
    else Object.assign(echo, { until: revision, since: now });
  }

  /** Takes away what a lane's label tiles show by now. @param {string} lane @param {(revision: number) => boolean} shown */
  settle(lane, shown) {
    for (const [token, echo] of this.byToken)
      // A stroke on an image that nobody looks at has no tiles to wait for: they are asked for when it is looked at.
      if (echo.until !== null && (echo.lane !== lane || shown(echo.until))) this.byToken.delete(token);
  }

  /** Revisions start anew: what was acknowledged is in every tile that is asked for from now on. */
  restart() {
    for (const echo of this.byToken.values()) if (echo.until !== null) echo.until = -1;
  }

  /** Echoes of a lane that wait for longer than this for their revision. @param {string} lane @param {number} before */
  overdue(lane, before) {
    return [...this.byToken.values()].filter((echo) => echo.lane === lane && echo.until !== null && echo.since < before);
  }

  /** What of them lies in a plane, in the order in which it was painted. @param {Where} where @returns {Spans[]} */
  spansIn(where) {
    const plane = `${where.lane}|${where.t}|${where.plane}|${where.slice}`, out = [];
    for (const echo of this.byToken.values()) {
      if (echo.lane !== where.lane) continue;
      if (echo.plane !== plane || !echo.spans) {
        const data = spansOf(echo.runs.subarray(0, echo.count), 5, where);
        // The same object with a new version: the renderer keeps one buffer for it.
        echo.spans = Object.assign(echo.spans ?? { id: echo.id, version: 0 }, {
          data, count: data.length / 3, version: (echo.spans?.version ?? 0) + 1, bounds: boundsOf(data),
        });
        echo.plane = plane;
      }
      if (echo.spans.count) out.push(echo.spans);
    }
    return out;
  }
}

/** @param {Int32Array} spans u, v, n @returns {import("./geometry.js").Box} */
function boundsOf(spans) {
  let [u0, v0, u1, v1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < spans.length; i += 3) {
    u0 = Math.min(u0, spans[i]);
    v0 = Math.min(v0, spans[i + 1]);
    u1 = Math.max(u1, spans[i] + spans[i + 2]);
    v1 = Math.max(v1, spans[i + 1] + 1);
  }
  return [u0, v0, u1, v1];
}

/** @param {Int32Array} data @param {number} length */
function grown(data, length) {
  if (length <= data.length) return data;
  const larger = new Int32Array(Math.max(length, data.length * 2));
  larger.set(data);
  return larger;
}
