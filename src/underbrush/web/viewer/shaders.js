// Shaders. Positions come in device pixels relative to the view, so that single precision is enough for any image.

const HEAD = `#version 300 es
precision highp float; precision highp int; precision highp sampler2D; precision highp usampler2D;
`;

/** A rectangle: dst in device pixels, src in pixels of the texture. */
export const QUAD = HEAD + `
layout(location = 0) in vec2 corner;
uniform vec4 dst; uniform vec4 src; uniform vec2 screen; out vec2 at;
void main() {
  at = mix(src.xy, src.zw, corner);
  vec2 p = mix(dst.xy, dst.zw, corner) / screen * 2.0 - 1.0;
  gl_Position = vec4(p.x, -p.y, 0.0, 1.0);
}`;

/** One span a instance (u, v, n); whole numbers are subtracted before they become floats. Never thinner than a screen pixel. */
export const SPAN = HEAD + `
layout(location = 0) in vec2 corner; layout(location = 1) in ivec3 span;
uniform ivec2 from; uniform vec2 offset; uniform vec2 scale; uniform vec2 screen;
void main() {
  ivec2 start = span.xy - from;
  vec2 a = offset + vec2(start) * scale, b = offset + vec2(start + ivec2(span.z, 1)) * scale;
  if (b.x - a.x < 1.0) { a.x = floor((a.x + b.x) * 0.5); b.x = a.x + 1.0; }
  if (b.y - a.y < 1.0) { a.y = floor((a.y + b.y) * 0.5); b.y = a.y + 1.0; }
  vec2 p = mix(a, b, corner) / screen * 2.0 - 1.0;
  gl_Position = vec4(p.x, -p.y, 0.0, 1.0);
}`;

/** Raw values to light: window, gamma, colour. */
const raw = (/** @type {string} */ sampler, /** @type {string} */ value) => HEAD + `
uniform ${sampler} tile; uniform vec3 colour; uniform vec3 look; uniform float unit; uniform bool soft;
in vec2 at; out vec4 light;
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
  float g = clamp((v - look.x) * look.y, 0.0, 1.0);
  light = vec4(pow(g, look.z) * colour, 1.0);
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

/** The buffer of numbers to colours. mode 0 fill, 1 outline, 2 value, 3 grey. `table`: row 0 colours, row 1 order of the ids. */
export const COLOURS = HEAD + `
uniform usampler2D numbers; uniform sampler2D table; uniform int mode; uniform float opacity; uniform int line; uniform int left;
out vec4 light;
vec4 colourOf(uint id) { return texelFetch(table, ivec2(int(id), 0), 0); }
float orderOf(uint id) { return texelFetch(table, ivec2(int(id), 1), 0).r + (colourOf(id).a > 0.5 ? 1.0 : 0.0); }
uvec2 here(ivec2 p) { return texelFetch(numbers, clamp(p, ivec2(left, 0), textureSize(numbers, 0) - 1), 0).rg; }
void main() {
  ivec2 p = ivec2(gl_FragCoord.xy);
  uvec2 number = here(p);
  if (number.g == 0u) discard;
  if (mode == 0) {
    vec4 c = colourOf(number.r);
    if (c.a < 0.5) discard;
    light = vec4(c.rgb, 1.0) * opacity;
  } else if (mode == 1) {
    // The line lies on the left or upper side of a border, a dark one on the other: seen on white as well as on black.
    uint top = number.r; bool edge = false, shade = false;
    for (int i = 1; i <= 4; i++) {
      if (i > line) break;
      for (int side = 0; side < 4; side++) {
        uvec2 near = here(p + (side == 0 ? ivec2(i, 0) : side == 1 ? ivec2(0, -i) : side == 2 ? ivec2(-i, 0) : ivec2(0, i)));
        if (near.g == 0u || near.r == number.r) continue;
        if (side < 2) edge = true; else shade = true;
        if (orderOf(near.r) > orderOf(top)) top = near.r;
      }
    }
    vec4 c = colourOf(top);
    if ((!edge && !shade) || c.a < 0.5) discard;
    light = edge ? vec4(c.rgb, 1.0) * opacity : vec4(0.0, 0.0, 0.0, 0.6) * opacity;
  } else if (mode == 2) {
    float v = float(number.r) / 255.0;
    light = vec4(colourOf(0u).rgb, 1.0) * (v * opacity);
  } else {
    light = vec4(vec3(float(number.r) / 255.0), 1.0) * opacity;
  }
}`;
