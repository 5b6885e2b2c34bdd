/** Strokes that this browser keeps for projects that no window shows: told on the start page, so that none is forgotten. */
import { onBeforeUnmount, onMounted, ref } from "vue";
import { keptWords } from "./words.js";

/** Milliseconds between two looks: what a window sends just now is gone by the second. */
const PAUSE = 2500;

/** @param {() => {project: string, missing: boolean}[]} recent @returns words as they are known, empty at first */
export function useKeptStrokes(recent) {
  const words = ref(keptWords(new Map(), new Map(), []));
  let timer = 0,
    gone = false;
  onMounted(async () => {
    try {
      // Nothing of the viewer is fetched where this browser never painted.
      const all = await indexedDB.databases();
      if (!all.some((one) => one.name === "underbrush")) return;
      const { StrokeStore } = /** @type {any} */ (await import("underbrush-viewer"));
      const store = new StrokeStore(indexedDB),
        before = await store.waiting();
      if (gone || !before.size) return void store.close();
      timer = window.setTimeout(async () => {
        try {
          words.value = keptWords(before, await store.waiting(), recent());
        } finally {
          void store.close();
        }
      }, PAUSE);
    } catch {
      /* A browser that keeps nothing has nothing to tell; the window of the project says so. */
    }
  });
  onBeforeUnmount(() => {
    gone = true;
    clearTimeout(timer);
  });
  return words;
}
