// Which tiles a view wants, in which order, and what stands in for a tile that is not there yet. Pure.
import { PLANES, levelSize, levelStep } from "./geometry.js";

/** @typedef {import("./geometry.js").Plane} Plane */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").PlaneSize} PlaneSize */
/** A place in the pyramid: column and row of the grid of tiles at a level. @typedef {{level: number, col: number, row: number}} Cell */
/** The grid of one plane. @typedef {{size: PlaneSize, plane: Plane, tile: number, levels: number}} Grid */
/** @template T @typedef {{cell: Cell, found: T, rect: Box}} Piece  a tile, and the part of the plane (u, v) that it is drawn on */

/**
 * The level whose pixels are 0.7 to 1.4 device pixels wide (level 0 when zoomed in). `scale`: device pixels per
 * pixel of level 0 along the axis that is drawn largest of those that levels reduce.
 * @param {number} scale @param {number} levels
 */
export function levelFor(scale, levels) {
  const level = Math.floor(-Math.log2(scale) + 0.5);
  return Math.max(0, Math.min(levels - 1, level));
}

/** @param {{sx: number, sy: number}} frame @param {Plane} plane */
export function reducedScale(frame, plane) {
  const { u, v } = PLANES[plane];
  return Math.max(u === "z" ? 0 : frame.sx, v === "z" ? 0 : frame.sy);
}

/**
 * The cells that a box touches (pixels of that level), nearest to its centre first.
 * @param {Box} box @param {number} level @param {number} tile @returns {Cell[]}
 */
export function cellsIn(box, level, tile) {
  /** @type {Cell[]} */
  const cells = [];
  for (let row = Math.floor(box[1] / tile); row * tile < box[3]; row++)
    for (let col = Math.floor(box[0] / tile); col * tile < box[2]; col++) cells.push({ level, col, row });
  const cx = (box[0] + box[2]) / 2 / tile - 0.5, cy = (box[1] + box[3]) / 2 / tile - 0.5;
  /** @param {Cell} c */
  const far = (c) => (c.col - cx) ** 2 + (c.row - cy) ** 2;
  return cells.sort((a, b) => far(a) - far(b));
}

/**
 * The ring of cells just outside a box, for what is likely to be looked at next.
 * @param {Box} box @param {Grid} grid @param {number} level
 */
export function ringAround(box, grid, level) {
  const { tile } = grid, end = levelSize(grid.size, grid.plane, level);
  /** @type {Box} */
  const wide = [
    Math.max(0, (Math.floor(box[0] / tile) - 1) * tile), Math.max(0, (Math.floor(box[1] / tile) - 1) * tile),
    Math.min(end.width, (Math.ceil(box[2] / tile) + 1) * tile), Math.min(end.height, (Math.ceil(box[3] / tile) + 1) * tile),
  ];
  const inside = new Set(cellsIn(box, level, tile).map(cellKey));
  return cellsIn(wide, level, tile).filter((cell) => !inside.has(cellKey(cell)));
}

/** A box of level `from` in pixels of the coarser level `to`. @param {Box} box @param {Plane} plane @param {number} from @param {number} to @returns {Box} */
export function coarserBox(box, plane, from, to) {
  const a = levelStep(plane, from), b = levelStep(plane, to), x = a.du / b.du, y = a.dv / b.dv;
  return [Math.floor(box[0] * x), Math.floor(box[1] * y), Math.ceil(box[2] * x), Math.ceil(box[3] * y)];
}

/**
 * The coarse level that is loaded first: what is in sight there is at most four tiles, so that a picture is there
 * at once. The same as `level` where that is already so.
 * @param {Box} box @param {Grid} grid @param {number} level
 */
export function firstLevel(box, grid, level) {
  for (let to = level; to < grid.levels; to++)
    if (cellsIn(coarserBox(box, grid.plane, level, to), to, grid.tile).length <= 4) return to;
  return Math.max(level, grid.levels - 1);
}

