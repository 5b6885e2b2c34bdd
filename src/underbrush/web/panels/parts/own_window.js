/** A view in a window of its own: opening it, and what such a window shows. */
import { watch } from "vue";
import { app, link, say } from "./link.js";
import { Together, addressOf } from "./together.js";

/** @typedef {import("./types").App} App */
/** @typedef {import("./together.js").Alone} Alone */

/** Those that were opened from here, by plane. @type {Map<string, Window>} */
const windows = new Map();

/** A view in a window of its own. @param {string} [plane] without it the current one */
export function openAlone(plane = link.position.plane) {
  const viewer = app();
  if (!viewer) return;
  const address = addressOf(link.prefix, link.project, plane, viewer.client);
  const there = windows.get(plane);
  if (there && !there.closed) return there.focus();
  const opened = window.open(address, `underbrush ${link.project} ${plane} ${viewer.client}`, "popup,width=900,height=700");
  if (opened) windows.set(plane, opened);
  else say("The browser did not let a window be opened: allow windows for this address, then try again.", { level: "warning" });
}

/**
 * From now on this window goes with the others; one that shows a view alone shows nothing else.
 * @param {App} viewer @param {Alone | null} alone @returns {() => void} ends it
 */
export function goTogether(viewer, alone) {
  const together = new Together(viewer, new BroadcastChannel(`underbrush ${link.project} ${alone?.leader || viewer.client}`));
  // Images and classes have to be known before somebody can say which.
  const stop = watch(
    () => !!link.state,
    (there) => {
      if (there) together.begin();
    },
    { immediate: true },
  );
  const end = () => {
    stop();
    together.close();
  };
  if (!alone) return end;
  /** @type {HTMLElement | null} */ (document.querySelector(".app"))?.classList.add("alone");
  link.step = 3;
  const isThere = () => !!link.state?.lanes.some((one) => one.id === link.position.lane && one.shape[2] > 1);
  const off = watch(
    [() => link.position.lane, isThere],
    () => {
      if (isThere() && link.position.maximised !== alone.plane) viewer.setPlane(alone.plane);
    },
    { immediate: true },
  );
  const named = watch(
    () => link.state?.name,
    (name) => {
      if (name) document.title = `${alone.plane.toUpperCase()} of ${name} – Underbrush`;
    },
    { immediate: true, flush: "post" },
  );
  return () => {
    off();
    named();
    end();
  };
}
