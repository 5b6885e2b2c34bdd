// The histogram of a channel: automatic contrast, bars, ticks. Pure.

/** `edges` has one number more than `counts`. @typedef {{edges: number[], counts: number[]}} Histogram */

/**
 * The values below which a part of the pixels lies, as contrast: [low, high], high above low.
 * @param {Histogram} histogram @param {number} [lowPercent] @param {number} [highPercent] @returns {[number, number]}
 */
export function autoContrast({ edges, counts }, lowPercent = 0.1, highPercent = 99.9) {
  const total = counts.reduce((sum, count) => sum + count, 0), first = edges[0] ?? 0, last = edges.at(-1) ?? 1;
  if (!(total > 0)) return last > first ? [first, last] : [first, first + 1];
  const low = valueAt({ edges, counts }, (total * lowPercent) / 100), high = valueAt({ edges, counts }, (total * highPercent) / 100);
  if (high > low) return [low, high];
  // One value has nearly all pixels: the whole range, or one step where there is no range.
  return last > first ? [first, last] : [low, low + 1];
}

/** @param {Histogram} histogram @param {number} wanted number of pixels below the value */
function valueAt({ edges, counts }, wanted) {
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] > 0 && below + counts[i] >= wanted) return edges[i] + (edges[i + 1] - edges[i]) * ((wanted - below) / counts[i]);
    below += counts[i];
  }
  return edges.at(-1) ?? 0;
}

/**
 * Heights 0..1 of `n` bars of equal width over [from, to]. The root of the counts: a background that has most pixels
 * does not flatten the rest.
 * @param {Histogram} histogram @param {number} n @param {[number, number]} [range]
 */
export function bars({ edges, counts }, n, range = [edges[0], edges[edges.length - 1]]) {
  const sums = new Float64Array(n), step = (range[1] - range[0]) / n;
  if (!(step > 0)) return [...sums];
  for (let i = 0; i < counts.length; i++) {
    const a = edges[i], b = edges[i + 1], width = b - a;
    for (let bar = Math.max(0, Math.floor((a - range[0]) / step)); bar < n && range[0] + bar * step < b; bar++) {
      const shared = Math.min(b, range[0] + (bar + 1) * step) - Math.max(a, range[0] + bar * step);
      if (shared > 0 && width > 0) sums[bar] += counts[i] * (shared / width);
    }
  }
  const most = Math.max(...sums);
  return [...sums].map((sum) => (most > 0 ? Math.sqrt(sum / most) : 0));
}

/** Round numbers (1, 2, 5 x 10^n apart) inside a range, about `n`. @param {number} from @param {number} to @param {number} [n] */
export function ticks(from, to, n = 5) {
  if (!(to > from) || !Number.isFinite(to - from)) return [];
  const rough = (to - from) / n, power = 10 ** Math.floor(Math.log10(rough)), lead = rough / power;
  const step = (lead > 5 ? 10 : lead > 2 ? 5 : lead > 1 ? 2 : 1) * power, out = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}
