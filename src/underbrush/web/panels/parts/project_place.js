/** Where a project goes: a new one, this one under another name, or packed with its images. */
import { computed, nextTick, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { asked } from "./files.js";
import { Dialog } from "./keys.js";
import { address, link } from "./link.js";
import { bytes, counted, crumbsOf } from "./words.js";

const KINDS = /** @type {Record<string, {title: string, verb: string, act: string, note: string}>} */ ({
  newPlace: {
    title: "New project",
    verb: "Create",
    act: "newProject",
    note: "A project without images yet; they are added next and stay where they are.",
  },
  saveAs: {
    title: "Save as",
    verb: "Save and go on there",
    act: "saveAs",
    note: "The project goes on in the new file, and its links follow. The one before is saved as it is now and closed.",
  },
  pack: {
    title: "Pack",
    verb: "Pack",
    act: "pack",
    note: "One file for a colleague: the project with its strokes and classifiers, and all images as they are.",
  },
});

/** The dialog; Python offers folder and name and says how it went. */
export const ProjectPlace = {
  components: { Dialog, Icon, IconButton },
  props: {
    folder: { type: String, default: "" },
    name: { type: String, default: "" },
    size: { type: Number, default: 0 },
    kept: { type: Array, default: () => [] },
    problem: { type: String, default: "" },
    busy: { type: Object, default: null },
    asked: { type: Number, default: 0 },
    done: { type: Number, default: 0 },
  },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const folder = ref(""),
      name = ref(""),
      listing = ref(/** @type {any} */ (null)),
      trouble = ref("");
    const kind = computed(() => KINDS[link.dialog]);
    let turn = 0;
    const go = async (/** @type {string} */ path) => {
      const mine = ++turn;
      try {
        const found = await asked(address(`/api/browse?path=${encodeURIComponent(path)}`));
        if (mine !== turn) return;
        listing.value = found;
        folder.value = found.path;
        trouble.value = "";
      } catch (error) {
        if (mine === turn) trouble.value = error instanceof Error ? error.message : String(error);
      }
    };
    watch(
      () => link.dialog,
      (dialog) => {
        if (!KINDS[dialog]) return;
        listing.value = null;
        name.value = "";
        trouble.value = "";
        emit("act", { name: "place", kind: dialog });
      },
    );
    watch(
      () => props.asked,
      async () => {
        if (!name.value) name.value = props.name; // it may have been typed before the answer came
        if (props.folder) go(props.folder);
        // The name can be typed at once, although it came later than the dialog.
        await nextTick();
        const dialog = document.querySelector("[role=dialog]");
        if (kind.value && !dialog?.contains(document.activeElement))
          /** @type {HTMLElement | null | undefined} */ (dialog?.querySelector("input"))?.focus();
      },
    );
    watch(
      () => props.done,
      () => {
        if (kind.value) link.dialog = "";
      },
    );
    const running = computed(() => props.busy !== null);
    const close = () => {
      if (running.value && link.dialog === "pack") emit("act", { name: "packStop" });
      link.dialog = "";
    };
    const save = () => {
      if (!name.value.trim() || !folder.value || running.value || !kind.value) return;
      const by = folder.value.includes("\\") ? "\\" : "/";
      emit("act", { name: kind.value.act, path: `${folder.value.replace(/[\\/]$/, "")}${by}${name.value.trim()}` });
    };
    return {
      link,
      kind,
      folder,
      fileName: name,
      listing,
      folders: computed(() => (listing.value?.entries || []).filter((/** @type {any} */ one) => one.kind === "folder" && !one.name.endsWith(".versions"))),
      crumbs: computed(() => crumbsOf(folder.value).slice(-4)),
      wrong: computed(() => trouble.value || props.problem),
      share: computed(() => (props.busy?.total ? Math.round((100 * props.busy.done) / props.busy.total) : null)),
      waiting: computed(() => link.unsent.count),
      running,
      go,
      close,
      save,
      bytes,
      counted,
    };
  },
  template: `
    <Dialog :title="kind ? kind.title : ''" :open="!!kind" small @close="close">
      <p class="note pad">
        {{ kind.note }}
        <span v-if="waiting && link.dialog !== 'newPlace'">{{ counted(waiting, 'stroke') }} kept in this browser could not be made safe yet and will not be in it.</span>
        <span v-if="size && link.dialog === 'pack'">The images are {{ bytes(size) }}.</span>
      </p>
      <div v-if="kept.length" class="callout inset"><Icon n="warn" /><p class="grow">{{ kept.slice(0, 3).join(' ') }}{{ kept.length > 3 ? ' And ' + (kept.length - 3) + ' more.' : '' }}</p></div>
      <div class="filehead">
        <span class="field grow">
          <input v-model="fileName" aria-label="Name of the file" spellcheck="false" maxlength="200" :disabled="running" @keydown.enter.prevent="save">
        </span>
      </div>
      <div class="crumbs">
        <IconButton icon="left" name="Folder above" :disabled="!listing || !listing.parent" @click="go(listing.parent)" />
        <template v-for="crumb in crumbs">
          <button type="button" class="btn-quiet" :data-tip="crumb.path" @click="go(crumb.path)">{{ crumb.name }}</button>
          <span class="dim">/</span>
        </template>
      </div>
      <div class="filelist scroll" style="height: min(200px, 30vh)" role="listbox" aria-label="Folders">
        <div v-for="entry in folders" :key="entry.path" class="fileline" role="option" tabindex="0" aria-selected="false"
            @click="go(entry.path)" @keydown.enter.prevent="go(entry.path)">
          <Icon n="folder" />
          <span class="grow trunc">{{ entry.name }}</span>
        </div>
        <p v-if="listing && !folders.length" class="note pad">No folders in here; the file goes here.</p>
      </div>
      <div v-if="wrong" class="callout err inset" role="alert"><Icon n="error" /><p class="grow">{{ wrong }}</p></div>
      <div class="foot">
        <span v-if="running" class="hstack grow" role="status">
          <span class="prog w120" :class="{ moving: share === null }"><i :style="share === null ? {} : { width: share + '%' }"></i></span>
          <span class="fg">{{ share === null ? 'Working ...' : share + ' %' }}</span>
        </span>
        <span v-else class="grow"></span>
        <button type="button" class="btn" @click="close">Cancel</button>
        <button type="button" class="btn primary" :disabled="!fileName.trim() || !folder || running" @click="save">{{ kind.verb }}</button>
      </div>
    </Dialog>
  `,
};
