/** Files dropped from the desktop: used where they lie, or copied. */
import { ref } from "vue";
import { Icon } from "./basics.js";
import { droppedOf, folderProblem, hovering, rowQuestion } from "./dropped.js";
import { asked } from "./files.js";
import { Dialog } from "./keys.js";
import { address, link, say } from "./link.js";
import { bytes } from "./words.js";

const ASK_ABOVE = 200e6;

/**
 * Files dropped from the desktop have no path in a browser: they are looked for on this machine by name, size and
 * date; what is not found is copied, after asking above 200 MB.
 * Folders that are images are found by their name and never copied.
 * @param {import("./dropped.js").Dropped[]} dropped @param {string} project
 * @param {(text: string, ways: string[], detail?: string) => Promise<number>} ask gives the place of the answer, -1 for none
 * @param {(text: string, share: number) => void} progress
 * @returns {Promise<string[]>} paths on the machine of the app
 */
export async function placed(dropped, project, ask, progress) {
  const refused = folderProblem(dropped);
  if (refused) throw new Error(refused);
  /** @type {string[]} */ const paths = [];
  /** @type {number} */ let inPlace = -2;
  progress("Looking for the files on this computer", 0);
  const wanted = dropped.map(({ file, folder }) => ({ name: file.name, size: file.size, modified: file.lastModified, folder }));
  const found = await asked(address("/api/locate"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ files: wanted }),
  });
  for (const [at, { file, folder }] of dropped.entries()) {
    const there = found.paths[at];
    if (folder) {
      if (!there)
        throw new Error(`${file.name} is a folder that was not found on the machine of Underbrush; type its path, or use Browse.`);
      // Only its name is known: each is looked at by the person.
      if ((await ask(`${there} has this name. Use it?`, ["Use it in place"])) !== 0) return [];
      paths.push(there);
      continue;
    }
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
    progress(`Copying ${file.name}`, at / dropped.length);
    paths.push(await uploaded(file, project, (share) => progress(`Copying ${file.name}`, (at + share) / dropped.length)));
  }
  return paths;
}

/** @param {string} path */
const isProject = (path) => /\.ilp(\.zip)?$/i.test(path);

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
    /** The row under the pointer: what is dropped there takes the place of its image. */
    const row = ref(/** @type {{id: string, name: string, place: Record<string, string>} | null} */ (null));
    const ask = (/** @type {string} */ text, /** @type {string[]} */ ways, detail = "") =>
      new Promise((/** @type {(n: number) => void} */ answer) => {
        question.value = { text, ways, detail, answer };
      });
    const rowUnder = (/** @type {DragEvent} */ event) => {
      const line = /** @type {Element | null} */ (event.target)?.closest?.("tr[data-lane]");
      const lane = line && !link.state?.read_only && link.state?.lanes.find((one) => one.id === line.getAttribute("data-lane"));
      if (!line || !lane) return null;
      const { left, top, width, height } = line.getBoundingClientRect();
      const place = { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` };
      return { id: lane.id, name: lane.nickname, place };
    };
    /** @returns {Promise<{name: string, lanes?: string[]} | null>} null: nothing */
    const wanted = async (/** @type {import("./dropped.js").Dropped[]} */ dropped, /** @type {string | undefined} */ id) => {
      const lane = link.state?.lanes.find((one) => one.id === id);
      if (!lane || dropped.length !== 1 || isProject(dropped[0].file.name)) return { name: "add" };
      const { text, detail, ways } = rowQuestion(lane, dropped[0].file.name);
      const { act } = ways[await ask(text, ways.map((way) => way.text), detail)] || {};
      return act ? { name: act, lanes: [lane.id] } : null;
    };
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
      row.value = hovering(event.dataTransfer) === 1 ? rowUnder(event) : null;
    });
    window.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) over.value = false;
    });
    window.addEventListener("drop", async (event) => {
      if (!files(event)) return;
      event.preventDefault();
      over.value = false;
      const dropped = droppedOf(event.dataTransfer),
        onto = rowUnder(event)?.id;
      try {
        const act = await wanted(dropped, onto);
        if (!act) return;
        const paths = await placed(dropped, props.project, ask, (text, share) => {
          copying.value = { text, share: Math.round(share * 100) };
        });
        if (paths.length) emit("act", { ...act, name: props.project && !paths.some(isProject) ? act.name : "open", paths });
      } catch (error) {
        say(error instanceof Error ? error.message : String(error), { level: "error" });
      }
      copying.value = null;
    });
    return { over, row, question, answer, copying };
  },
  template: `
    <div class="dropslot">
      <div v-if="over && row" class="dropover onrow">
        <i :style="row.place"></i>
        <p class="toast"><span class="words anywhere">Drop to replace {{ row.name }}, beside the rows to add</span></p>
      </div>
      <div v-else-if="over" class="dropover">
        <div class="empty is-hover"><p class="fg dropwords">{{ project ? 'Drop to add to this project' : 'Drop to open' }}</p></div>
      </div>
      <Dialog :title="question ? question.text : ''" :open="!!question" small @close="answer(-1)">
        <p v-if="question.detail" class="note pad anywhere">{{ question.detail }}</p>
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
