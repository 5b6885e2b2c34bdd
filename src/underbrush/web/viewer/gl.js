// Draws a scene with WebGL2.
import { COLOURS, DIRECT, NUMBERS, OUTLINES, QUAD, RAW_FLOAT, RAW_WHOLE, SPAN, SPAN_DIRECT, SPAN_NUMBER } from "./shaders.js";
import { WELL } from "./scene.js";
import { UPRIGHT, onto } from "./orientation.js";

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./scene.js").Box} Box */
/** @typedef {"uint8" | "uint16" | "float32" | "ids"} Dtype */
/** @typedef {{dtype: Dtype, width: number, height: number, handle: WebGLTexture}} Texture */
/** @typedef {{program: WebGLProgram, at: Record<string, WebGLUniformLocation | null>}} Program */
/**
 * What both renderers are.
 * @typedef {{kind: "webgl2" | "canvas2d", lost: boolean,
 *   makeTexture(dtype: Dtype, width: number, height: number, data: Uint8Array | Uint16Array | Float32Array): any,
 *   updateTexture(texture: any, data: Uint8Array): void, deleteTexture(texture: any): void, draw(scene: Scene): void,
 *   readPixel(x: number, y: number): number[], resize(width: number, height: number): void, destroy(): void}} Renderer
 */

const UNIFORMS = {
  raw: ["dst", "src", "screen", "orientation", "tile", "colour", "look", "unit", "soft", "random"],
  numbers: ["dst", "src", "screen", "orientation", "tile"],
  direct: ["dst", "src", "screen", "orientation", "tile", "table", "opacity"],
  spans: ["from", "offset", "scale", "screen", "orientation", "id", "table", "opacity"],
  colours: ["dst", "src", "screen", "numbers", "table", "opacity", "line", "bounds"],
};

