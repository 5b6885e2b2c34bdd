/**
 * Hands in what closed tabs left: each under the id and the numbers of the tab that painted it, so that nothing
 * is applied twice, whatever the closed tab had already sent.
 */
import { claimOrphans } from "./claim.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { Outbox } from "./outbox.js";

/** Events: "delivered" ({client, count}), "refused" ({sentence}), "waiting" (`with` gives something else). */
export class Courier extends Emitter {
  /**
   * @param {{project: string, own: string, store: import("./strokestore.js").StrokeStore, locks?: LockManager | null,
   *          connection: Omit<import("./connection.js").Options, "client" | "outbox">}} options
   */
  constructor(options) {
    super();
    this.options = options;
    /** @type {Set<Connection>} */
    this.connections = new Set();
    this.busy = false;
    this.ended = false;
    /** @type {Map<string, {count: number, oldest: number}>} what still waits, by closed tab */
    this.waiting = new Map();
  }

  /**
   * What waits in this browser for this project, that of closed tabs included.
   * @param {{count: number, oldest: number}} own of the tab itself @returns {{count: number, oldest: number}}
   */
  with(own) {
    const all = [own, ...this.waiting.values()];
    return { count: all.reduce((sum, one) => sum + one.count, 0), oldest: Math.max(...all.map((one) => one.oldest)) };
  }

  /** @private @param {string} client @param {{count: number, oldest: number}} summary */
  waits(client, summary) {
    if (summary.count) this.waiting.set(client, summary);
    else this.waiting.delete(client);
    this.emit("waiting");
  }

  /** Looks for what was left, and hands it in. One round at a time. */
  async round() {
    if (this.busy || this.ended) return;
    this.busy = true;
    try {
      const orphans = await claimOrphans(this.options);
      this.waiting.clear(); // another window may have handed in what was there
      for (const { client, rows } of orphans) {
        const oldest = Math.round((Date.now() - Math.min(...rows.map((row) => row.made))) / 1000);
        this.waits(client, { count: rows.length, oldest: Math.max(0, oldest) });
      }
      for (const orphan of orphans) {
        try {
          await this.deliver(orphan);
        } finally {
          orphan.release();
        }
      }
    } catch {
      // The browser's storage does not answer. The outbox of this tab says so; the next round tries again.
    } finally {
      this.busy = false;
    }
  }

  /**
   * @param {{client: string, rows: import("./strokestore.js").Row[], high: number}} orphan
   * @returns {Promise<void>} kept when all is handed in, or when this page ends
   */
  async deliver({ client, rows, high }) {
    const { project, store } = this.options;
    if (this.ended) return;
    const outbox = new Outbox({ project, client, high, store });
    outbox.on("change", (summary) => this.ended || this.waits(client, summary));
    outbox.take(rows);
    const connection = new Connection({ ...this.options.connection, client, outbox });
    this.connections.add(connection);
    connection.on("refused", ({ sentence }) => this.emit("refused", { sentence }));
    await new Promise((resolve) => {
      connection.on("idle", () => resolve(undefined));
      this.on("end", () => resolve(undefined));
      connection.start();
    });
    connection.stop();
    outbox.close();
    this.connections.delete(connection);
    await outbox.writing;
    if (!this.ended) this.emit("delivered", { client, count: rows.length });
  }

  close() {
    this.ended = true;
    this.emit("end");
  }
}
