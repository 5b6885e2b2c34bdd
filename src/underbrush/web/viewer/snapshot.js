/**
 * A picture of what is on the screen: all views as they are drawn, with the scale bar; of a single view only as far as
 * the image reaches. A pixel of the picture is a pixel of the screen.
 */
import { imageArea, planeSize } from "./geometry.js";
import { scaleBar } from "./scalebar.js";

/** @typedef {import("./geometry.js").Box} Box */
/** How far the scale bar is from the corner, and the least room in which there is one (CSS pixels). */
const CORNER = 16;
const ROOM = 96;

/**
 * What of a view is image, in whole pixels of the screen.
 * @param {import("./geometry.js").Frame} frame @param {{width: number, height: number}} size of the plane @returns {Box | null} null: nothing
 */
export function seenOf(frame, size) {
  const [left, top, right, bottom] = imageArea(frame, size);
  /** @type {Box} */
  const box = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top)), Math.min(frame.width, Math.ceil(right)), Math.min(frame.height, Math.ceil(bottom))];
  return box[2] > box[0] && box[3] > box[1] ? box : null;
}

/**
 * A name for a file that every system takes.
 * @param {string} nickname @param {{t: number, z: number}} at @param {number[]} shape t c z y x of the image
 */
export function nameOf(nickname, { t, z }, shape) {
  const safe = nickname.replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").replace(/^\.+/, "").trim() || "image";
  return `${safe}${shape[2] > 1 ? `_z${z}` : ""}${shape[0] > 1 ? `_t${t}` : ""}_view.png`;
}

/** @param {import("./orthoview.js").OrthoView} viewer @returns {HTMLCanvasElement | null} null: no image is shown */
export function pictureOf(viewer) {
  const { shown, lane, root, box } = viewer;
  const [first] = shown;
  if (!lane || !first?.frame) return null;
  const { ratio } = first.port, outer = root.getBoundingClientRect(), picture = document.createElement("canvas");
  const crop = shown.length === 1 ? seenOf(first.frame, planeSize(lane, first.place.plane)) : null;
  const [x0, y0, x1, y1] = crop ?? [0, 0, Math.round(outer.width * ratio), Math.round(outer.height * ratio)];
  Object.assign(picture, { width: x1 - x0, height: y1 - y0 });
  const pen = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
  pen.fillStyle = "#08090a";
  pen.fillRect(0, 0, picture.width, picture.height);
  const place = (/** @type {HTMLElement} */ element) => {
    const corner = element.getBoundingClientRect();
    return [Math.round((corner.left - outer.left) * ratio) - x0, Math.round((corner.top - outer.top) * ratio) - y0];
  };
  for (const one of shown) {
    one.renderNow(); // what is drawn is in its canvas only until the browser shows it
    const [x, y] = place(one.element);
    if (one.canvas) pen.drawImage(one.canvas, x, y);
    if (one.options.scalebar !== false) drawBar(pen, one, crop ? [0, 0, picture.width, picture.height] : [x, y, x + one.port.width, y + one.port.height]);
  }
  const slices = shown.length > 1 ? box?.element.querySelector("canvas") : null;
  if (slices) pen.drawImage(slices, place(slices)[0], place(slices)[1], slices.clientWidth * ratio, slices.clientHeight * ratio);
  return picture;
}

/** @param {CanvasRenderingContext2D} pen @param {import("./viewer.js").Viewer} viewer @param {Box} room of the picture */
function drawBar(pen, { lane, place, frame, port }, [left, top, right, bottom]) {
  const { ratio } = port, width = (right - left) / ratio;
  if (!lane || !frame || width < ROOM || (bottom - top) / ratio < ROOM) return;
  const bar = scaleBar(lane, place.plane, frame, Math.min(150, width - 2 * CORNER));
  const x = left + CORNER * ratio, y = bottom - CORNER * ratio;
  pen.shadowColor = "#000";
  pen.shadowBlur = 3 * ratio;
  pen.fillStyle = "#fff";
  pen.fillRect(x, y - 3 * ratio, bar.px * ratio, 3 * ratio);
  pen.font = `${12 * ratio}px system-ui, sans-serif`;
  pen.textBaseline = "bottom";
  pen.strokeStyle = "#000";
  pen.lineWidth = 3 * ratio;
  pen.lineJoin = "round";
  pen.strokeText(bar.text, x, y - 6 * ratio);
  pen.shadowBlur = 0;
  pen.fillText(bar.text, x, y - 6 * ratio);
}

/** @param {import("./index.js").Mounted} app @returns {Promise<Blob | null>} */
async function pngOf(app) {
  const picture = pictureOf(app.viewer);
  const png = picture && (await new Promise((done) => picture.toBlob(done, "image/png")));
  if (!png) app.notice("warning", picture ? "The picture could not be made: this browser has no memory left for it." : "There is no image to take a picture of.");
  return png;
}

/** Into the folder of downloads. @param {import("./index.js").Mounted} app */
export async function savePicture(app) {
  const png = await pngOf(app), { lane, at } = app.viewer;
  if (!png || !lane) return;
  const link = document.createElement("a"), url = URL.createObjectURL(png);
  link.href = url;
  link.download = nameOf(String(/** @type {any} */ (lane).nickname ?? ""), at, lane.shape);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  app.notice("info", `Picture of the view: ${link.download}, in the folder of your downloads.`);
}

/** @param {import("./index.js").Mounted} app */
export async function copyPicture(app) {
  const png = await pngOf(app);
  if (!png) return;
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
    app.notice("info", "Picture of the view copied.");
  } catch {
    app.notice("warning", "This browser does not let a picture be copied. Save it as a file: View, Save a picture.");
  }
}
