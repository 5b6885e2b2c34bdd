/**
 * Where one looks: image, time point, plane, slice and middle; and the way back. A stroke that is being painted
 * ends before the place changes under it.
 */
import { PLANES, planeSize } from "./geometry.js";
import { nameOf } from "./orientation.js";

/**
 * @typedef {"xy" | "xz" | "zy"} Plane
 * @typedef {import("./orthoview.js").Spot} Spot
 * @typedef {{lane: string | null, t: number, z: number, y: number, x: number, plane: Plane, slice: number, canBack: boolean,
 *            crosshair: boolean, maximised: Plane | null, turned: string}} Position
 *   z, y, x: of a volume where the slices are, otherwise the middle of the view; plane, slice, turned: of the current view
 */

/** How long goTo marks the place that it went to, in milliseconds. */
const MARKED = 1500;
const TRAIL = 50;

export class Places {
  /**
   * @param {{viewer: import("./orthoview.js").OrthoView, store: import("./store.js").Store,
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
    if (spot) viewer.moveTo(spot);
    else viewer.toMiddle();
    this.shown(lane);
  }

  /** @returns {Spot} what is shown now */
  get spot() {
    return this.viewer.spot;
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
    const { lane, at, current: plane, look, volume, maximised } = this.viewer;
    const { z, y, x } = volume ? at : { z: at.z, y: Math.floor(look.cy), x: Math.floor(look.cx) };
    const turned = nameOf(this.viewer.pane(plane).orientation), crosshair = volume ? this.viewer.crossing : this.crosshair;
    return { lane: lane?.id ?? null, t: at.t, z, y, x, plane, slice: at[PLANES[plane].w], canBack: this.trail.length > 0, crosshair, maximised, turned };
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

  /** Slices, clamped to the image. @param {Partial<import("./orthoview.js").Position>} change */
  set(change) {
    this.painting.finish();
    this.viewer.setPosition(change);
  }

  /** The slice of the current view. @param {number} slice */
  setSlice(slice) {
    this.set({ [PLANES[this.viewer.current].w]: slice });
  }

  /** On through the view under the pointer. @param {number} slices */
  step(slices) {
    const { plane, slice } = this.viewer.place;
    this.set({ [PLANES[plane].w]: slice + slices });
  }

  /** One view of a volume alone; null: all. @param {Plane | null} plane */
  maximise(plane) {
    this.painting.finish();
    this.viewer.maximise(plane);
  }

  /**
   * @param {string} lane
   * @param {{t: number, z: number, y: number, x: number}} pixel comes to the middle, and is marked for a moment
   */
  goTo(lane, { t, z, y, x }) {
    const { viewer, spot } = this;
    this.setLane(lane);
    this.trail = [...this.trail.slice(1 - TRAIL), spot];
    this.set({ t, z, y, x });
    viewer.centreOn({ z, y, x }, Math.max(1, viewer.look.zoom));
    viewer.setCrosshair({ u: x + 0.5, v: y + 0.5 });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => !this.crosshair && viewer.setCrosshair(null), MARKED);
  }

  /** To where the last goTo left from. */
  back() {
    const spot = this.trail.pop();
    if (!spot || !this.store.lane(spot.lane)) return;
    this.setLane(spot.lane);
    this.painting.finish();
    this.viewer.moveTo(spot);
  }

  /**
   * What is under the pointer comes to the middle, and the slices of a volume go there; without a pointer over the image
   * its middle does.
   */
  centre() {
    const { at } = this.painting;
    const { sheet } = this;
    if (at) {
      this.point(at);
      this.viewer.setView(at.u, at.v, this.viewer.look.zoom);
    } else if (sheet) this.viewer.setView(sheet.width / 2, sheet.height / 2, this.viewer.look.zoom);
  }

  /** The slices of a volume go through a pixel. @param {{inside: boolean, z: number, y: number, x: number}} pixel */
  point({ inside, z, y, x }) {
    if (inside && this.viewer.volume) this.set({ z, y, x });
  }

  toggleCrosshair() {
    if (this.viewer.volume) {
      this.viewer.setCrossing(!this.viewer.crossing);
      return;
    }
    this.crosshair = !this.crosshair;
    const { at } = this.painting;
    const { cx, cy } = this.viewer.look;
    this.viewer.setCrosshair(this.crosshair ? { u: at?.u ?? cx, v: at?.v ?? cy } : null);
  }

  close() {
    clearTimeout(this.timer);
  }
}