/** @implements {Renderer} */
export class GlRenderer {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{lost?: () => void, restored?: () => void}} [events] after `restored` all textures have to be made again
   * @throws {Error} without WebGL2
   */
  constructor(canvas, events = {}) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, stencil: false });
    if (!gl) throw new Error("WebGL2 is not available.");
    this.gl = gl;
    this.canvas = canvas;
    this.orientation = UPRIGHT;
    this.kind = /** @type {const} */ ("webgl2");
    this.lost = gl.isContextLost();
    this.onLost = (/** @type {Event} */ event) => {
      event.preventDefault(); // without this it is never restored
      this.lost = true;
      events.lost?.();
    };
    this.onRestored = () => {
      this.start();
      this.lost = false;
      events.restored?.();
    };
    canvas.addEventListener("webglcontextlost", this.onLost);
    canvas.addEventListener("webglcontextrestored", this.onRestored);
    this.start();
  }

  /** All that a lost context takes with it. @private */
  start() {
    const { gl } = this;
    // All are begun before the first is asked for: a driver compiles them side by side, and each question waits for it.
    const parts = new Map();
    const rawFloat = this.link(parts, QUAD, RAW_FLOAT, UNIFORMS.raw);
    const rawWhole = this.link(parts, QUAD, RAW_WHOLE, UNIFORMS.raw);
    const numbers = this.link(parts, QUAD, NUMBERS, UNIFORMS.numbers);
    const direct = this.link(parts, QUAD, DIRECT, UNIFORMS.direct);
    const spans = this.link(parts, SPAN, SPAN_NUMBER, UNIFORMS.spans);
    const spansDirect = this.link(parts, SPAN, SPAN_DIRECT, UNIFORMS.spans);
    const colours = this.link(parts, QUAD, COLOURS, UNIFORMS.colours);
    const outlines = this.link(parts, QUAD, OUTLINES, UNIFORMS.colours);
    this.rawFloat = rawFloat();
    this.rawWhole = rawWhole();
    this.numbers = numbers();
    this.direct = direct();
    this.spans = spans();
    this.spansDirect = spansDirect();
    this.colours = colours();
    this.outlines = outlines();
    this.corners = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.corners);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.vertexAttribDivisor(1, 1);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.buffer = { texture: gl.createTexture(), frame: gl.createFramebuffer(), width: 0, height: 0 };
    this.table = gl.createTexture();
    /** @type {WeakMap<object, {handle: WebGLBuffer, version: number}>} */
    this.spanBuffers = new WeakMap();
  }

  /**
   * Begin a program; what is returned waits for it.
   * @private @param {Map<string, WebGLShader>} parts shaders by their text @param {string} vertex @param {string} fragment
   * @param {string[]} names @returns {() => Program}
   */
  link(parts, vertex, fragment, names) {
    const { gl } = this, program = /** @type {WebGLProgram} */ (gl.createProgram());
    const shaders = [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]].map(([type, text]) => {
      const known = parts.get(/** @type {string} */ (text));
      const shader = known ?? /** @type {WebGLShader} */ (gl.createShader(/** @type {number} */ (type)));
      if (!known) {
        gl.shaderSource(shader, /** @type {string} */ (text));
        gl.compileShader(shader);
        parts.set(/** @type {string} */ (text), shader);
      }
      gl.attachShader(program, shader);
      return shader;
    });
    gl.linkProgram(program);
    return () => {
      if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
        throw new Error([...shaders.map((shader) => gl.getShaderInfoLog(shader)), gl.getProgramInfoLog(program)].filter(Boolean).join(" ") || "shader");
      return { program, at: Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)])) };
    };
  }

  /** @param {Dtype} dtype @param {number} width @param {number} height @param {Uint8Array | Uint16Array | Float32Array} data @returns {Texture} */
  makeTexture(dtype, width, height, data) {
    const { gl } = this, texture = { dtype, width, height, handle: /** @type {WebGLTexture} */ (gl.createTexture()) };
    gl.bindTexture(gl.TEXTURE_2D, texture.handle);
    this.plain();
    const [inside, format, type] = this.formatOf(dtype);
    gl.texImage2D(gl.TEXTURE_2D, 0, inside, width, height, 0, format, type, data);
    return texture;
  }

  /** @private @param {Dtype} dtype */
  formatOf(dtype) {
    const { gl } = this;
    if (dtype === "ids") return [gl.R8UI, gl.RED_INTEGER, gl.UNSIGNED_BYTE];
    if (dtype === "uint16") return [gl.R16UI, gl.RED_INTEGER, gl.UNSIGNED_SHORT];
    return dtype === "uint8" ? [gl.R8, gl.RED, gl.UNSIGNED_BYTE] : [gl.R32F, gl.RED, gl.FLOAT];
  }

  /** @private */
  plain() {
    const { gl } = this;
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  }

  /** @param {Texture} texture @param {Uint8Array} data all of it, anew */
  updateTexture(texture, data) {
    const { gl } = this, [, format, type] = this.formatOf(texture.dtype);
    gl.bindTexture(gl.TEXTURE_2D, texture.handle);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, texture.width, texture.height, format, type, data);
  }

  /** @param {Texture} texture */
  deleteTexture(texture) {
    this.gl.deleteTexture(texture.handle);
  }

  /** @param {number} width @param {number} height */
  resize(width, height) {
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
  }

  /** @param {Scene} scene */
  draw(scene) {
    if (this.lost) return;
    const { gl } = this;
    this.orientation = scene.frame.orientation;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(WELL[0], WELL[1], WELL[2], 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (scene.image) this.black(scene.image);
    this.drawRaws(scene.raws);
    for (const overlay of scene.overlays) this.drawOverlay(scene, overlay);
    if (scene.inset) {
      this.black(scene.inset.area);
      this.drawRaws(scene.inset.draws);
    }
  }

  /** The ground that channels are added to. @private @param {Box} area device pixels */
  black(area) {
    const { gl } = this, x = Math.max(0, Math.round(area[0])), y = Math.max(0, Math.round(area[1]));
    const right = Math.min(gl.drawingBufferWidth, Math.round(area[2])), bottom = Math.min(gl.drawingBufferHeight, Math.round(area[3]));
    if (right <= x || bottom <= y) return;
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(x, gl.drawingBufferHeight - bottom, right - x, bottom - y);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.disable(gl.SCISSOR_TEST);
  }

  /** @private @param {import("./scene.js").RawDraw[]} draws */
  drawRaws(draws) {
    const { gl } = this;
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE);
    for (const draw of draws) {
      const { dtype } = draw.texture, { program, at } = /** @type {Program} */ (dtype === "uint16" ? this.rawWhole : this.rawFloat);
      gl.useProgram(program);
      gl.uniform2f(at.screen, gl.drawingBufferWidth, gl.drawingBufferHeight);
      gl.uniform3f(at.colour, draw.colour[0] / 255, draw.colour[1] / 255, draw.colour[2] / 255);
      gl.uniform3f(at.look, draw.low, 1 / Math.max(draw.high - draw.low, 1e-30), 1 / draw.gamma);
      gl.uniform1f(at.unit, dtype === "uint8" ? 255 : 1);
      gl.uniform1i(at.soft, draw.smooth ? 1 : 0);
      gl.uniform1i(at.random, draw.random ? 1 : 0);
      this.quad(at, draw.texture.handle, draw.src, draw.dst);
    }
    gl.disable(gl.BLEND);
  }

  /** How columns and rows run on the screen; a matrix is given column by column. @private @param {Record<string, WebGLUniformLocation | null>} at */
  lay(at) {
    const [a, b, c, d] = this.orientation;
    this.gl.uniformMatrix2fv(at.orientation, false, [a, c, b, d]);
  }

  /** @private @param {Record<string, WebGLUniformLocation | null>} at @param {WebGLTexture} texture @param {Box} src @param {Box} dst */
  quad(at, texture, src, dst) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.uniform1i(at.tile, 0);
    this.lay(at);
    gl.uniform4f(at.src, src[0], src[1], src[2], src[3]);
    gl.uniform4f(at.dst, dst[0], dst[1], dst[2], dst[3]);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  /** @private @param {Scene} scene @param {import("./scene.js").Overlay} overlay */
  drawOverlay(scene, overlay) {
    const { gl } = this, [x, y, right, bottom] = overlay.area, left = Math.max(x, scene.swipe);
    if (right <= left) return;
    this.useTable(overlay.paint);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(left, gl.drawingBufferHeight - bottom, right - left, bottom - y);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    if (overlay.direct) {
      gl.enable(gl.BLEND);
      this.drawNumbers(/** @type {Program} */ (this.direct), overlay);
      this.drawSpans(scene, overlay, /** @type {Program} */ (this.spansDirect));
    } else {
      this.bindBuffer();
      gl.clearBufferuiv(gl.COLOR, 0, [0, 0, 0, 0]);
      this.drawNumbers(/** @type {Program} */ (this.numbers), overlay);
      this.drawSpans(scene, overlay, /** @type {Program} */ (this.spans));
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      gl.enable(gl.BLEND);
      this.colour(scene, overlay, [left, y, right, bottom]);
    }
    gl.disable(gl.BLEND);
    gl.disable(gl.SCISSOR_TEST);
  }

  /** @private @param {Program} one @param {import("./scene.js").Overlay} overlay */
  drawNumbers({ program, at }, overlay) {
    if (!overlay.draws.length) return;
    const { gl } = this;
    gl.useProgram(program);
    gl.uniform2f(at.screen, gl.drawingBufferWidth, gl.drawingBufferHeight);
    if (at.table) gl.uniform1i(at.table, 1);
    if (at.opacity) gl.uniform1f(at.opacity, overlay.paint.opacity);
    for (const draw of overlay.draws) this.quad(at, draw.texture.handle, draw.src, draw.dst);
  }

  /** Colours by number, in unit 1. @private @param {import("./layers.js").Paint} paint */
  useTable(paint) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, /** @type {WebGLTexture} */ (this.table));
    this.plain();
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, tableOf(paint));
    gl.activeTexture(gl.TEXTURE0);
  }

  /** A buffer of numbers as large as the screen: id, and whether anything is known. @private */
  bindBuffer() {
    const { gl } = this, buffer = /** @type {NonNullable<typeof this.buffer>} */ (this.buffer);
    const width = gl.drawingBufferWidth, height = gl.drawingBufferHeight;
    if (buffer.width !== width || buffer.height !== height) {
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, buffer.texture);
      this.plain();
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG8UI, width, height, 0, gl.RG_INTEGER, gl.UNSIGNED_BYTE, null);
      gl.bindFramebuffer(gl.FRAMEBUFFER, buffer.frame);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, buffer.texture, 0);
      Object.assign(buffer, { width, height });
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, buffer.frame);
  }

  /** @private @param {Scene} scene @param {import("./scene.js").Overlay} overlay @param {Program} one */
  drawSpans(scene, { spans, paint }, { program, at }) {
    if (!spans.length) return;
    const { gl } = this, { frame } = scene;
    const fromU = Math.floor(frame.cx), fromV = Math.floor(frame.cy);
    gl.useProgram(program);
    gl.uniform2f(at.screen, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.uniform2i(at.from, fromU, fromV);
    const [right, down] = onto(frame.orientation, fromU * frame.sx, fromV * frame.sy);
    gl.uniform2f(at.offset, frame.ox + right, frame.oy + down);
    this.lay(at);
    gl.uniform2f(at.scale, frame.sx, frame.sy);
    if (at.table) gl.uniform1i(at.table, 1);
    if (at.opacity) gl.uniform1f(at.opacity, paint.opacity);
    gl.enableVertexAttribArray(1);
    for (const one of spans) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.spanBuffer(one));
      gl.vertexAttribIPointer(1, 3, gl.INT, 0, 0);
      gl.uniform1ui(at.id, one.id);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, one.count);
    }
    gl.disableVertexAttribArray(1);
  }

  /** @private @param {import("./scene.js").Spans} spans */
  spanBuffer(spans) {
    const { gl } = this, buffers = /** @type {NonNullable<typeof this.spanBuffers>} */ (this.spanBuffers);
    let known = buffers.get(spans);
    if (!known) {
      known = { handle: /** @type {WebGLBuffer} */ (gl.createBuffer()), version: -1 };
      buffers.set(spans, known);
    }
    if (known.version !== spans.version) {
      gl.bindBuffer(gl.ARRAY_BUFFER, known.handle);
      gl.bufferData(gl.ARRAY_BUFFER, spans.data.subarray(0, spans.count * 3), gl.DYNAMIC_DRAW);
      known.version = spans.version;
    }
    return known.handle;
  }

  /** Numbers become colours on the screen. @private @param {Scene} scene @param {import("./scene.js").Overlay} overlay @param {Box} area */
  colour(scene, { paint }, [left, top, right, bottom]) {
    const { gl } = this, { program, at } = /** @type {Program} */ (paint.outline ? this.outlines : this.colours);
    gl.useProgram(program);
    gl.bindTexture(gl.TEXTURE_2D, /** @type {NonNullable<typeof this.buffer>} */ (this.buffer).texture);
    gl.uniform1i(at.numbers, 0);
    gl.uniform1i(at.table, 1);
    gl.uniform1f(at.opacity, paint.opacity);
    gl.uniform1i(at.line, Math.min(4, scene.line));
    gl.uniform4i(at.bounds, left, gl.drawingBufferHeight - bottom, right - 1, gl.drawingBufferHeight - 1 - top);
    gl.uniform2f(at.screen, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.uniform4f(at.src, 0, 0, 1, 1);
    gl.uniform4f(at.dst, left, top, right, bottom);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  /** Straight after `draw`, in the same task. @param {number} x @param {number} y device pixels from the top left */
  readPixel(x, y) {
    const { gl } = this, out = new Uint8Array(4);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.readPixels(Math.floor(x), gl.drawingBufferHeight - 1 - Math.floor(y), 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, out);
    return [...out];
  }

  destroy() {
    this.canvas.removeEventListener("webglcontextlost", this.onLost);
    this.canvas.removeEventListener("webglcontextrestored", this.onRestored);
    this.lost = true;
    this.gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers allow few contexts, and collect them late
  }
}

/** @param {import("./layers.js").Paint} paint 256 x 2 RGBA: see TABLE in shaders.js */
function tableOf({ colours, order }) {
  const table = new Uint8Array(2048);
  for (let at = 0; at < 1024; at += 4) {
    const alpha = colours[at + 3];
    for (let part = 0; part < 3; part++) table[at + part] = Math.round((colours[at + part] * alpha) / 255);
    table[at + 3] = alpha;
    table[1024 + at] = order[at / 4];
    table[1025 + at] = alpha;
  }
  return table;
}
