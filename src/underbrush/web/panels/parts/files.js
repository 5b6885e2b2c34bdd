/** Files of the machine that runs the app: chosen in a list, by path, or dropped from elsewhere. */
import { computed, nextTick, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { Dialog } from "./keys.js";
import { address, link, say } from "./link.js";
import { bytes, dayAndTime } from "./words.js";

const TITLES = /** @type {Record<string, [string, string]>} */ ({
  new: ["New project from images", "Start a project"],
  open: ["Open", "Open"],
  add: ["Add images", "Add"],
  browse: ["Browse this computer", "Open"],
});

/** @param {string} url @param {RequestInit} [options] */
async function asked(url, options) {
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
        if (from !== "typed") (rows.find((row) => row.dataset.path === from) || rows[0])?.focus();
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
    const wanted = (/** @type {any} */ entry) => (kind.value !== "add" && kind.value !== "new" ? true : entry.kind !== "project");
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
      const name = kind.value === "add" ? "add" : "open";
      close();
      emit("act", { name, paths });
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
    const crumbs = computed(() => {
      const path = listing.value?.path || "",
        parts = path.split("/").filter(Boolean);
      return parts
        .map((/** @type {string} */ name, /** @type {number} */ at) => ({ name, path: `/${parts.slice(0, at + 1).join("/")}` }))
        .slice(-4);
    });
    return {
      kind,
      title: computed(() => (TITLES[kind.value] || [""])[0]),
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
          <input v-model="typedPath" placeholder="Path, or pattern such as /data/*.tif"
              aria-label="Path, or pattern such as data/*.tif" spellcheck="false" @keydown.enter.prevent="type">
        </span>
        <button type="button" class="btn" :disabled="!typedPath.trim()" @click="type">
          {{ kind === 'add' ? 'Add' : 'Open' }}
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
      <div class="filelist scroll" role="listbox" aria-multiselectable="true" aria-label="Files" ref="list">
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
            <span class="dim w96 num">{{ entry.kind === 'folder' ? '' : bytes(entry.size) }}</span>
            <span class="dim w128 num">{{ when(entry.modified) }}</span>
          </div>
          <p v-if="!entries.length" class="note pad">
            {{ filter ? 'Nothing here has “' + filter + '” in its name.' : 'No images, projects or folders here.' }}
          </p>
          <p v-if="listing.more" class="note pad">There are more files than are listed: type the path above.</p>
        </template>
      </div>
      <div class="foot">
        <span class="dim grow">{{ chosen.length > 1 ? '' : 'Ctrl or Shift + click takes several' }}</span>
        <button type="button" class="btn" @click="close">Cancel</button>
        <button type="button" class="btn primary" :disabled="!chosen.length" @click="give(chosen)">{{ verb }}</button>
      </div>
    </Dialog>
  `,
};

const ASK_ABOVE = 200e6;

/**
 * Files dropped from the desktop have no path in a browser: they are looked for on this machine by name, size and
 * date; what is not found is copied, after asking above 200 MB.
 * @param {File[]} files @param {string} project
 * @param {(text: string, ways: string[]) => Promise<number>} ask gives the place of the answer, -1 for none
 * @param {(text: string, share: number) => void} progress
 * @returns {Promise<string[]>} paths on the machine of the app
 */
export async function placed(files, project, ask, progress) {
  /** @type {string[]} */ const paths = [];
  /** @type {number} */ let inPlace = -2;
  progress("Looking for the files on this computer", 0);
  const wanted = files.map((file) => ({ name: file.name, size: file.size, modified: file.lastModified }));
  const found = await asked(address("/api/locate"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ files: wanted }),
  });
  for (const [at, file] of files.entries()) {
    const there = found.paths[at];
    if (there) {
      if (inPlace === -2) inPlace = await ask(`${there} is the same file. Use it in place?`, ["Use it in place", "Copy it"]);
      if (inPlace === -1) return [];
      if (inPlace === 0) {
        paths.push(there);
        continue;
      }
    }
    if (
      file.size > ASK_ABOVE &&
      (await ask(`${file.name} has ${bytes(file.size)} and is not on this computer under an allowed folder. Copy it?`, [
        "Copy it",
      ])) !== 0
    )
      return [];
    progress(`Copying ${file.name}`, at / files.length);
    paths.push(await uploaded(file, project, (share) => progress(`Copying ${file.name}`, (at + share) / files.length)));
  }
  return paths;
}

/** @param {File} file @param {string} project @param {(share: number) => void} progress @returns {Promise<string>} */
function uploaded(file, project, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(`/api/upload?name=${encodeURIComponent(file.name)}${project ? `&project=${project}` : ""}`));
    request.upload.onprogress = (event) => progress(event.loaded / Math.max(1, event.total));
    request.onerror = () => reject(new Error(`${file.name} could not be copied: the connection was lost; drop it again.`));
    request.onload = () => {
      let body = /** @type {any} */ ({});
      try {
        body = JSON.parse(request.responseText);
      } catch {
        /* told below */
      }
      if (request.status < 300 && body.path) resolve(body.path);
      else reject(new Error(body.sentence || `${file.name} could not be copied (${request.status}); drop it again.`));
    };
    request.send(file);
  });
}

/** The whole window takes dropped files; a frame says so while they hover. Emits `{name: "open" | "add", paths}`. */
export const DropZone = {
  components: { Dialog, Icon },
  props: { project: { type: String, default: "" } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const over = ref(false),
      question = ref(/** @type {any} */ (null)),
      copying = ref(/** @type {any} */ (null));
    const ask = (/** @type {string} */ text, /** @type {string[]} */ ways) =>
      new Promise((/** @type {(n: number) => void} */ answer) => {
        question.value = { text, ways, answer };
      });
    const answer = (/** @type {number} */ n) => {
      const { answer: tell } = question.value;
      question.value = null;
      tell(n);
    };
    const files = (/** @type {DragEvent} */ event) => [...(event.dataTransfer?.types || [])].includes("Files");
    window.addEventListener("dragover", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      over.value = true;
    });
    window.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) over.value = false;
    });
    window.addEventListener("drop", async (event) => {
      if (!files(event)) return;
      event.preventDefault();
      over.value = false;
      const dropped = [...(event.dataTransfer?.files || [])];
      try {
        const paths = await placed(dropped, props.project, ask, (text, share) => {
          copying.value = { text, share: Math.round(share * 100) };
        });
        if (paths.length) emit("act", { name: props.project ? "add" : "open", paths });
      } catch (error) {
        say(error instanceof Error ? error.message : String(error), { level: "error" });
      }
      copying.value = null;
    });
    return { over, question, answer, copying };
  },
  template: `
    <div class="dropslot">
      <div v-if="over" class="dropover">
        <div class="empty is-hover"><p class="fg">{{ project ? 'Drop to add to this project' : 'Drop to open' }}</p></div>
      </div>
      <Dialog :title="question ? question.text : ''" :open="!!question" small @close="answer(-1)">
        <div class="foot">
          <span class="grow"></span>
          <button type="button" class="btn" @click="answer(-1)">Cancel</button>
          <button v-for="(way, n) in (question ? question.ways : [])" type="button" class="btn" :class="{ primary: !n }"
              @click="answer(n)">
            {{ way }}
          </button>
        </div>
      </Dialog>
      <div v-if="copying" class="toast up" role="status">
        <span>{{ copying.text }}</span>
        <span class="prog w96"><i :style="{ width: copying.share + '%' }"></i></span>
        <span>{{ copying.share }} %</span>
      </div>
    </div>
  `,
};
