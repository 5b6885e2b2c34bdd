/**
 * The pixels of a brush: the one definition that strokes, their echo and the cursor use.
 *
 * A brush has an odd size s. Centred on pixel (cx, cy) it sets pixel (i, j) if and only if
 *
 *     (i - cx)^2 + (j - cy)^2 <= (s / 2)^2
 *
 * A segment from centre (x0, y0) to (x1, y1) with n = max(|x1 - x0|, |y1 - y0|) sets the union of the brush at
 * the positions k = 0 ... n
 *
 *     x = floor((2 k (x1 - x0) + n) / (2 n)) + x0,    y likewise        (n = 0: the one position)
 *
 * The eraser is the same brush with class 0. Pixels outside the image are left out. Positions outside are
 * allowed: a stroke may leave the image and come back.
 *
 * "Column" and "row" are those of the plane that is painted on (web.md): xy: x, y; xz: x, z; zy: z, y.
 */

export const SIZES = Object.freeze([1, 3, 5, 7, 11, 23, 31, 61]);

/** Of one command. A longer stroke becomes several, so that no message is too large for anybody on its way. */
export const MAX_RUNS = 16384;

/**
 * @typedef {"xy" | "xz" | "zy"} Plane
 * @typedef {{plane: Plane, t: number, slice: number, width: number, height: number}} Sheet
 *   what is painted on: one slice of one time point; width and height are columns and rows of the whole plane
 */

/** @type {Map<number, Int32Array>} */
const known = new Map();

/**
 * How far a brush reaches to either side, for each of its rows from the top: s numbers.
 * @param {number} size
 * @returns {Int32Array}
 */
export function halfWidths(size) {
  const had = known.get(size);
  if (had) return had;
  if (!Number.isInteger(size) || size < 1 || size % 2 === 0) throw new RangeError(`a brush has an odd size, not ${size}`);
  const radius = (size - 1) / 2;
  const widths = Int32Array.from({ length: size }, (_, row) => {
    const dy = row - radius;
    let half = 0; // whole numbers only, so that every program that follows the rule gets the same pixels
    while (4 * ((half + 1) ** 2 + dy * dy) <= size * size) half++;
    return half;
  });
  known.set(size, widths);
  return widths;
}

/**
 * The centre pixel of a brush at a point of the plane (pixel i covers i ... i + 1).
 * @param {number} column
 * @param {number} row
 * @returns {[number, number]}
 */
export function centre(column, row) {
  return [Math.floor(column), Math.floor(row)];
}

/**
 * The rows of one segment: for each row of the plane the columns first ... last (inclusive) that it sets.
 * They are one interval in each row: neighbouring positions differ by at most one column, so their intervals
 * overlap or touch.
 * @param {number} size
 * @param {number} x0 centre pixels, possibly outside
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 * @param {number} width of the plane
 * @param {number} height
 * @returns {Int32Array} row, first, last, row, first, last ... from the top, clipped to the plane
 */
export function segmentRows(size, x0, y0, x1, y1, width, height) {
  const half = halfWidths(size);
  const radius = (size - 1) / 2;
  const [dx, dy] = [x1 - x0, y1 - y0];
  const steps = Math.max(Math.abs(dx), Math.abs(dy));
  const top = Math.max(0, Math.min(y0, y1) - radius);
  const bottom = Math.min(height - 1, Math.max(y0, y1) + radius);
  if (bottom < top) return new Int32Array(0);
  const first = new Int32Array(bottom - top + 1).fill(0x7fffffff);
  const last = new Int32Array(bottom - top + 1).fill(-0x80000000);
  for (let k = 0; k <= steps; k++) {
    const x = x0 + (steps ? Math.floor((2 * k * dx + steps) / (2 * steps)) : 0);
    const y = y0 + (steps ? Math.floor((2 * k * dy + steps) / (2 * steps)) : 0);
    const from = Math.max(0, top - (y - radius));
    const to = Math.min(size - 1, bottom - (y - radius));
    for (let i = from; i <= to; i++) {
      const row = y - radius + i - top;
      if (x - half[i] < first[row]) first[row] = x - half[i];
      if (x + half[i] > last[row]) last[row] = x + half[i];
    }
  }
  const out = [];
  for (let row = 0; row < first.length; row++) {
    const [a, b] = [Math.max(0, first[row]), Math.min(width - 1, last[row])];
    if (a <= b) out.push(top + row, a, b);
  }
  return Int32Array.from(out);
}

/**
 * The pixels that a click sets, for the cursor: row, first, last ... around the centre pixel, not clipped.
 * @param {number} size
 * @param {number} column of the centre pixel
 * @param {number} row
 * @returns {number[]}
 */
export function stampRows(size, column, row) {
  const radius = (size - 1) / 2;
  return [...halfWidths(size)].flatMap((half, i) => [row - radius + i, column - half, column + half]);
}

/**
 * The edge of what a click sets, as closed polygons of pixel corners (x0, y0, x1, y1, ...), clockwise; one,
 * because the rows of a brush lie on each other.
 * @param {number} size
 * @param {number} column
 * @param {number} row
 * @returns {number[]}
 */