/** @param {Cell} cell */
export function cellKey(cell) {
  return `${cell.level}|${cell.col}|${cell.row}`;
}

/** What is asked of the server for a cell: x, y, w, h in pixels of its level. @param {Cell} cell @param {Grid} grid */
export function cellBox(cell, grid) {
  const end = levelSize(grid.size, grid.plane, cell.level), x = cell.col * grid.tile, y = cell.row * grid.tile;
  return { x, y, w: Math.min(grid.tile, end.width - x), h: Math.min(grid.tile, end.height - y) };
}

/** The part of the plane (u, v) that a cell covers, cut to the image. @param {Cell} cell @param {Grid} grid @returns {Box} */
export function cellRect(cell, grid) {
  const { du, dv } = levelStep(grid.plane, cell.level), { width, height } = grid.size;
  const u = cell.col * grid.tile * du, v = cell.row * grid.tile * dv;
  return [u, v, Math.min(width, u + grid.tile * du), Math.min(height, v + grid.tile * dv)];
}

/** @param {Cell} cell @param {Plane} plane @returns {Cell} */
function parentOf(cell, plane) {
  const { u, v } = PLANES[plane];
  return { level: cell.level + 1, col: u === "z" ? cell.col : cell.col >> 1, row: v === "z" ? cell.row : cell.row >> 1 };
}

/** @param {Cell} cell @param {Grid} grid @returns {Cell[]} */
function childrenOf(cell, grid) {
  const { u, v } = PLANES[grid.plane], across = u === "z" ? 1 : 2, down = v === "z" ? 1 : 2, out = [];
  const level = cell.level - 1, end = levelSize(grid.size, grid.plane, level);
  for (let j = 0; j < down; j++)
    for (let i = 0; i < across; i++) {
      const child = { level, col: cell.col * across + i, row: cell.row * down + j };
      if (child.col * grid.tile < end.width && child.row * grid.tile < end.height) out.push(child);
    }
  return out;
}

/**
 * What is drawn where a cell is wanted: its own tile; else finer tiles where there are some (up to `finer` levels)
 * and, where not, the nearest coarser one. Pieces never overlap, so that they can be added up.
 * @template T
 * @param {Cell} cell @param {Grid} grid @param {(cell: Cell) => T | undefined} find @param {number} [finer]
 * @returns {Piece<T>[]}
 */
export function piecesFor(cell, grid, find, finer = 2) {
  const own = find(cell);
  if (own !== undefined) return [{ cell, found: own, rect: cellRect(cell, grid) }];
  const below = finePieces(cell, grid, find, finer);
  if (below) return below;
  const above = ancestorOf(cell, grid, find);
  return above ? [{ ...above, rect: cellRect(cell, grid) }] : [];
}

/**
 * @template T
 * @param {Cell} cell @param {Grid} grid @param {(cell: Cell) => T | undefined} find @param {number} finer
 * @returns {Piece<T>[] | null} null: there is nothing finer at all
 */
function finePieces(cell, grid, find, finer) {
  if (finer === 0 || cell.level === 0) return null;
  const children = childrenOf(cell, grid);
  const parts = children.map((child) => {
    const own = find(child);
    return own !== undefined ? [{ cell: child, found: own, rect: cellRect(child, grid) }] : finePieces(child, grid, find, finer - 1);
  });
  if (parts.every((part) => part === null)) return null;
  const above = ancestorOf(cell, grid, find);
  return parts.flatMap((part, i) => part ?? (above ? [{ ...above, rect: cellRect(children[i], grid) }] : []));
}

/**
 * @template T
 * @param {Cell} cell @param {Grid} grid @param {(cell: Cell) => T | undefined} find
 * @returns {{cell: Cell, found: T} | null}
 */
function ancestorOf(cell, grid, find) {
  for (let at = cell; at.level + 1 < grid.levels; ) {
    at = parentOf(at, grid.plane);
    const found = find(at);
    if (found !== undefined) return { cell: at, found };
  }
  return null;
}
