/**
 * A polygon as pixels: a pixel is inside if its centre is, by the even-odd rule (where the polygon crosses
 * itself, what was counted twice is outside). An edge belongs to the row centres y0 <= y < y1, and a centre that
 * lies exactly on a crossing is inside when the crossing is a left one: polygons that share an edge never share
 * a pixel.
 */

/**
 * @param {ArrayLike<number>} points x0, y0, x1, y1 ... of the plane (pixel i covers i ... i + 1); closed by itself
 * @param {number} width columns of the plane
 * @param {number} height rows
 * @returns {number[]} row, first, last (inclusive) ... from the top, clipped to the plane
 */
export function polygonRows(points, width, height) {
  const corners = points.length >> 1;
  if (corners < 3) return [];
  /** @type {Map<number, number[]>} */
  const crossings = new Map();
  for (let i = 0; i < corners; i++) {
    const j = (i + 1) % corners;
    addEdge(crossings, [points[2 * i], points[2 * i + 1], points[2 * j], points[2 * j + 1]], height);
  }
  /** @type {number[]} */
  const out = [];
  for (const row of [...crossings.keys()].sort((a, b) => a - b)) {
    const xs = /** @type {number[]} */ (crossings.get(row)).sort((a, b) => a - b);
    for (let i = 0; i + 1 < xs.length; i += 2) {
      const first = Math.max(0, Math.ceil(xs[i] - 0.5));
      const last = Math.min(width - 1, Math.ceil(xs[i + 1] - 0.5) - 1);
      if (first > last) continue;
      const n = out.length; // intervals that touch (a polygon that meets itself) are one run
      if (n && out[n - 3] === row && out[n - 1] >= first - 1) out[n - 1] = Math.max(out[n - 1], last);
      else out.push(row, first, last);
    }
  }
  return out;
}

/**
 * @param {Map<number, number[]>} crossings row -> x of the crossings of its centre line
 * @param {[number, number, number, number]} edge
 * @param {number} height
 */
function addEdge(crossings, [xa, ya, xb, yb], height) {
  const [x0, y0, x1, y1] = ya <= yb ? [xa, ya, xb, yb] : [xb, yb, xa, ya];
  const from = Math.max(0, Math.ceil(y0 - 0.5));
  const to = Math.min(height - 1, Math.ceil(y1 - 0.5) - 1);
  for (let row = from; row <= to; row++) {
    const x = x0 + ((row + 0.5 - y0) / (y1 - y0)) * (x1 - x0);
    const list = crossings.get(row);
    if (list) list.push(x);
    else crossings.set(row, [x]);
  }
}
