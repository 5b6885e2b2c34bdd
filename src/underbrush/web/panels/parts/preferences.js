/**
 * What one person set for all projects: keys and the wheel. Kept in the browser, as brush sizes are; all windows of it
 * agree at once. Without a memory (a private window) they last as long as the window does.
 */
import { reactive } from "vue";
import { settingsFrom } from "./keychoice.js";
import { app, link } from "./link.js";

const KEPT = "underbrush.settings";
export const PRESETS = Object.freeze({ underbrush: "Underbrush", ilastik: "ilastik" });
export const WHEEL = Object.freeze({ auto: "Slices of volumes, zoom otherwise", slice: "Slices and times", zoom: "Zoom" });
export const SHIFT_WHEEL = Object.freeze({ brush: "Size of the brush", slices: "Ten slices", time: "Time points" });

const KNOWN = { presets: Object.keys(PRESETS), plain: Object.keys(WHEEL), shifted: Object.keys(SHIFT_WHEEL) };

/** @type {{preset: string, keys: Record<string, string[]>, wheel: string, shiftWheel: string, offered: boolean, lasting: boolean}} */
export const preferences = reactive({ ...settingsFrom(null, KNOWN), lasting: true });

function read() {
  let text = null;
  try {
    text = localStorage.getItem(KEPT);
  } catch {
    preferences.lasting = false;
    return;
  }
  Object.assign(preferences, settingsFrom(text, KNOWN));
}

/** The viewer works by them from now on; keys that it does not know any more are left out. */
function apply() {
  const viewer = app();
  if (!viewer) return;
  const { preset, keys, wheel, shiftWheel } = preferences;
  const isKnown = (/** @type {[string, string[]]} */ [action, list]) => {
    try {
      viewer.setKeys(preset, { [action]: list });
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  };
  viewer.setKeys(preset, Object.fromEntries(Object.entries(keys).filter(isKnown)));
  viewer.setWheel(wheel, shiftWheel);
  link.keys = viewer.keyTable();
}

/** @param {Partial<typeof preferences>} change takes effect in all windows of this browser */
export function setPreferences(change) {
  Object.assign(preferences, change);
  const { lasting, ...kept } = preferences;
  try {
    localStorage.setItem(KEPT, JSON.stringify(kept));
    preferences.lasting = true;
  } catch {
    preferences.lasting = false;
  }
  apply();
}

/** From now on; stops when the viewer goes. @returns {() => void} */
export function followPreferences() {
  const heard = (/** @type {StorageEvent} */ event) => {
    if (event.key !== KEPT && event.key !== null) return;
    read();
    apply();
  };
  window.addEventListener("storage", heard);
  read();
  apply();
  return () => window.removeEventListener("storage", heard);
}

/** ilastik's keys come with what its wheel does. @param {string} preset */
export function choosePreset(preset) {
  setPreferences({ preset, keys: {}, shiftWheel: preset === "ilastik" ? "time" : "brush", offered: true });
}
