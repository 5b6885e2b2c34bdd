/** Nothing is lost: what was found at opening, earlier versions, strokes kept aside, a copy elsewhere. */
import { computed, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { Dialog } from "./keys.js";
import { command, link } from "./link.js";
import { bytes, counted, dayAndTime } from "./words.js";

/** Within a sentence. @param {string} iso */
const when = (iso) => dayAndTime(iso, new Date()).replace(/^(Today|Yesterday)/, (day) => day.toLowerCase());

/** What was found when the project was opened; stays until it is closed. */
export const FoundNotices = {
  components: { Icon, IconButton },
  props: { notices: { type: Array, default: () => [] } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const closed = ref(false);
    return {
      shown: computed(() => !closed.value && props.notices.length > 0),
      close: () => {
        closed.value = true;
        emit("act", { name: "told" });
      },
    };
  },
  template: `
    <div v-if="shown" class="callout info found" role="status" aria-label="Found when the project was opened">
      <Icon n="info" />
      <div class="grow"><p v-for="notice in notices">{{ notice }}</p></div>
      <IconButton icon="x" name="Close what was found" @click="close" />
    </div>
  `,
};

/** The dialog of the Project menu. */
export const VersionsDialog = {
  components: { Dialog, Icon },
  props: {
    versions: { type: Array, default: null },
    aside: { type: Array, default: () => [] },
    readOnly: Boolean,
    answers: { type: Number, default: 0 },
    done: { type: Number, default: 0 },
  },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const busy = ref("");
    const look = () => emit("act", { name: "versions" });
    watch(
      () => link.dialog,
      (dialog) => {
        if (dialog === "versions") look();
      },
    );
    watch(
      () => props.answers,
      () => {
        busy.value = "";
      },
    );
    watch(
      () => props.done,
      () => {
        if (link.dialog === "versions") link.dialog = "";
      },
    );
    return {
      link,
      busy,
      bytes,
      counted,
      when,
      close: () => {
        link.dialog = "";
      },
      restore: (/** @type {any} */ one) => {
        if (busy.value) return;
        busy.value = one.name;
        emit("act", { name: "restore", version: one.name });
      },
      apply: async (/** @type {any} */ one) => {
        if (busy.value) return;
        busy.value = one.name;
        const answer = await command({ type: "apply_recovered", file: one.name }, "Strokes brought back.");
        busy.value = "";
        if (answer.ok) link.dialog = "";
        else look();
      },
    };
  },
  template: `
    <Dialog title="Earlier versions" :open="link.dialog === 'versions'" small @close="close">
      <p class="note pad">
        Restore makes an earlier version the project, in all windows. What is there now is saved and kept as a version first;
        afterwards there is nothing to undo.
      </p>
      <div class="filelist scroll versions" tabindex="0" aria-label="Versions">
        <p v-if="!versions" class="note pad">Reading the folder ...</p>
        <p v-else-if="!versions.length" class="note pad">No earlier version is kept yet: the first is kept at the first save.</p>
        <div v-for="one in versions || []" :key="one.name" class="fileline">
          <Icon n="clock" />
          <span class="grow fg">Until {{ when(one.when) }}</span>
          <span class="dim w96 num">{{ bytes(one.size) }}</span>
          <button type="button" class="btn tight" :disabled="readOnly" :aria-label="'Restore the version until ' + when(one.when)"
              @click="restore(one)">
            {{ busy === one.name ? 'Restoring ...' : 'Restore' }}
          </button>
        </div>
        <template v-if="aside.length">
          <h3 class="pad">Strokes that were not applied</h3>
          <div v-for="one in aside" :key="one.name" class="fileline aside" :data-tip="one.name">
            <Icon :n="one.problem ? 'warn' : 'layers'" />
            <span class="grow">
              <span class="fg">{{ one.edits ? counted(one.edits, 'change') + ', ' + when(one.when) : one.name }}</span>
              <span v-if="one.edits && one.lacking" class="dim"> {{ one.fit }} of them fit</span>
              <span v-else-if="one.edits" class="dim"> nothing of them is missing here, or fits</span>
              <span v-if="one.problem" class="dim"> {{ one.problem }}</span>
            </span>
            <button v-if="one.lacking" type="button" class="btn tight" :disabled="readOnly"
                data-tip="Bring back what still fits, over what is painted there now; one Undo takes it back" @click="apply(one)">
              Apply
            </button>
          </div>
        </template>
      </div>
      <div class="foot"><span class="grow"></span><button type="button" class="btn" @click="close">Close</button></div>
    </Dialog>
  `,
};

/** Where a copy of the project goes when its own place cannot be written. */
export const CopyDialog = {
  components: { Dialog },
  props: { place: { type: String, default: "" }, done: { type: Number, default: 0 }, problem: { type: String, default: "" } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const path = ref("");
    watch(
      () => link.dialog,
      (dialog) => {
        if (dialog !== "copy") return;
        path.value = props.place;
        emit("act", { name: "copyPlace" });
      },
    );
    watch(
      () => props.place,
      (place) => {
        path.value = place;
      },
    );
    watch(
      () => props.done,
      () => {
        if (link.dialog === "copy") link.dialog = "";
      },
    );
    return {
      link,
      path,
      waiting: computed(() => link.unsent.count),
      counted,
      close: () => {
        link.dialog = "";
      },
      save: () => {
        if (path.value.trim()) emit("act", { name: "copy", path: path.value.trim() });
      },
    };
  },
  template: `
    <Dialog title="Save a copy elsewhere" :open="link.dialog === 'copy'" small @close="close">
      <p class="note pad">
        All that is in the project now is written as a new file, on another disk if need be. Nothing is replaced.
        <span v-if="waiting">{{ counted(waiting, 'stroke') }} kept in this browser could not be made safe yet and will not be in it.</span>
      </p>
      <div class="filehead">
        <span class="field grow">
          <input v-model="path" aria-label="Path of the copy" spellcheck="false" @keydown.enter.prevent="save">
        </span>
      </div>
      <div v-if="problem" class="callout err inset" role="alert"><p class="grow">{{ problem }}</p></div>
      <div class="foot">
        <span class="grow"></span>
        <button type="button" class="btn" @click="close">Cancel</button>
        <button type="button" class="btn primary" :disabled="!path.trim()" @click="save">Save a copy</button>
      </div>
    </Dialog>
  `,
};
