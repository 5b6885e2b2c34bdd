/** Step 4: a small picture of what would be written, computed anew when the result, the image or the classifier is another one. */
import { computed, onBeforeUnmount, onMounted, ref, watch } from "vue";
import { anyBusy, held } from "./export_store.js";
import { address, link } from "./link.js";

/** Milliseconds after the last change before it is asked for. */
const PATIENCE = 300;

export const ResultPicture = {
  setup() {
    const url = ref(""),
      state = ref(""),
      part = ref(false);
    let timer = 0,
      asked = 0;
    /** All that the picture depends on; empty while it is not looked at or the machine is busy with the results themselves. */
    const key = computed(() => {
      const { result, classifier, region } = held.wish;
      if (link.step !== 4 || !held.look.lane || anyBusy() || !["segmentation", "probabilities", "uncertainty"].includes(result)) return "";
      const trained = classifier ? "" : [link.training?.state, link.training?.key].join();
      const colours = (link.state?.classes || []).map((one) => one.colour.join()).join(";");
      return [result, classifier, held.look.lane, trained, colours, JSON.stringify(region)].join("|");
    });
    const forget = () => {
      if (url.value) URL.revokeObjectURL(url.value);
      url.value = "";
    };
    const paint = async () => {
      const mine = ++asked;
      state.value = "Computing ...";
      try {
        const answer = await fetch(address(`/api/p/${link.project}/exports/picture`), {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ wish: held.wish, lane: held.look.lane }),
        });
        const blob = answer.status === 200 ? await answer.blob() : null;
        const said = !answer.ok ? (await answer.json().catch(() => ({}))).sentence || "There is no picture of it." : "";
        if (mine !== asked) return;
        forget();
        part.value = answer.headers.get("x-part") === "middle";
        if (blob) url.value = URL.createObjectURL(blob);
        state.value = blob ? "" : said || "Nothing is trained yet.";
      } catch {
        if (mine === asked) state.value = ""; // the banner says that the server is away
      }
    };
    const soon = () => {
      clearTimeout(timer);
      if (!key.value) asked += 1; // what is under way comes too late
      else timer = window.setTimeout(paint, PATIENCE);
      state.value = key.value ? "Computing ..." : ""; // at once: an empty box would say nothing
    };
    watch(key, soon);
    onMounted(soon);
    onBeforeUnmount(() => {
      clearTimeout(timer);
      asked += 1;
      forget();
    });
    const shown = computed(() => ["segmentation", "probabilities", "uncertainty"].includes(held.wish.result));
    const said = computed(() => {
      const cut = Object.values(held.wish.region).some((ends) => ends[0] !== null || ends[1] !== null);
      const range = held.wish.result === "uncertainty" && held.look.range;
      const place = part.value ? `The middle of the ${cut ? "region" : "image"}.` : cut ? "The region alone." : "";
      return [place, range ? `Black is written as ${range[0]}, white as ${range[1]}.` : ""].filter(Boolean).join(" ");
    });
    const told = computed(() => state.value || (anyBusy() ? "It is shown again when the results are written." : ""));
    return { url, state, told, shown, held, said };
  },
  template: `<div>
    <div v-if="shown" class="preview result" :aria-busy="state ? 'true' : 'false'">
      <img v-if="url" :src="url" :class="{ old: state }" :alt="'The ' + held.wish.result + ' as it would be written'">
      <span v-else class="dim" role="status">{{ told }}</span>
    </div>
    <p v-if="shown && url && said" class="note below">{{ said }}</p></div>
  `,
};
