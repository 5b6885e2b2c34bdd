/**
 * What a person did, in the order in which it is taken back. The server keeps the history; here is only what it
 * cannot know: that several commands were one stroke, and that a command which never left this browser need not
 * be sent in order to be undone.
 */

/**
 * @typedef {import("./outbox.js").Entry} Entry
 * @typedef {import("./strokestore.js").Command} Command
 * @typedef {{stroke: number | null, entries: Entry[], earlier: number}} Deed
 *   earlier: commands that were redone: the server knows them, there are no entries for them any more
 * @typedef {{stroke: number | null, taken: Command[], undos: number}} Undone
 *   taken: never sent, kept here; undos: how many the server undid
 */

export class Deeds {
  /**
   * @param {{outbox: import("./outbox.js").Outbox, send: (command: Command) => void,
   *          again: (command: Command, stroke: number | null) => void, dropped: (entry: Entry) => void}} options
   *   send: undo and redo; again: a command that was taken back comes back; dropped: its echo goes
   */
  constructor({ outbox, send, again, dropped }) {
    this.outbox = outbox;
    this.send = send;
    this.again = again;
    this.dropped = dropped;
    /** @type {Deed[]} */
    this.done = [];
    /** @type {Undone[]} */
    this.undone = [];
  }

  /**
   * A new command: what was undone cannot be redone any more.
   * @param {Entry} entry
   * @param {number | null} stroke commands of one stroke are one deed
   */
  note(entry, stroke = null) {
    this.undone = [];
    this.put(entry, stroke);
  }

  /** @param {Entry} entry @param {number | null} stroke */
  put(entry, stroke) {
    const last = this.done.at(-1);
    if (stroke !== null && last?.stroke === stroke) last.entries.push(entry);
    else this.done.push({ stroke, entries: [entry], earlier: 0 });
    if (this.done.length > 1000) this.done.shift();
  }

  /** It was refused, or all was so already: there is nothing to undo. @param {Entry} entry */
  unchanged(entry) {
    for (const deed of this.done) deed.entries = deed.entries.filter((one) => one !== entry);
    this.done = this.done.filter(({ entries, earlier }) => entries.length || earlier);
  }

  /** @returns {Command | null} the last command of a person, while the server has not answered it */
  get waiting() {
    const entry = this.done.at(-1)?.entries.at(-1);
    return entry && this.outbox.entries.at(-1) === entry ? entry.command : null;
  }

  /** @returns {Command | null} what redo brings back that the server knows nothing of */
  get taken() {
    return this.undone.at(-1)?.taken.at(-1) ?? null;
  }

  undo() {
    const deed = this.done.pop() ?? { stroke: null, entries: [], earlier: 1 }; // what an earlier page did is known to the server
    /** @type {Undone} */
    const undone = { stroke: deed.stroke, taken: [], undos: deed.earlier };
    for (const entry of [...deed.entries].reverse()) {
      if (!this.outbox.withdraw(entry)) undone.undos++;
      else {
        undone.taken.unshift(entry.command);
        this.dropped(entry);
      }
    }
    for (let i = 0; i < undone.undos; i++) this.send({ type: "undo" });
    this.undone.push(undone);
  }

  redo() {
    const undone = this.undone.pop() ?? { stroke: null, taken: [], undos: 1 };
    if (undone.undos) this.done.push({ stroke: undone.stroke, entries: [], earlier: undone.undos });
    for (let i = 0; i < undone.undos; i++) this.send({ type: "redo" });
    for (const command of undone.taken) this.again(command, undone.stroke);
  }
}
