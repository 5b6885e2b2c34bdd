/** Files of the machine that runs the app: chosen in a list, by path, or dropped from elsewhere. */
import { computed, nextTick, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { held, takeFiles } from "./export_store.js";
import { Dialog } from "./keys.js";
import { address, link } from "./link.js";
import { selection } from "./selection.js";
import { bytes, crumbsOf, dayAndTime } from "./words.js";

/** What is done with the chosen files; all else opens them. */
const DEEDS = new Set(["importProject", "labels", "add", "sequence", "replace", "mask", "repair"]);
/** What takes one file. */
const SINGLE = new Set(["importProject", "labels", "repair"]);
const TITLES = /** @type {Record<string, [string, string]>} */ ({
  new: ["New project from images", "Start a project"],
  open: ["Open", "Open"],
  add: ["Add images", "Add"],
  batch: ["Files for the batch", "Take"],
  sequence: ["Files of one sequence", "Add as one image"],
  importProject: ["A project to import from", "Look at it"],
  labels: ["A file of labels: 0 is unlabelled", "Look at it"],
  replace: ["Another file for this image", "Replace"],
  mask: ["Masks: 0 is left out", "Use as mask"],
  repair: ["Where is the missing file now?", "Use this file"],
  browse: ["Browse this computer", "Open"],
});

/** @param {string} url @param {RequestInit} [options] */
export async function asked(url, options) {
  const answer = await fetch(url, options);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.sentence || `The server answered ${answer.status}; try again.`);
  return body;
}

