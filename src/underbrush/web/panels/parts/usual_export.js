/** Format and path of results for all projects in which nobody chose any: kept in the settings of the machine of the app. */
import { computed, reactive, watch } from "vue";
import { Icon } from "./basics.js";
import { refresh } from "./export_store.js";
import { FORMATS } from "./export_words.js";
import { Select } from "./exports.js";
import { asked } from "./files.js";
import { address, link } from "./link.js";
import { capital } from "./words.js";

const usual = reactive({ said: /** @type {any} */ (null), name: "", problem: "", turn: 0 });

/** @param {RequestInit} [options] */
async function ask(options) {
  const mine = ++usual.turn;
  try {
    const said = await asked(address("/api/usual-export"), options);
    if (mine !== usual.turn) return;
    // An answer that comes while somebody types leaves what was typed.
    const kept = !options && usual.said && usual.name !== usual.said.name;
    usual.said = said;
    if (!kept) usual.name = said.name;
    usual.problem = said.problem;
  } catch (error) {
    if (mine !== usual.turn) return;
    usual.problem = error instanceof Error ? error.message : String(error);
    return;
  }
  if (options && link.project) await refresh().catch((error) => (usual.problem = error.message));
}

/** Keeps what is chosen; what is not named stays. @param {{format?: string, name?: string}} change */
const store = (change) =>
  ask({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ format: usual.said.format, name: usual.said.name, ...change }),
  });

/** Whether it is our own default, or cannot be changed. */
export const isUsualExport = computed(
  () => !usual.said || (!usual.problem && usual.said.format === usual.said.plain.format && usual.said.name === usual.said.plain.name),
);
/** Back to our own default. */
export const plainExport = () => (isUsualExport.value ? undefined : store(usual.said.plain));

/** The section of the settings. */
export const UsualExport = {
  components: { Icon, Select },
  setup() {
    watch(() => link.dialog === "settings", (open) => open && ask(), { immediate: true });
    const fixed = (/** @type {string} */ name) => !!usual.said?.fixed.includes(name);
    return {
      usual,
      problem: computed(() => capital(usual.problem.replace(/ \(export_\w+\)/, ""))),
      store,
      formats: computed(() => (usual.said?.formats || []).map((/** @type {string} */ id) => ({ id, text: FORMATS[id] || id }))),
      fixed,
      any: computed(() => !!usual.said?.fixed.length),
      typed: () => {
        if (usual.name.trim() !== usual.said.name) store({ name: usual.name.trim() });
      },
    };
  },
  template: `
    <section v-if="usual.said" class="usual">
      <h3>Export of new projects</h3>
      <div class="form">
        <label>Format</label>
        <Select name="Format of new projects" :options="formats" :value="usual.said.format" :off="fixed('export_format')" @choose="store({ format: $event })" />
        <label for="usual-path">Path</label>
        <span class="field mono" :class="{ off: fixed('export_name'), err: usual.problem }">
          <input id="usual-path" v-model="usual.name" :disabled="fixed('export_name')" spellcheck="false" maxlength="400"
              :placeholder="usual.said.plain.name" data-tip="{nickname} {result} {project} {dataset_dir} are filled in; the ending comes from the format"
              @change="typed" @keydown.enter.prevent="$event.target.blur()">
        </span>
      </div>
      <p v-if="usual.problem" class="err" role="alert"><Icon n="error" />{{ problem }}</p>
      <p v-else class="dim anywhere">
        <template v-if="any">Set by UNDERBRUSH_EXPORT_FORMAT or UNDERBRUSH_EXPORT_NAME where Underbrush was started.</template>
        <template v-else>Also for underbrush predict. Kept in {{ usual.said.file }}.</template>
      </p>
    </section>
    <section v-else class="usual"><h3>Export of new projects</h3><p class="dim">{{ usual.problem || 'Looking ...' }}</p></section>
  `,
};
