/** A project goes on in another file: this tab stays who it was, so that its strokes can still be undone there. */
import { address, app, link } from "./link.js";

/** What this tab remembers of a project, by the beginning of its keys. */
const OWN = ["underbrush:client:", "underbrush.window.", "underbrush.export."];

/** @param {string} to id of the project that is the same as this one */
export async function goOn(to) {
  const viewer = /** @type {any} */ (app());
  try {
    const { client, high, store } = viewer.outbox;
    await store.write({ client: { project: to, client, high, seen: Date.now() } });
    for (const key of OWN) {
      const kept = sessionStorage.getItem(key + link.project);
      if (kept !== null) sessionStorage.setItem(key + to, kept);
    }
  } catch {
    // A browser that keeps nothing: the project goes on all the same, with nothing to undo.
  }
  location.assign(address(`/p/${to}`));
}
