// Draws the same scene where there is no WebGL2 (remote desktops): raw, labels with echoes, and the topmost other overlay.
// Outlines are one pixel of the image's level wide here, not one of the screen.
import { screenBox } from "./geometry.js";
import { nameColour } from "./names.js";
import { UPRIGHT } from "./orientation.js";

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./scene.js").RawDraw} RawDraw */
/** @typedef {import("./scene.js").Overlay} Overlay */
/** @typedef {import("./scene.js").Box} Box */
/** @typedef {import("./layers.js").Paint} Paint */
/**
 * `drawn`: the tile in colours, for a look.
 * @typedef {{dtype: string, width: number, height: number, data: Uint8Array | Uint16Array | Float32Array, look: string,
 *   drawn: HTMLCanvasElement | null}} Texture
 */

/** @typedef {import("./gl.js").Renderer} Renderer */

/** @implements {Renderer} */
export class Canvas2dRenderer {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const pen = canvas.getContext("2d", { alpha: false, willReadFrequently: false });
    if (!pen) throw new Error("This browser can draw no image: neither WebGL2 nor a 2D canvas is there.");
    this.canvas = canvas;
    this.pen = pen;
    this.kind = /** @type {const} */ ("canvas2d");
    this.lost = false;
    this.sheet = document.createElement("canvas");
    this.orientation = UPRIGHT;
  }

  /** @param {string} dtype @param {number} width @param {number} height @param {Uint8Array | Uint16Array | Float32Array} data @returns {Texture} */
  makeTexture(dtype, width, height, data) {
    return { dtype, width, height, data, look: "", drawn: null };
  }

  /** @param {Texture} texture @param {Uint8Array} data */
  updateTexture(texture, data) {
    Object.assign(texture, { data, look: "" });
  }

  /** @param {Texture} texture */
  deleteTexture(texture) {
    if (texture.drawn) texture.drawn.width = texture.drawn.height = 0; // frees its memory now
    texture.drawn = null;
  }

  /** @param {number} width @param {number} height */
  resize(width, height) {
    for (const canvas of [this.canvas, this.sheet]) if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { pen, canvas } = this;
    this.orientation = scene.frame.orientation;
    pen.globalCompositeOperation = "source-over";
    pen.globalAlpha = 1;
    pen.fillStyle = "#08090a";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (scene.image) this.black(scene.image);
    this.drawRaws(scene.raws);
    const others = scene.overlays.filter((overlay) => overlay.name !== "labels"), labels = scene.overlays.filter((overlay) => overlay.name === "labels");
    for (const overlay of [...others.slice(-1), ...labels]) this.drawOverlay(scene, overlay);
    if (scene.inset) {
      this.black(scene.inset.area);
      this.drawRaws(scene.inset.draws);
    }
  }

  /** @private @param {Box} area */
  black(area) {
    this.pen.fillStyle = "#000";
    const [x, y, right, bottom] = area.map(Math.round);
    this.pen.fillRect(x, y, right - x, bottom - y);
  }

  /** @private @param {RawDraw[]} draws */
  drawRaws(draws) {
    this.pen.globalCompositeOperation = "lighter";
    for (const draw of draws) this.put(this.pen, lit(draw), draw.src, draw.dst, draw.smooth);
    this.pen.globalCompositeOperation = "source-over";
  }

  /** Edges on whole device pixels, the same for neighbours: no gaps and nothing twice. @private
   *  @param {CanvasRenderingContext2D} pen @param {HTMLCanvasElement} picture @param {Box} src @param {Box} dst @param {boolean} smooth
   *  @param {boolean} [over] takes away what lies below */
  put(pen, picture, src, dst, smooth, over = false) {
    const [a, b, c, d] = this.orientation, across = a === 0, { width, height } = this.canvas;
    const sides = [[src[0], src[2]], [src[1], src[3]]];
    const wide = cut(sides[across ? 1 : 0], [dst[0], dst[2]], a + b, width), high = cut(sides[across ? 0 : 1], [dst[1], dst[3]], c + d, height);
    if (!wide || !high) return;
    const [left, right] = wide.to, [top, bottom] = high.to, [u, v] = across ? [high, wide] : [wide, high];
    pen.imageSmoothingEnabled = smooth;
    if (over) pen.clearRect(left, top, right - left, bottom - top);
    // Columns and rows of the picture, from the corner of the screen in which its first pixel lies.
    pen.setTransform(a, c, b, d, a + b > 0 ? left : right, c + d > 0 ? top : bottom);
    pen.drawImage(picture, u.from[0], v.from[0], u.from[1] - u.from[0], v.from[1] - v.from[0], 0, 0, u.to[1] - u.to[0], v.to[1] - v.to[0]);
    pen.resetTransform();
  }

  /** @private @param {Scene} scene @param {Overlay} overlay */
  drawOverlay(scene, overlay) {
    const { pen } = this, [x, y, right, bottom] = overlay.area, left = Math.max(x, scene.swipe);
    if (right <= left) return;
    const target = overlay.direct ? pen : /** @type {CanvasRenderingContext2D} */ (this.sheet.getContext("2d"));
    target.save();
    target.beginPath();
    target.rect(left, y, right - left, bottom - y);
    target.clip();
    if (overlay.direct) pen.globalAlpha = overlay.paint.opacity;
    else target.clearRect(left, y, right - left, bottom - y);
    for (const draw of overlay.draws) this.put(target, coloured(draw.texture, overlay.paint), draw.src, draw.dst, false, !overlay.direct);
    for (const spans of overlay.spans) fillSpans(target, scene, spans, overlay.paint);
    target.restore();
    if (overlay.direct) return;
    pen.globalAlpha = overlay.paint.opacity;
    pen.drawImage(this.sheet, left, y, right - left, bottom - y, left, y, right - left, bottom - y);
    pen.globalAlpha = 1;
  }

  /** @param {number} x @param {number} y device pixels */
  readPixel(x, y) {
    return [...this.pen.getImageData(Math.floor(x), Math.floor(y), 1, 1).data];
  }

  destroy() {
    this.sheet.width = this.sheet.height = this.canvas.width = this.canvas.height = 0;
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {import("./scene.js").Spans} spans @param {Paint} paint */
function fillSpans(pen, { frame }, spans, paint) {
  const at = spans.id * 4, [r, g, b, a] = paint.colours.subarray(at, at + 4), clear = spans.id === 0 || a === 0;
  pen.fillStyle = `rgb(${r},${g},${b})`;
  for (let i = 0; i < spans.count; i++) {
    const [u, v, n] = spans.data.subarray(i * 3, i * 3 + 3);
    const [left, top, right, bottom] = screenBox(frame, [u, v, u + n, v + 1]), [x, w] = whole(left, right), [y, h] = whole(top, bottom);
    if (x + w < 0 || y + h < 0 || x > frame.width || y > frame.height) continue;
    if (clear) pen.clearRect(x, y, w, h);
    else pen.fillRect(x, y, w, h);
  }
}

/**
 * One side of a picture, cut to the screen: far more than that is drawn at high zoom. In steps of whole pixels of the picture.
 * @param {number[]} src from, to @param {number[]} dst where that lies on the screen @param {number} way 1, or -1 where it
 * runs against the screen @param {number} end of the screen
 * @returns {{from: [number, number], to: [number, number]} | null} null: nothing of it is in sight
 */
function cut([s0, s1], [d0, d1], way, end) {
  const k = (d1 - d0) / (s1 - s0), at = (/** @type {number} */ s) => Math.round(way > 0 ? d0 + (s - s0) * k : d1 - (s - s0) * k);
  const [before, after] = way > 0 ? [-d0, end - d0] : [d1 - end, d1];
  const from = Math.max(s0, Math.floor(s0 + before / k)), to = Math.min(s1, Math.ceil(s0 + after / k));
  const [start, stop] = way > 0 ? [at(from), at(to)] : [at(to), at(from)];
  return to > from && stop > start ? { from: [from, to], to: [start, stop] } : null;
}

/** Start and length in whole device pixels, at least one: that in the middle. @param {number} from @param {number} to */
function whole(from, to) {
  return to - from < 1 ? [Math.floor((from + to) / 2), 1] : [Math.round(from), Math.round(to) - Math.round(from)];
}

/** @param {Texture} texture @param {string} look @param {(pixels: Uint32Array) => void} fill ABGR, as a canvas has it */
function drawnOnce(texture, look, fill) {
  if (texture.drawn && texture.look === look) return texture.drawn;
  const canvas = texture.drawn ?? document.createElement("canvas"), { width, height } = texture;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  fill(new Uint32Array(image.data.buffer));
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  Object.assign(texture, { drawn: canvas, look });
  return canvas;
}

/** A raw tile as light. @param {RawDraw} draw */
function lit(draw) {
  const { texture, low, high, gamma, colour } = draw, [r, g, b] = colour;
  if (draw.random) return named(texture, colour);
  return drawnOnce(texture, `${low}|${high}|${gamma}|${colour}`, (pixels) => {
    const table = new Uint32Array(256), scale = 255 / Math.max(high - low, 1e-30);
    for (let i = 0; i < 256; i++) {
      const light = (i / 255) ** (1 / gamma);
      table[i] = (0xff000000 | (Math.round(b * light) << 16) | (Math.round(g * light) << 8) | Math.round(r * light)) >>> 0;
    }
    const { data } = texture;
    for (let i = 0; i < pixels.length; i++) {
      const value = (data[i] - low) * scale;
      pixels[i] = table[value > 0 ? (value < 255 ? Math.round(value) : 255) : 0]; // NaN is not above 0: black
    }
  });
}

/** A raw tile whose numbers are names of objects. @param {Texture} texture @param {[number, number, number]} colour */
function named(texture, colour) {
  return drawnOnce(texture, `names|${colour}`, (pixels) => {
    /** @type {Map<number, number>} */
    const known = new Map();
    const { data } = texture;
    for (let i = 0; i < pixels.length; i++) {
      let light = known.get(data[i]);
      if (light === undefined) {
        const [r, g, b] = nameColour(data[i]).map((part, at) => Math.round((part * colour[at]) / 255));
        light = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
        known.set(data[i], light);
      }
      pixels[i] = light;
    }
  });
}

/** A tile of numbers in colours. @param {Texture} texture @param {Paint} paint */
function coloured(texture, paint) {
  return drawnOnce(texture, paint.key, (pixels) => {
    const { data, width } = texture, table = new Uint32Array(paint.colours.buffer);
    if (paint.outline) return outline(pixels, /** @type {Uint8Array} */ (data), width, paint, table);
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[data[i]];
  });
}

/** @param {Uint32Array} pixels @param {Uint8Array} data @param {number} width @param {Paint} paint @param {Uint32Array} table */
function outline(pixels, data, width, paint, table) {
  const rank = (/** @type {number} */ id) => paint.order[id] + (paint.colours[id * 4 + 3] ? 256 : 0);
  for (let i = 0; i < pixels.length; i++) {
    const id = data[i], right = (i + 1) % width ? data[i + 1] : id, below = i + width < data.length ? data[i + width] : id;
    if (right === id && below === id) continue;
    const top = [right, below].reduce((best, other) => (rank(other) > rank(best) ? other : best), id);
    pixels[i] = table[top];
  }
}