/** The dialog that lists folders. Emits `{name: "open" | "add", paths}`. */
export const FilesDialog = {
  components: { Dialog, Icon, IconButton },
  emits: ["act"],
  setup(/** @type {any} */ _props, /** @type {any} */ { emit }) {
    const listing = ref(/** @type {any} */ (null)),
      chosen = ref(/** @type {string[]} */ ([])),
      problem = ref(""),
      typedPath = ref(""),
      filter = ref(""),
      waiting = ref(false),
      list = ref(/** @type {HTMLElement | null} */ (null));
    const kind = computed(() => (link.dialog in TITLES ? link.dialog : ""));
    let asking = 0,
      anchor = "";
    const go = async (/** @type {string} */ path, from = "") => {
      const mine = ++asking;
      const late = setTimeout(() => {
        waiting.value = true;
      }, 300);
      try {
        const found = await asked(address(`/api/browse${path ? `?path=${encodeURIComponent(path)}` : ""}`));
        if (mine !== asking) return;
        listing.value = found;
        problem.value = "";
        chosen.value = [];
        filter.value = "";
        sessionStorage.setItem("underbrush.folder", found.path || "");
        await nextTick();
        const rows = /** @type {HTMLElement[]} */ ([...(list.value?.querySelectorAll("[role=option]") || [])]);
        // Who types a path while the folder is still being read keeps the field.
        if (!typedPath.value) (rows.find((row) => row.dataset.path === from) || rows[0])?.focus();
      } catch (error) {
        if (mine !== asking) return;
        if (!listing.value && path) return void go("");
        problem.value = error instanceof Error ? error.message : String(error);
      } finally {
        clearTimeout(late);
        waiting.value = false;
      }
    };
    watch(
      kind,
      (now) => {
        if (now) {
          typedPath.value = "";
          listing.value = null;
          go(sessionStorage.getItem("underbrush.folder") || "");
        }
      },
      { immediate: true },
    );
    const wanted = (/** @type {any} */ entry) => {
      if (kind.value === "importProject") return entry.kind !== "image";
      return ["open", "browse"].includes(kind.value) || entry.kind !== "project";
    };
    const entries = computed(() =>
      (listing.value?.entries || []).filter(
        (/** @type {any} */ one) => wanted(one) && (!filter.value || one.name.toLowerCase().includes(filter.value.toLowerCase())),
      ),
    );
    const close = () => {
      link.dialog = "";
    };
    const give = (/** @type {string[]} */ paths) => {
      if (!paths.length) return;
      const name = DEEDS.has(kind.value) ? kind.value : "open";
      if (kind.value === "batch") {
        close();
        held.files = paths.length === 1 ? paths[0] : "";
        takeFiles(paths);
        return;
      }
      close();
      emit("act", { name, paths, lanes: [...selection.lanes], axis: selection.axis, lane: link.position.lane });
    };
    const pick = (/** @type {any} */ entry, /** @type {any} */ event = {}) => {
      if (entry.kind === "folder") {
        chosen.value = [];
        return;
      }
      const files = entries.value
        .filter((/** @type {any} */ one) => one.kind === "image")
        .map((/** @type {any} */ one) => one.path);
      if (event.shiftKey && anchor && entry.kind === "image") {
        const [a, b] = [files.indexOf(anchor), files.indexOf(entry.path)].sort((p, q) => p - q);
        if (a >= 0) {
          chosen.value = files.slice(a, b + 1);
          return;
        }
      }
      anchor = entry.path;
      const project =
        entry.kind === "project" ||
        entries.value.some((/** @type {any} */ one) => one.kind === "project" && chosen.value.includes(one.path));
      if ((event.ctrlKey || event.metaKey) && !project)
        chosen.value = chosen.value.includes(entry.path)
          ? chosen.value.filter((one) => one !== entry.path)
          : [...chosen.value, entry.path];
      else chosen.value = [entry.path];
    };
    const enter = (/** @type {any} */ entry) => {
      if (entry.kind === "folder") go(entry.path, listing.value.path);
      else give(chosen.value.includes(entry.path) ? chosen.value : [entry.path]);
    };
    const key = (/** @type {KeyboardEvent} */ event, /** @type {any} */ entry) => {
      const rows = /** @type {HTMLElement[]} */ ([...(list.value?.querySelectorAll("[role=option]") || [])]),
        at = rows.indexOf(/** @type {HTMLElement} */ (event.currentTarget));
      const by = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 })[event.key];
      if (by) {
        const next = Math.max(0, Math.min(rows.length - 1, at + by));
        rows[next]?.focus();
        const one = entries.value[next - (listing.value.parent ? 1 : 0)];
        if (one && event.shiftKey) pick(one, event);
      } else if (event.key === "Enter") {
        if (entry) enter(entry);
        else go(listing.value.parent, listing.value.path);
      } else if (event.key === " " && entry) pick(entry, { ctrlKey: true });
      else if (event.key === "Backspace" && listing.value.parent) go(listing.value.parent, listing.value.path);
      else if ((event.ctrlKey || event.metaKey) && event.key === "a")
        chosen.value = entries.value
          .filter((/** @type {any} */ one) => one.kind === "image")
          .map((/** @type {any} */ one) => one.path);
      else return;
      event.preventDefault();
    };
    const type = () => {
      const text = typedPath.value.trim();
      if (text) give([text]);
    };
    const verb = computed(() => {
      const n = chosen.value.length,
        base = (TITLES[kind.value] || ["", ""])[1];
      return n > 1 ? `${base}: ${n} images` : base;
    });
    const crumbs = computed(() => crumbsOf(listing.value?.path || "").slice(-4));
    return {
      kind,
      title: computed(() => (TITLES[kind.value] || [""])[0]),
      single: computed(() => SINGLE.has(kind.value)),
      listing,
      entries,
      chosen,
      problem,
      typedPath,
      filter,
      waiting,
      list,
      go,
      close,
      give,
      pick,
      enter,
      key,
      type,
      verb,
      crumbs,
      bytes,
      when: (/** @type {string} */ iso) => dayAndTime(iso, new Date()),
    };
  },
  template: `
    <Dialog :title="title" :open="!!kind" small @close="close">
      <div class="filehead">
        <span class="field">
          <Icon n="link" />
          <input v-model="typedPath" placeholder="Path, address, or pattern such as /data/*.tif"
              aria-label="Path, or pattern such as data/*.tif" spellcheck="false" @keydown.enter.prevent="type">
        </span>
        <button type="button" class="btn" :disabled="!typedPath.trim()" @click="type">
          {{ kind === 'open' || kind === 'browse' ? 'Open' : 'Use' }}
        </button>
      </div>
      <div class="crumbs">
        <IconButton icon="left" name="Folder above" keyed="Backspace" :disabled="!listing || !listing.parent"
            @click="go(listing.parent, listing.path)" />
        <template v-for="crumb in crumbs">
          <button type="button" class="btn-quiet" :data-tip="crumb.path" @click="go(crumb.path)">{{ crumb.name }}</button>
          <span class="dim">/</span>
        </template>
        <span class="grow"></span>
        <span class="field s w160"><Icon n="search" /><input v-model="filter" placeholder="Filter" aria-label="Filter"></span>
      </div>
      <div v-if="problem" class="callout err inset" role="alert"><Icon n="error" /><p class="grow">{{ problem }}</p></div>
      <div class="filelist scroll" role="listbox" :aria-multiselectable="single ? 'false' : 'true'" aria-label="Files" ref="list">
        <div v-if="waiting && !listing" class="note pad">Reading the folder ...</div>
        <template v-if="listing">
          <div v-if="listing.parent" class="fileline" role="option" tabindex="0" aria-selected="false" :data-path="listing.parent"
              @dblclick="go(listing.parent, listing.path)" @keydown="key($event, null)">
            <Icon n="folder" />
            <span class="grow">.. (folder above)</span>
          </div>
          <div v-for="entry in entries" :key="entry.path" class="fileline" role="option" tabindex="0" :data-path="entry.path"
              :aria-selected="chosen.includes(entry.path) ? 'true' : 'false'" @click="pick(entry, $event)"
              @dblclick="enter(entry)" @keydown="key($event, entry)">
            <Icon :n="entry.kind === 'folder' ? 'folder' : entry.kind === 'project' ? 'layers' : 'image'" />
            <span class="grow trunc" :class="{ fg: entry.kind !== 'folder' }">{{ entry.name }}</span>
            <span class="dim w96 num">{{ entry.folder ? '' : bytes(entry.size) }}</span>
            <span class="dim w128 num">{{ when(entry.modified) }}</span>
          </div>
          <p v-if="!entries.length" class="note pad">
            {{ filter ? 'Nothing here has “' + filter + '” in its name.' : 'No images, projects or folders here.' }}
          </p>
          <p v-if="listing.more" class="note pad">There are more files than are listed: type the path above.</p>
        </template>
      </div>
      <div class="foot">
        <span class="dim grow">{{ chosen.length > 1 || single ? '' : 'Ctrl or Shift + click takes several' }}</span>
        <button type="button" class="btn" @click="close">Cancel</button>
        <button v-if="kind === 'batch' && listing" type="button" class="btn" @click="give([listing.path])">The whole folder</button>
        <button type="button" class="btn primary" :disabled="!chosen.length" @click="give(chosen)">{{ verb }}</button>
      </div>
    </Dialog>
  `,
};