export function outline(size, column, row) {
  const rows = stampRows(size, column, row);
  const right = [];
  const left = [];
  for (let i = 0; i < rows.length; i += 3) {
    right.push(rows[i + 2] + 1, rows[i], rows[i + 2] + 1, rows[i] + 1);
    left.unshift(rows[i + 1], rows[i] + 1, rows[i + 1], rows[i]);
  }
  return [...right, ...left];
}

/**
 * Rows of a plane as runs along x of the image.
 * @param {Sheet} sheet
 * @param {ArrayLike<number>} rows row, first, last ... inside the plane
 * @returns {number[]} t, z, y, x, n, t, z, ...
 */
export function runsOf(sheet, rows) {
  const { plane, t, slice } = sheet;
  /** @type {number[]} */
  const out = [];
  for (let i = 0; i < rows.length; i += 3) {
    const [row, first, last] = [rows[i], rows[i + 1], rows[i + 2]];
    if (plane === "xy") out.push(t, slice, row, first, last - first + 1);
    else if (plane === "xz") out.push(t, row, slice, first, last - first + 1);
    else for (let z = first; z <= last; z++) out.push(t, z, row, slice, 1); // x is the axis that is not shown
  }
  return out;
}

/** How many pixels runs hold. @param {ArrayLike<number>} runs @returns {number} */
export function pixelsOf(runs) {
  let sum = 0;
  for (let i = 4; i < runs.length; i += 5) sum += runs[i];
  return sum;
}

/** A set of pixels of one plane: for each row disjoint intervals, in order. */
export class Region {
  constructor() {
    /** @type {Map<number, number[]>} row -> first, last, first, last ... */
    this.rows = new Map();
    this.intervals = 0;
    this.pixels = 0;
  }

  /** @param {ArrayLike<number>} rows row, first, last ... */
  add(rows) {
    for (let i = 0; i < rows.length; i += 3) this.addInterval(rows[i], rows[i + 1], rows[i + 2]);
  }

  /** @param {number} row @param {number} first @param {number} last inclusive */
  addInterval(row, first, last) {
    const had = this.rows.get(row);
    if (!had) {
      this.rows.set(row, [first, last]);
      this.intervals++;
      this.pixels += last - first + 1;
      return;
    }
    let i = 0;
    while (i < had.length && had[i + 1] < first - 1) i += 2;
    let j = i;
    let joined = 0;
    while (j < had.length && had[j] <= last + 1) {
      first = Math.min(first, had[j]);
      last = Math.max(last, had[j + 1]);
      joined += had[j + 1] - had[j] + 1;
      j += 2;
    }
    had.splice(i, j - i, first, last);
    this.intervals += 1 - (j - i) / 2;
    this.pixels += last - first + 1 - joined;
  }

  /** @returns {number[]} row, first, last ... rows from the top, intervals from the left */
  toRows() {
    /** @type {number[]} */
    const out = [];
    for (const row of [...this.rows.keys()].sort((a, b) => a - b)) {
      const had = /** @type {number[]} */ (this.rows.get(row));
      for (let i = 0; i < had.length; i += 2) out.push(row, had[i], had[i + 1]);
    }
    return out;
  }
}

/**
 * One stroke while it is painted. Every pixel of it is in exactly the pieces that `take` and `cut` gave out
 * (pieces of one stroke may share pixels: they have the same class).
 */
export class Stroke {
  /** @param {Sheet} sheet @param {number} size @param {number} [maxRuns] */
  constructor(sheet, size, maxRuns = MAX_RUNS) {
    this.sheet = sheet;
    this.size = size;
    this.maxRuns = maxRuns;
    this.region = new Region();
    /** @type {[number, number] | null} */
    this.at = null;
  }

  /**
   * Paints on to a point of the plane.
   * @param {number} column a point, not a pixel: 3.7 lies in pixel 3
   * @param {number} row
   * @returns {number[]} the runs of this segment, for the echo
   */
  to(column, row) {
    const [x1, y1] = centre(column, row);
    const [x0, y0] = this.at ?? [x1, y1];
    if (this.at && x0 === x1 && y0 === y1) return [];
    this.at = [x1, y1];
    const { width, height } = this.sheet;
    const rows = segmentRows(this.size, x0, y0, x1, y1, width, height);
    this.region.add(rows);
    return runsOf(this.sheet, rows);
  }

  /** Whether it is time to send off what there is. In zy every pixel is a run of its own. */
  get full() {
    return (this.sheet.plane === "zy" ? this.region.pixels : this.region.intervals) >= this.maxRuns;
  }

  /**
   * What was painted since the last time, as lists of runs, none longer than the bound; the stroke goes on.
   * @returns {number[][]}
   */
  take() {
    const runs = runsOf(this.sheet, this.region.toRows());
    this.region = new Region();
    return cut(runs, this.maxRuns);
  }
}

/**
 * @param {number[]} runs
 * @param {number} [maxRuns]
 * @returns {number[][]} the same runs in lists of at most `maxRuns`
 */
export function cut(runs, maxRuns = MAX_RUNS) {
  const out = [];
  for (let i = 0; i < runs.length; i += 5 * maxRuns) out.push(runs.slice(i, i + 5 * maxRuns));
  return out;
}
