/** The left end of the line below, in the steps that are pages; and what is to be said where there is no image. */
import { computed } from "vue";
import { held, lanes } from "./export_store.js";
import { totalBytes } from "./export_words.js";
import { link, shownLane } from "./link.js";
import { selection } from "./selection.js";
import { batchFacts, exportFacts, imageFacts } from "./status_facts.js";

/** Bytes of all results, or null while they are not known. */
function size() {
  const all = link.state?.lanes || [],
    first = all.find((one) => one.id === held.look.lane),
    wanted = lanes();
  if (!first || !held.look.bytes) return null;
  return totalBytes(
    held.look.bytes,
    first.shape,
    all.filter((one) => wanted.includes(one.id)).map((one) => one.shape),
  );
}

/** Nothing in the steps with a picture. */
export const StepFacts = {
  setup: () => ({
    facts: computed(() => {
      const all = link.state?.lanes || [];
      if (link.step === 1) return imageFacts(all, selection.lanes.length);
      if (link.step === 4) return exportFacts(held.wish.result, lanes().length, size());
      return link.step === 5 ? batchFacts(held.jobs.batch?.rows || []) : [];
    }),
  }),
  template: `
    <span v-if="facts.length" class="facts">
      <template v-for="(one, n) in facts"><span v-if="n" class="sep"></span><span :class="{ err: one.bad }">{{ one.text }}</span></template>
    </span>
  `,
};

/** What comes before anything that training says; null: training may speak. */
export function stepHint() {
  if (!link.state || ![2, 3].includes(link.step)) return link.step === 1 && link.state && !link.state.lanes.length ? "Add an image to begin." : "";
  if (!link.state.lanes.length) return "Add an image in step 1.";
  return shownLane()?.missing ? "This image is missing; repair it in step 1." : null;
}
