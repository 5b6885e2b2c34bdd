/** A browser's storage, locks and websocket, as small as the tests need and faulty on demand. */

const key = (value) => JSON.stringify(value);
const at = (row, path) => (Array.isArray(path) ? path.map((name) => row[name]) : row[path]);
const soon = (fn) => setTimeout(fn, 0);

class Request {
  constructor(run) {
    soon(() => {
      try {
        this.result = run();
        this.onsuccess?.({ target: this });
      } catch (error) {
        this.error = error;
        this.onerror?.({ target: this });
      }
    });
  }
}

class Table {
  constructor(keyPath) {
    this.keyPath = keyPath;
    this.rows = new Map();
    this.indexes = new Map();
  }
}

class Transaction {
  constructor(base, names, mode) {
    Object.assign(this, { base, mode });
    this.work = [];
    soon(() => {
      if (base.fail && mode === "readwrite") {
        this.error = base.fail;
        return void this.onabort?.();
      }
      for (const step of this.work) step();
      this.oncomplete?.();
    });
  }

  objectStore(name) {
    const table = this.base.tables.get(name);
    const write = (step) => this.work.push(step);
    return {
      createIndex: (index, path) => table.indexes.set(index, path),
      put: (row) => write(() => table.rows.set(key(at(row, table.keyPath)), structuredClone(row))),
      delete: (id) => write(() => table.rows.delete(key(id))),
      getAllKeys: () => new Request(() => [...table.rows.values()].map((row) => at(row, table.keyPath))),
      index: (index) => ({
        getAll: (wanted) =>
          new Request(() => {
            if (this.base.unreadable === name) throw new Error("UnknownError");
            return structuredClone([...table.rows.values()].filter((row) => key(at(row, table.indexes.get(index))) === key(wanted)));
          }),
      }),
    };
  }
}

/** `fail`: an error that every write gets; `mute`: open never answers. */
export class FakeIndexedDB {
  constructor() {
    this.tables = new Map();
    this.fail = null;
    this.mute = false;
  }

  open() {
    const request = {};
    if (this.mute) return request;
    soon(() => {
      const fresh = this.tables.size === 0;
      request.result = {
        createObjectStore: (name, { keyPath }) => {
          this.tables.set(name, new Table(keyPath));
          return new Transaction(this, [name], "upgrade").objectStore(name);
        },
        transaction: (names, mode = "readonly") => new Transaction(this, names, mode),
        close: () => {},
      };
      this.last = request.result;
      if (fresh) request.onupgradeneeded?.();
      request.onsuccess?.();
    });
    return request;
  }

  /** All rows of a table, as they are kept. */
  rows(name) {
    return [...(this.tables.get(name)?.rows.values() ?? [])];
  }
}

export class FakeLocks {
  constructor() {
    this.held = new Set();
  }

  async request(name, options, run) {
    if (this.held.has(name)) return run(null);
    this.held.add(name);
    try {
      return await run({ name });
    } finally {
      this.held.delete(name);
    }
  }
}

export class FakeTab {
  constructor(items = {}) {
    this.items = { ...items };
  }
  getItem(name) {
    return this.items[name] ?? null;
  }
  setItem(name, value) {
    this.items[name] = value;
  }
}

/** Time that passes when the test says so. */
export class FakeClock {
  constructor() {
    this.now = 0;
    this.next = 1;
    this.waiting = new Map();
  }
  setTimeout = (fn, ms) => {
    this.waiting.set(this.next, { at: this.now + ms, fn });
    return this.next++;
  };
  clearTimeout = (id) => void this.waiting.delete(id);

  async pass(ms) {
    const until = this.now + ms;
    for (;;) {
      const due = [...this.waiting].filter(([, one]) => one.at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.waiting.delete(due[0]);
      this.now = due[1].at;
      due[1].fn();
      await settle();
    }
    this.now = until;
  }
}

/** Lets promises and zero timers run. */
export async function settle(rounds = 8) {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * A server of one project: applies each command of a client once, in the order of numbers, as web.md says.
 * `up`: whether it can be reached; `answer`: how it answers a command ("ack", "later", "refused", "silent",
 * "cut": it applies and the line breaks before the answer is out).
 */
export class FakeServer {
  constructor() {
    this.up = true;
    this.answer = () => "ack";
    this.applied = []; // {client, number, command}
    this.last = new Map();
    this.answers = new Map();
    this.sockets = new Set();
    this.heard = [];
    this.revision = 0;
    const server = this;
    this.WebSocket = class {
      constructor(url) {
        this.url = url;
        this.readyState = 0;
        soon(() => (server.up ? server.accept(this) : this.break(1006)));
      }
      send(text) {
        if (this.readyState === 1) server.hear(this, JSON.parse(text));
      }
      close() {
        this.break(1000);
      }
      break(code = 1006) {
        if (this.readyState === 3) return;
        this.readyState = 3;
        server.sockets.delete(this);
        soon(() => this.onclose?.({ code }));
      }
      say(message) {
        if (this.readyState === 1) soon(() => this.onmessage?.({ data: message instanceof ArrayBuffer ? message : JSON.stringify(message) }));
      }
    };
  }

  accept(socket) {
    socket.readyState = 1;
    this.sockets.add(socket);
    socket.onopen?.();
  }

  cut(code = 1006) {
    for (const socket of [...this.sockets]) socket.break(code);
  }

  hear(socket, message) {
    const client = new URL(socket.url, "ws://x").searchParams.get("client");
    this.heard.push({ client, ...message });
    if (message.type === "hello") socket.say({ type: "welcome", revision: this.revision, last: this.last.get(client) ?? 0 });
    if (message.type !== "command") return;
    const { number, command } = message;
    if (number <= (this.last.get(client) ?? 0)) return socket.say(this.answers.get(`${client} ${number}`) ?? { type: "ack", number, revision: this.revision, sequence: 0, title: "" });
    const how = this.answer(message, client);
    if (how === "silent") return;
    if (how === "later") return socket.say({ type: "later", number, sentence: "The disk is full." });
    if (how === "refused") return socket.say({ type: "refused", number, sentence: "No such class." });
    this.applied.push({ client, number, command });
    this.last.set(client, number);
    this.revision++;
    const answer = { type: "ack", number, revision: this.revision, sequence: this.revision, title: "Stroke" };
    this.answers.set(`${client} ${number}`, answer);
    if (how === "cut") return socket.break();
    socket.say(answer);
  }
}
