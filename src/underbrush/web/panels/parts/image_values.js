/** Between which values the pixels of each image lie: of a sample, asked for one image after the other. */
import { reactive } from "vue";
import { address, link } from "./link.js";
import { rangeText } from "./words.js";

/** By image and what it is now; "" where it is not known. @type {Record<string, string>} */
const texts = reactive({});
let turn = Promise.resolve();

/** @param {{id: string, v: string}} lane */
const key = (lane) => `${link.project} ${lane.id} ${lane.v}`;

/** @param {{id: string, v: string}} lane */
async function ask(lane) {
  const at = key(lane);
  try {
    const answer = await fetch(address(`/api/p/${link.project}/lanes/${lane.id}/histogram?c=0`));
    if (!answer.ok) throw new Error(`${answer.status}`);
    const { edges, counts } = await answer.json();
    // Whole numbers have one bin each, which ends before the next number.
    const whole = edges.length === counts.length + 1 && edges.every(Number.isInteger) && edges[1] - edges[0] === 1;
    texts[at] = rangeText(edges[0], edges.at(-1) - (whole ? 1 : 0));
  } catch {
    delete texts[at]; // the connection is away, or the image: asked again when it is shown again
  }
}

/** Begins to find out, where nobody did. @param {{id: string, v: string, missing?: string | null}} lane */
export function findValues(lane) {
  if (lane.missing || key(lane) in texts) return;
  texts[key(lane)] = "";
  turn = turn.then(() => ask(lane));
}

/** @param {{id: string, v: string}} lane */
export const valuesOf = (lane) => texts[key(lane)] || "";
