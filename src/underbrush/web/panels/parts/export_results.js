/** Step 4: deleting what was exported, after all of it was shown. */
import { computed, ref } from "vue";
import { Icon } from "./basics.js";
import { anyBusy, results } from "./export_store.js";
import { dayAndTime, bytes, counted } from "./words.js";
import { Dialog } from "./keys.js";
import { say } from "./link.js";

/** The button, and the list of what would go. */
export const DeleteResults = {
  components: { Dialog, Icon },
  setup() {
    const open = ref(false),
      busy = ref(false),
      found = ref(/** @type {any[]} */ ([])),
      problem = ref("");
    const going = computed(() => found.value.filter((one) => !one.changed));
    const stays = computed(() => found.value.filter((one) => one.changed));
    const attempt = async (/** @type {() => Promise<void>} */ work) => {
      busy.value = true;
      problem.value = "";
      try {
        await work();
      } catch (error) {
        problem.value = error instanceof Error ? error.message : String(error);
      } finally {
        busy.value = false;
      }
    };
    const show = () => {
      found.value = [];
      open.value = true;
      attempt(async () => {
        found.value = (await results()).results;
      });
    };
    const remove = () =>
      attempt(async () => {
        const said = await results(going.value.map((one) => one.path));
        found.value = said.results;
        problem.value = said.left.join(" ");
        if (said.deleted) say(`${counted(said.deleted, "result")} deleted.`);
        if (!said.left.length) open.value = false;
      });
    return {
      open, busy, found, problem, going, stays, show, remove, anyBusy, bytes, counted,
      when: (/** @type {string} */ iso) => dayAndTime(iso, new Date()),
      total: computed(() => bytes(going.value.reduce((sum, one) => sum + one.bytes, 0))),
      folders: computed(() => [...new Set(found.value.map((one) => one.folder))]),
      close: () => {
        open.value = false;
      },
    }; // prettier-ignore
  },
  template: `
    <button type="button" class="btn s" :disabled="!!anyBusy()" data-tip="Results that this project exported; they are listed first" @click="show">
      <Icon n="trash" />Delete ...
    </button>
    <Dialog title="Delete results" :open="open" small @close="close">
      <p class="note pad" role="status">
        <template v-if="busy && !found.length">Looking for them ...</template>
        <template v-else-if="!found.length">Where results go now lies none that this project exported.</template>
        <template v-else-if="!going.length">All that exports of this project wrote there was changed since, and stays.</template>
        <template v-else>
          Files that exports of this project wrote and nobody changed since. They are deleted from the disk: there is no way back,
          but to export them again.
        </template>
      </p>
      <div v-if="found.length" class="filelist results scroll" role="list" aria-label="Results" tabindex="0">
        <template v-for="folder in folders" :key="folder">
          <p class="dim anywhere folderline">{{ folder }}</p>
          <div v-for="one in found.filter((each) => each.folder === folder)" :key="one.path" class="fileline" role="listitem" :data-tip="one.path">
            <Icon :n="one.changed ? 'warn' : 'file'" />
            <span class="grow trunc" :class="{ fg: !one.changed }">{{ one.name }}{{ one.files > 1 ? ', ' + counted(one.files, 'file') : '' }}</span>
            <span v-if="one.changed" class="badge warn">changed since, stays</span>
            <template v-else><span class="dim num">{{ bytes(one.bytes) }}</span><span class="dim num when">{{ when(one.written) }}</span></template>
          </div>
        </template>
      </div>
      <div v-if="problem" class="callout err inset" role="alert"><Icon n="error" /><p class="grow anywhere">{{ problem }}</p></div>
      <div class="foot">
        <span class="dim grow">{{ stays.length ? counted(stays.length, 'changed file') + (stays.length === 1 ? ' stays.' : ' stay.') : '' }}</span>
        <button type="button" class="btn" @click="close">{{ going.length ? 'Cancel' : 'Close' }}</button>
        <button v-if="going.length" type="button" class="btn danger" :disabled="busy || !!anyBusy()" @click="remove">
          Delete {{ counted(going.length, 'result') }}, {{ total }}
        </button>
      </div>
    </Dialog>
  `,
};
