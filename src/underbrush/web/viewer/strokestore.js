/**
 * What a browser remembers of commands that are not yet acknowledged: IndexedDB, by project and client.
 * This file knows requests and transactions; what the entries mean is outbox.js.
 *
 * @typedef {{type: string, [field: string]: any}} Command
 * @typedef {{project: string, client: string, number: number, command: Command, made: number}} Row
 *   made: milliseconds since 1970
 * @typedef {{project: string, client: string, high: number, seen: number}} ClientRow
 *   high: the highest number that was ever given out; seen: milliseconds since 1970
 */

const NAME = "underbrush";
const VERSION = 1;
/** A browser that never answers must not keep anybody from painting. */
const PATIENCE = 3000;
/** A storage that just failed is not waited for again before this time (milliseconds). */
const PAUSE = 2000;

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the browser gave up writing"));
    transaction.onerror = () => reject(transaction.error);
  });
}

/** @param {IDBDatabase} db */
function lay(db) {
  const commands = db.createObjectStore("commands", { keyPath: ["project", "client", "number"] });
  commands.createIndex("client", ["project", "client"]);
  const clients = db.createObjectStore("clients", { keyPath: ["project", "client"] });
  clients.createIndex("project", "project");
}

export class StrokeStore {
  /** @param {IDBFactory | null | undefined} factory @param {number} [patience] milliseconds */
  constructor(factory, patience = PATIENCE) {
    this.factory = factory ?? null;
    this.patience = patience;
    /** @type {Promise<IDBDatabase> | null} */
    this.opening = null;
    this.failed = -Infinity;
  }

  /**
   * The open database; opened again where the browser closed it.
   * @returns {Promise<IDBDatabase>} rejects when there is none (private window, full disk, blocked)
   */
  open() {
    if (!this.opening && Date.now() - this.failed < PAUSE) return Promise.reject(new Error("the browser's storage failed just now"));
    this.opening ??= this.begin().catch((error) => {
      this.opening = null;
      this.failed = Date.now();
      throw error;
    });
    return this.opening;
  }

  /** @returns {Promise<IDBDatabase>} */
  begin() {
    return new Promise((resolve, reject) => {
      if (!this.factory) throw new Error("this browser keeps nothing");
      const timer = setTimeout(() => reject(new Error("the browser's storage does not answer")), this.patience);
      const request = this.factory.open(NAME, VERSION);
      request.onupgradeneeded = () => lay(request.result);
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        clearTimeout(timer);
        const db = request.result;
        const forget = () => (this.opening = null);
        db.onclose = forget; // the person cleared the site's data
        db.onversionchange = () => {
          db.close();
          forget();
        };
        resolve(db);
      };
    });
  }

  /**
   * @param {string} project
   * @returns {Promise<ClientRow[]>} who painted in this project from this browser, the latest first
   */
  async clients(project) {
    const db = await this.open();
    const index = db.transaction("clients").objectStore("clients").index("project");
    const rows = /** @type {ClientRow[]} */ (await answer(index.getAll(project)));
    return rows.sort((a, b) => b.seen - a.seen);
  }

  /**
   * @param {string} project
   * @param {string} client
   * @returns {Promise<Row[]>} in the order of their numbers
   */
  async commands(project, client) {
    const db = await this.open();
    const index = db.transaction("commands").objectStore("commands").index("client");
    const rows = /** @type {Row[]} */ (await answer(index.getAll([project, client])));
    return rows.sort((a, b) => a.number - b.number);
  }

  /** @returns {Promise<Map<string, number>>} how many commands wait, by project */
  async waiting() {
    const db = await this.open();
    const keys = /** @type {[string, string, number][]} */ (await answer(db.transaction("commands").objectStore("commands").getAllKeys()));
    /** @type {Map<string, number>} */
    const found = new Map();
    for (const [project] of keys) found.set(project, (found.get(project) ?? 0) + 1);
    return found;
  }

  /**
   * One transaction: all of it is kept, or nothing.
   * @param {{client?: ClientRow, add?: Row[], remove?: [string, string, number][]}} change
   * @returns {Promise<void>}
   */
  async write({ client, add = [], remove = [] }) {
    const db = await this.open();
    const transaction = db.transaction(["commands", "clients"], "readwrite", { durability: "strict" });
    const done = finished(transaction);
    const commands = transaction.objectStore("commands");
    for (const key of remove) commands.delete(key);
    for (const row of add) commands.put(row);
    if (client) transaction.objectStore("clients").put(client);
    return done;
  }

  /**
   * @param {string} project
   * @param {string} client that has no commands
   */
  async forgetClient(project, client) {
    const db = await this.open();
    const transaction = db.transaction("clients", "readwrite");
    const done = finished(transaction);
    transaction.objectStore("clients").delete([project, client]);
    return done;
  }

  /** Closes the database; it opens again when it is needed. */
  async close() {
    const db = await this.opening?.catch(() => null);
    this.opening = null;
    db?.close();
  }
}
