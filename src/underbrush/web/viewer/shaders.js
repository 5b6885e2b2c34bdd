// Shaders. Positions come in device pixels relative to the view, so that single precision is enough for any image.
import { NAME_COLOUR } from "./names.js";

const HEAD = `#version 300 es
precision highp float; precision highp int; precision highp sampler2D; precision highp usampler2D;
`;

/** A rectangle: dst in device pixels, src in pixels of the texture, which lies in it as orientation.js says. */
export const QUAD = HEAD + `
layout(location = 0) in vec2 corner;
uniform vec4 dst; uniform vec4 src; uniform vec2 screen; uniform mat2 orientation; out vec2 at;
void main() {
  at = mix(src.xy, src.zw, (corner - 0.5) * orientation + 0.5);
  vec2 p = mix(dst.xy, dst.zw, corner) / screen * 2.0 - 1.0;
  gl_Position = vec4(p.x, -p.y, 0.0, 1.0);
}`;

/** One span a instance (u, v, n); whole numbers are subtracted before they become floats. Never thinner than a screen pixel. */
export const SPAN = HEAD + `
layout(location = 0) in vec2 corner; layout(location = 1) in ivec3 span;
uniform ivec2 from; uniform vec2 offset; uniform vec2 scale; uniform vec2 screen; uniform mat2 orientation;
void main() {
  ivec2 start = span.xy - from;
  vec2 one = offset + orientation * (vec2(start) * scale), other = offset + orientation * (vec2(start + ivec2(span.z, 1)) * scale);
  vec2 a = min(one, other), b = max(one, other);
  if (b.x - a.x < 1.0) { a.x = floor((a.x + b.x) * 0.5); b.x = a.x + 1.0; }
  if (b.y - a.y < 1.0) { a.y = floor((a.y + b.y) * 0.5); b.y = a.y + 1.0; }
  vec2 p = mix(a, b, corner) / screen * 2.0 - 1.0;
  gl_Position = vec4(p.x, -p.y, 0.0, 1.0);
}`;

/** Raw values to light: window, gamma, colour; or each number in a colour of its own. */
const raw = (/** @type {string} */ sampler, /** @type {string} */ value) => HEAD + `
uniform ${sampler} tile; uniform vec3 colour; uniform vec3 look; uniform float unit; uniform bool soft; uniform bool random;
in vec2 at; out vec4 light;${NAME_COLOUR}
float read(ivec2 p) {
  p = clamp(p, ivec2(0), textureSize(tile, 0) - 1);
  float v = ${value};
  return isnan(v) ? look.x : v;
}
void main() {
  float v;
  if (soft) {
    vec2 p = at - 0.5; ivec2 i = ivec2(floor(p)); vec2 f = p - vec2(i);
    v = mix(mix(read(i), read(i + ivec2(1, 0)), f.x), mix(read(i + ivec2(0, 1)), read(i + ivec2(1, 1)), f.x), f.y);
  } else v = read(ivec2(floor(at)));
  if (random) {
    light = vec4(nameColour(v) * colour, 1.0);
    return;
  }
  float g = clamp((v - look.x) * look.y, 0.0, 1.0);
  light = vec4((look.z == 1.0 ? g : pow(g, look.z)) * colour, 1.0);
}`;
export const RAW_FLOAT = raw("sampler2D", "texelFetch(tile, p, 0).r * unit");
export const RAW_WHOLE = raw("usampler2D", "float(texelFetch(tile, p, 0).r)");

/** Numbers of a tile into the buffer of numbers; the second part says that something is known here. */
export const NUMBERS = HEAD + `
uniform usampler2D tile; in vec2 at; out uvec2 number;
void main() {
  ivec2 p = clamp(ivec2(floor(at)), ivec2(0), textureSize(tile, 0) - 1);
  number = uvec2(texelFetch(tile, p, 0).r, 1u);
}`;

export const SPAN_NUMBER = HEAD + `
uniform uint id; out uvec2 number;
void main() { number = uvec2(id, 1u); }`;

/** Row 0: premultiplied colours by number; row 1: rank of an id, and whether it is shown. */
const TABLE = `
uniform sampler2D table; uniform float opacity; out vec4 light;
vec4 colourOf(uint number) { return texelFetch(table, ivec2(int(number), 0), 0); }
float rankOf(uint number) { vec2 r = texelFetch(table, ivec2(int(number), 1), 0).rg; return r.r + r.g; }
`;

/** A tile's numbers straight to colours. */
export const DIRECT = HEAD + `uniform usampler2D tile; in vec2 at;` + TABLE + `
void main() {
  ivec2 p = clamp(ivec2(floor(at)), ivec2(0), textureSize(tile, 0) - 1);
  light = colourOf(texelFetch(tile, p, 0).r) * opacity;
}`;

export const SPAN_DIRECT = HEAD + `uniform uint id;` + TABLE + `
void main() { light = colourOf(id) * opacity; }`;

/** The buffer of numbers to colours. */
export const COLOURS = HEAD + `uniform usampler2D numbers;` + TABLE + `
void main() {
  uvec2 number = texelFetch(numbers, ivec2(gl_FragCoord.xy), 0).rg;
  light = number.g == 0u ? vec4(0.0) : colourOf(number.r) * opacity;
}`;

/**
 * The buffer of numbers to the lines between them: on the left or upper side of a border, with a dark one on the other,
 * so that they are seen on white as well as on black. `bounds`: what of the buffer is valid (first, last).
 */
export const OUTLINES = HEAD + `uniform usampler2D numbers; uniform int line; uniform ivec4 bounds;` + TABLE + `
uvec2 here(ivec2 p) { return texelFetch(numbers, clamp(p, bounds.xy, bounds.zw), 0).rg; }
bool differs(uvec2 near, uvec2 own) { return near.g == 1u && near.r != own.r; }
uint higher(uint a, uint b) { return rankOf(b) > rankOf(a) ? b : a; }
void main() {
  ivec2 p = ivec2(gl_FragCoord.xy);
  uvec2 own = here(p);
  uint top = own.r; bool edge = false, shade = false;
  if (own.g == 1u)
    for (int i = 1; i <= line; i++) {
      uvec2 right = here(p + ivec2(i, 0)), below = here(p - ivec2(0, i)), left = here(p - ivec2(i, 0)), above = here(p + ivec2(0, i));
      if (differs(right, own)) { edge = true; top = higher(top, right.r); }
      if (differs(below, own)) { edge = true; top = higher(top, below.r); }
      if (differs(left, own)) { shade = true; top = higher(top, left.r); }
      if (differs(above, own)) { shade = true; top = higher(top, above.r); }
    }
  vec4 c = edge || shade ? colourOf(top) : vec4(0.0);
  light = (edge ? c : vec4(0.0, 0.0, 0.0, 0.6 * c.a)) * opacity;
}`;
