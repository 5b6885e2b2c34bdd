/** Which rows are selected after a click or a key, and what is allowed as axes. No DOM. */

/**
 * @param {string[]} rows all ids as they are shown
 * @param {string[]} chosen @param {string} anchor where the last single choice was
 * @param {string} id clicked
 * @param {{shift?: boolean, ctrl?: boolean}} held
 * @returns {{chosen: string[], anchor: string}}
 */
export function clicked(rows, chosen, anchor, id, { shift = false, ctrl = false } = {}) {
  const [a, b] = [rows.indexOf(anchor), rows.indexOf(id)].sort((p, q) => p - q);
  if (shift && a >= 0) return { chosen: rows.slice(a, b + 1), anchor };
  if (ctrl) {
    const kept = chosen.includes(id) ? chosen.filter((one) => one !== id) : rows.filter((one) => one === id || chosen.includes(one));
    return { chosen: kept, anchor: id };
  }
  return { chosen: [id], anchor: id };
}

/**
 * Why a text cannot be the axes of an image, or "".
 * @param {string} text @param {number} count axes of the file
 */
export function axesProblem(text, count) {
  if (!/^[tczyx]*$/.test(text)) return "Use the letters t c z y x.";
  if (new Set(text).size !== text.length) return "Name each axis once.";
  if (!text.includes("y") || !text.includes("x")) return "y and x are needed.";
  if (text.length !== count) return `The file has ${count} axes.`;
  return "";
}

/**
 * What several images have in common, or null.
 * @template T @param {T[]} values @returns {T | null}
 */
export const common = (values) => (values.length && values.every((one) => one === values[0]) ? values[0] : null);

/** The steps that move the selected rows by one, each a place in the order. @param {string[]} all @param {string[]} chosen @param {number} by */
export function moves(all, chosen, by) {
  const order = [...all],
    found = /** @type {{id: string, place: number}[]} */ ([]);
  const turn = all.filter((id) => chosen.includes(id));
  if (by > 0) turn.reverse();
  for (const id of turn) {
    const at = order.indexOf(id),
      to = at + by;
    if (to < 0 || to >= order.length || chosen.includes(order[to])) continue;
    order.splice(at, 1);
    order.splice(to, 0, id);
    found.push({ id, place: to });
  }
  return found;
}

/**
 * Strokes [lane, class, t, z, y, x, pixels] by class, image or size; equal ones stay in their order.
 * @param {any[][]} rows @param {string} by @param {boolean} down @param {string[]} lanes in their order
 */
export function sorted(rows, by, down, lanes) {
  const value = /** @type {Record<string, (row: any[]) => number>} */ ({
    class: (row) => row[1],
    image: (row) => lanes.indexOf(row[0]),
    pixels: (row) => row[6],
  })[by];
  const all = value ? [...rows].sort((a, b) => value(a) - value(b)) : [...rows];
  return down ? all.reverse() : all;
}

/**
 * What a field shows once something new is known: the news, unless it was typed in meanwhile.
 * @param {string} text in the field @param {string} put what was last put there @param {string} known
 */
export const followed = (text, put, known) => (text === put ? known : text);
