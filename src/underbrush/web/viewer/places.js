/**
 * Where one looks: image, time point, plane, slice and middle; and the way back. A stroke that is being painted
 * ends before the place changes under it.
 */
import { planeSize } from "./geometry.js";

/**
 * @typedef {"xy" | "xz" | "zy"} Plane
 * @typedef {{lane: string, t: number, plane: Plane, slice: number, cx: number, cy: number, zoom: number}} Spot
 * @typedef {{lane: string | null, t: number, z: number, y: number, x: number, plane: Plane, slice: number, canBack: boolean}} Position
 *   z, y, x: the middle of the view
 */

/** How long goTo marks the place that it went to, in milliseconds. */
const MARKED = 1500;
const TRAIL = 50;

export class Places {
  /**
   * @param {{viewer: import("./viewer.js").Viewer, store: import("./store.js").Store,
   *          painting: import("./painting.js").Painting, shown?: (lane: any) => void}} parts
   *   shown: told when another image is shown
   */
  constructor({ viewer, store, painting, shown = () => {} }) {
    this.viewer = viewer;
    this.store = store;
    this.painting = painting;
    this.shown = shown;
    /** @type {Spot[]} where goTo left from */
    this.trail = [];
    /** @type {Map<string, Spot>} where each image was left */
    this.spots = new Map();
    this.crosshair = false;
    this.timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  }

  /** @param {any} lane of the state, or null */
  show(lane) {
    this.painting.finish();
    const { viewer } = this;
    if (viewer.lane) this.spots.set(viewer.lane.id, this.spot);
    viewer.setLane(lane);
    if (!lane) return;
    const spot = this.spots.get(lane.id);
    const plane = lane.shape[2] > 1 ? viewer.place.plane : "xy";
    if (spot) this.moveTo(spot);
    else viewer.setPlane(0, plane, Math.floor(planeSize(lane, plane).depth / 2));
    this.shown(lane);
  }

  /** @returns {Spot} what is shown now */
  get spot() {
    const { lane, place, look } = this.viewer;
    return { lane: lane?.id ?? "", ...place, ...look };
  }

  /** @param {Spot} spot of the lane that is shown */
  moveTo({ t, plane, slice, cx, cy, zoom }) {
    this.viewer.setPlane(t, plane, slice);
    this.viewer.setView(cx, cy, zoom);
  }

  /** @returns {(import("./brush.js").Sheet & {lane: string}) | null} what can be painted on */
  get sheet() {
    const { lane, place } = this.viewer;
    if (!lane || /** @type {any} */ (lane).missing) return null;
    const { width, height } = planeSize(lane, place.plane);
    return { lane: lane.id, ...place, width, height };
  }

  /** @returns {Position} */
  get position() {
    const { lane, place, look } = this.viewer;
    const [u, v] = [Math.floor(look.cx), Math.floor(look.cy)];
    const [z, y, x] = { xy: [place.slice, v, u], xz: [v, place.slice, u], zy: [u, v, place.slice] }[place.plane];
    return { lane: lane?.id ?? null, t: place.t, z, y, x, plane: place.plane, slice: place.slice, canBack: this.trail.length > 0 };
  }

  /** @returns {number} how many slices there are in the plane that is shown */
  get depth() {
    const { lane, place } = this.viewer;
    return lane ? planeSize(lane, place.plane).depth : 1;
  }

  /** @param {string} id @throws {RangeError} */
  setLane(id) {
    const lane = this.store.lane(id);
    if (!lane) throw new RangeError(`There is no image ${JSON.stringify(id)} in this project.`);
    if (lane.id !== this.viewer.lane?.id) this.show(lane);
  }

  /** @param {Partial<{t: number, plane: Plane, slice: number}>} change clamped to the image */
  set(change) {
    this.painting.finish();
    const { t, plane, slice } = { ...this.viewer.place, ...change };
    this.viewer.setPlane(t, plane, slice);
  }

  /** Another plane through the middle of what is shown. @param {Plane} plane */
  setPlane(plane) {
    const { z, y, x } = this.position;
    if (this.viewer.lane) this.set({ plane, slice: { xy: z, xz: y, zy: x }[plane] });
  }

  /**
   * @param {string} lane
   * @param {{t: number, z: number, y: number, x: number}} pixel comes to the middle, and is marked for a moment
   */
  goTo(lane, { t, z, y, x }) {
    const { viewer, spot } = this;
    this.setLane(lane);
    this.trail = [...this.trail.slice(1 - TRAIL), spot];
    const { plane } = viewer.place;
    const [u, v, slice] = { xy: [x, y, z], xz: [x, z, y], zy: [z, y, x] }[plane];
    this.set({ t, slice });
    viewer.setView(u + 0.5, v + 0.5, Math.max(1, viewer.look.zoom));
    viewer.setCrosshair({ u: u + 0.5, v: v + 0.5 });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => !this.crosshair && viewer.setCrosshair(null), MARKED);
  }

  /** To where the last goTo left from. */
  back() {
    const spot = this.trail.pop();
    if (!spot || !this.store.lane(spot.lane)) return;
    this.setLane(spot.lane);
    this.painting.finish();
    this.moveTo(spot);
  }

  /** What is under the pointer comes to the middle; without a pointer over the image its middle does. */
  centre() {
    const { at } = this.painting;
    const { sheet } = this;
    if (at) this.viewer.setView(at.u, at.v, this.viewer.look.zoom);
    else if (sheet) this.viewer.setView(sheet.width / 2, sheet.height / 2, this.viewer.look.zoom);
  }

  toggleCrosshair() {
    this.crosshair = !this.crosshair;
    const { at } = this.painting;
    const { cx, cy } = this.viewer.look;
    this.viewer.setCrosshair(this.crosshair ? { u: at?.u ?? cx, v: at?.v ?? cy } : null);
  }

  close() {
    clearTimeout(this.timer);
  }
}
