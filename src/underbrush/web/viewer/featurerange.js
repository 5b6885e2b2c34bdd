// The contrast of a feature image: what is black and what is white where nobody chose, found from the tiles that came.

/** Values of a tile that are looked at, and tiles that are remembered of a feature. */
const SAMPLES = 1024, TILES = 64;
/** Parts of the values below black and above white. */
const CUT = 0.005;

/**
 * Black and white of values: without the outermost of them, and never the same. Values that are no numbers do not count.
 * @param {Float32Array[]} parts @returns {[number, number]}
 */
export function rangeOf(parts) {
  const values = Float32Array.from(parts.flatMap((part) => [...part].filter(Number.isFinite))).sort();
  if (!values.length) return [0, 1];
  const at = (/** @type {number} */ share) => values[Math.min(values.length - 1, Math.max(0, Math.round(share * (values.length - 1))))];
  const low = at(CUT), high = at(1 - CUT);
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

/** Evenly chosen values. @param {Float32Array} data */
function sampled(data) {
  const step = Math.max(1, Math.ceil(data.length / SAMPLES));
  return Float32Array.from({ length: Math.floor((data.length - 1) / step) + 1 }, (_, i) => data[i * step]);
}

export class FeatureRange {
  constructor() {
    /** @type {Map<string, {key: string, tiles: Map<string, Float32Array>, range: [number, number] | null}>} layer and lane */
    this.known = new Map();
  }

  /** @param {import("./overlaytiles.js").Header} header @param {Float32Array} data */
  note({ layer, lane, key, plane, t, slice, level, x, y }, data) {
    const name = `${layer}|${lane}`;
    let one = this.known.get(name);
    if (one?.key !== key) this.known.set(name, (one = { key, tiles: new Map(), range: null }));
    const spot = `${plane}|${t}|${slice}|${level}|${x}|${y}`;
    one.tiles.delete(spot);
    one.tiles.set(spot, sampled(data));
    for (const old of one.tiles.keys()) if (one.tiles.size > TILES) one.tiles.delete(old);
    one.range = null;
  }

  /** @param {string} layer @param {string} lane @returns {[number, number]} */
  of(layer, lane) {
    const one = this.known.get(`${layer}|${lane}`);
    return one ? (one.range ??= rangeOf([...one.tiles.values()])) : [0, 1];
  }
}
