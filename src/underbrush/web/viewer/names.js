/**
 * Colours for images whose numbers are names of objects: the same number has the same colour everywhere, neighbours have
 * others, and 0 is black. `NAME_COLOUR` is the same arithmetic for the graphics card.
 */

/** @param {number} name a whole number, 0 or more @returns {[number, number, number]} 0..255 */
export function nameColour(name) {
  if (!(name >= 0.5)) return [0, 0, 0];
  let h = Math.imul(Math.floor(name + 0.5) >>> 0, 0x9e3779b1) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 0x85ebca77) >>> 0;
  h = (h ^ (h >>> 13)) >>> 0;
  const hue = (h & 0xffff) / 65536, strength = 0.45 + (0.5 * ((h >>> 16) & 0xff)) / 255, light = 0.65 + (0.35 * (h >>> 24)) / 255;
  const part = (/** @type {number} */ turn) => {
    const wave = Math.min(1, Math.max(0, Math.abs(((hue + turn) % 1) * 6 - 3) - 1));
    return 255 * light * (1 + (wave - 1) * strength);
  };
  return [part(0), part(2 / 3), part(1 / 3)];
}

export const NAME_COLOUR = `
vec3 nameColour(float name) {
  if (!(name >= 0.5)) return vec3(0.0);
  uint h = uint(name + 0.5) * 0x9e3779b1u;
  h = (h ^ (h >> 15)) * 0x85ebca77u;
  h = h ^ (h >> 13);
  float hue = float(h & 0xffffu) / 65536.0, strength = 0.45 + 0.5 * float((h >> 16) & 0xffu) / 255.0, light = 0.65 + 0.35 * float(h >> 24) / 255.0;
  vec3 wave = clamp(abs(fract(hue + vec3(0.0, 2.0 / 3.0, 1.0 / 3.0)) * 6.0 - 3.0) - 1.0, 0.0, 1.0);
  return light * mix(vec3(1.0), wave, strength);
}`;
