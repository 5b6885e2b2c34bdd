/**
 * What a wheel, a trackpad or a pinch means. A notch of a mouse wheel is one step, however many pixels the system
 * calls it; the small movements of a trackpad are gathered until they make one.
 *
 * @typedef {{deltaX: number, deltaY: number, deltaMode: number, ctrlKey: boolean, shiftKey: boolean, wheelDeltaY?: number,
 *            wheelDeltaX?: number, timeStamp: number}} Turn
 */

/** Pixels of a trackpad that make one slice or one step of the brush. */
const STEP = 50;
/** After such a pause (milliseconds) what was gathered is forgotten. */
const PAUSE = 400;
/** A notch of a wheel zooms by this much. */
const NOTCH = 1.25;

/**
 * Which way, and how many notches, where it is a mouse wheel.
 * @param {Turn} turn
 * @returns {{delta: number, notches: number | null}} delta in pixels
 */
export function read(turn) {
  // With Shift held some systems turn the wheel sideways.
  const sideways = turn.deltaY === 0;
  const raw = sideways ? turn.deltaX : turn.deltaY;
  const legacy = (sideways ? turn.wheelDeltaX : turn.wheelDeltaY) ?? 0;
  const delta = raw * [1, 100 / 3, 800][turn.deltaMode];
  if (turn.deltaMode !== 0) return { delta, notches: delta / 100 };
  // Browsers tell wheels in units of 120 a notch; a trackpad's values are small and of any size.
  if (legacy !== 0 && legacy % 120 === 0 && Math.abs(raw) > 50) return { delta, notches: -legacy / 120 };
  return { delta, notches: null };
}

export class Wheel {
  constructor() {
    this.gathered = 0;
    this.time = -Infinity;
  }

  /**
   * @param {Turn} turn
   * @returns {number} whole steps, positive away from the start (down)
   */
  steps(turn) {
    const { delta, notches } = read(turn);
    if (turn.timeStamp - this.time > PAUSE || delta * this.gathered < 0) this.gathered = 0;
    this.time = turn.timeStamp;
    this.gathered += notches ?? delta / STEP;
    const whole = Math.trunc(this.gathered + Math.sign(this.gathered) * 1e-6);
    this.gathered -= whole;
    return whole === 0 ? 0 : whole; // never -0
  }
}

/**
 * @param {Turn} turn
 * @returns {number} the factor to zoom by
 */
export function zoomFactor(turn) {
  const { delta, notches } = read(turn);
  if (notches !== null) return NOTCH ** -Math.max(-4, Math.min(4, notches));
  // A pinch comes as small turns with Ctrl; two fingers that move up and down as larger ones.
  return Math.exp(-Math.max(-200, Math.min(200, delta)) * (turn.ctrlKey ? 0.01 : 0.003));
}
