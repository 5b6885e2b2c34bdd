/**
 * Contrast by dragging over the image: up and down how much of the values is between black and white, left and right
 * where their middle is.
 */
import { shownFeature } from "./layers.js";

/** Dragging by so many pixels of the screen halves or doubles what is between black and white. */
const TWICE = 120;
/** Dragging by so many moves the middle by as much as is between black and white. */
const ONCE = 480;

/**
 * @param {[number, number]} range black and white when the drag began
 * @param {number} dx @param {number} dy CSS pixels since then; down is positive
 * @param {number} least apart: 1 for whole numbers
 * @returns {[number, number]}
 */
export function levelled([low, high], dx, dy, least) {
  const width = Math.max(least, (high - low) * 2 ** (dy / TWICE)), middle = (low + high) / 2 - ((high - low) * dx) / ONCE;
  return [middle - width / 2, middle + width / 2];
}

/**
 * @param {import("./index.js").Mounted} app
 * @param {PointerEvent} start
 * @returns {import("./painting.js").Deed | null}
 */
export function levelling(app, start) {
  const { viewer } = app, { lane } = viewer, feature = shownFeature(viewer.layers);
  if (!lane) return null;
  const least = lane.dtype.startsWith("float") || feature ? 1e-9 : 1;
  const range = viewer.active.featureRange, channels = viewer.channels.filter(({ random, mask }) => !random && !mask);
  if (feature && !range) return null; // nothing of it is there yet
  return {
    move: ({ clientX, clientY }) => {
      const dx = clientX - start.clientX, dy = clientY - start.clientY;
      if (feature && range) {
        const [low, high] = levelled(range, dx, dy, least);
        return app.setLayer(feature, { low, high });
      }
      const looks = channels.map(({ channel, ...before }) => {
        const [low, high] = levelled([before.low, before.high], dx, dy, least);
        return [channel, { low, high }];
      });
      app.setLayer("raw", { channels: Object.fromEntries(looks) });
    },
    end: () => {},
    drop: () => {},
  };
}
