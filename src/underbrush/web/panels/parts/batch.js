/** Step 5: many files, with the export that step 4 says. */
import { computed, ref, watch } from "vue";
import { Icon } from "./basics.js";
import { anyBusy, busy, cancel, copyText, held, openFolder, retry, start, takeFiles } from "./export_store.js";
import { FORMATS, jobText, KINDS, leftText, RESULTS, STATES, timeText } from "./export_words.js";
import { WhichClassifier } from "./exports.js";
import { app, link } from "./link.js";
import { objectsText } from "./object_classes.js";
import { alike, counted, halves, pixelSize } from "./words.js";

/** The left panel. */
export const BatchChoice = {
  components: { Icon, WhichClassifier },
  setup() {
    const take = () => {
      if (held.files.trim()) takeFiles([held.files.trim()]);
    };
    return {
      held,
      take,
      RESULTS,
      FORMATS,
      running: computed(() => anyBusy()),
      objects: computed(() => (held.wish.result === "objects" ? objectsText() : "")),
      /** Lines end behind a slash or a placeholder. */
      parts: computed(() => held.wish.pattern.split(/(?<=[/\\}])/)),
      existing: computed(() => /** @type {Record<string, string>} */ ({ replace: "Replace", keep: "Keep both", cancel: "Cancel" })[held.wish.existing]),
      browse: () => {
        link.dialog = "batch";
      },
      toExport: () => {
        link.step = 4;
      },
    };
  },
  template: `
    <div>
      <section class="sec">
        <div class="sec-h"><h3>Files</h3></div>
        <form class="vstack" @submit.prevent="take">
          <span class="field" :class="{ off: running }">
            <input v-model="held.files" :disabled="!!running" placeholder="Folder, file or pattern: /data/*.tif" aria-label="Folder, file or pattern"
                spellcheck="false">
          </span>
          <div class="hstack">
            <button type="submit" class="btn s grow" :disabled="!!running || !held.files.trim()"
                data-tip="Holds each file against the training images; nothing is computed">
              <Icon n="check" />Take these
            </button>
            <button type="button" class="btn s grow" :disabled="!!running" data-tip="Files or a whole folder of the machine that runs Underbrush"
                @click="browse">
              <Icon n="folder" />Browse
            </button>
          </div>
        </form>
        <p v-if="running" class="note below2">The files are fixed while results are written.</p>
      </section>
      <section class="sec">
        <div class="sec-h"><h3>Masks</h3></div>
        <span class="field" :class="{ off: running }">
          <input v-model="held.masks" :disabled="!!running" placeholder="none" aria-label="Masks: folder or pattern, one for each file"
              data-tip="A folder or pattern: one mask for each file, paired by name" spellcheck="false" @change="take">
        </span>
      </section>
      <section class="sec">
        <div class="sec-h">
          <h3>Output</h3>
          <button type="button" class="btn-quiet headbtn" data-tip="Chosen in step 4" @click="toExport">Change</button>
        </div>
        <div class="kv">
          <span>What</span><span>{{ RESULTS[held.wish.result] }}</span>
          <template v-if="objects"><span>Classes</span><span class="anywhere">{{ objects }}</span></template>
          <span>Format</span><span>{{ FORMATS[held.wish.format] }}</span>
          <span>Existing files</span><span>{{ existing }}</span>
        </div>
        <p class="path below2"><template v-for="part in parts">{{ part }}<wbr></template></p>
      </section>
      <WhichClassifier />
    </div>
  `,
};

/**
 * A file of the batch in step 3, with its result: as an image of the project, which it becomes where it is none yet.
 * @param {any} row @param {Record<string, string>} files where the images of the project lie
 * @param {(wanted: any) => void} act
 */
function openRow(row, files, act) {
  const show = (/** @type {string} */ id) => {
    app()?.setLane(id);
    link.step = 3;
  };
  const there = (link.state?.lanes || []).find((lane) => !lane.missing && files[lane.id] === row.image);
  if (there) return show(there.id);
  const before = new Set((link.state?.lanes || []).map((lane) => lane.id));
  const stop = watch(
    () => (link.state?.lanes || []).filter((lane) => !before.has(lane.id)).map((lane) => lane.id),
    (fresh) => {
      if (!fresh.length) return;
      stop();
      clearTimeout(patience);
      show(fresh[0]);
    },
  );
  // Where it cannot be added, that is said; nothing that is added much later moves the window.
  const patience = window.setTimeout(stop, 20_000);
  act({ name: "add", paths: [row.image] });
}

/** The page. */
export const BatchPage = {
  components: { Icon },
  props: { files: { type: Object, default: () => ({}) } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const job = computed(() => held.jobs.batch || null);
    const only = ref(false);
    const rows = computed(() =>
      (job.value?.rows || [])
        .map((/** @type {any} */ row, /** @type {number} */ n) => ({ ...row, n }))
        .filter((/** @type {any} */ row) => !only.value || row.warnings.length),
    );
    const differ = computed(() => alike((job.value?.rows || []).map((/** @type {any} */ row) => row.name)));
    const running = computed(() => busy("batch"));
    const of = (/** @type {string[]} */ ...states) =>
      (job.value?.rows || []).filter((/** @type {any} */ row) => states.includes(row.state)).length;
    const differing = computed(() => (job.value?.rows || []).filter((/** @type {any} */ row) => row.warnings.length).length);
    watch(differing, (n) => {
      if (!n) only.value = false;
    });
    const key = (/** @type {KeyboardEvent} */ event, /** @type {any} */ row) => {
      const line = /** @type {HTMLElement} */ (event.currentTarget);
      if (event.key === "ArrowDown") /** @type {HTMLElement | null} */ (line.nextElementSibling)?.focus();
      else if (event.key === "ArrowUp") /** @type {HTMLElement | null} */ (line.previousElementSibling)?.focus();
      else if (event.target === line && (event.key === "Enter" || event.key === " ")) held.selected = row.n;
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const said = (/** @type {any} */ row) =>
      row.state === "failed" ? row.sentence : row.warnings.map((/** @type {string[]} */ w) => w[1]).join("; ") || row.sentence;
    return {
      held, job, only, rows, running, differing, key, said, start, cancel, retry, anyBusy, jobText, leftText, timeText, counted, STATES,
      open: (/** @type {any} */ row) => openRow(row, props.files, (wanted) => emit("act", wanted)),
      told: (/** @type {string} */ name) => (name.length > 40 ? halves(name, differ.value) : [name, ""]),
      locked: computed(() => !!link.state?.read_only),
      failed: computed(() => of("failed")),
      stopped: computed(() => of("cancelled")),
      over: computed(() => of("done", "skipped") > 0),
      percent: computed(() => Math.round(100 * (job.value?.share || 0))),
      stage: computed(() => {
        const now = running.value;
        if (!now) return "";
        if (now.state === "checking") return `Held against the training images: ${now.compared} of ${counted(now.rows.length, "file")}`;
        return now.state === "preparing" ? "Saving the project and settling where results go" : jobText(now, "file");
      }),
    }; // prettier-ignore
  },
  template: `
    <div class="page">
      <div class="bar">
        <h2>Batch</h2>
        <span class="pill">{{ job ? job.rows.length : '' }}</span>
        <span class="grow"></span>
        <button v-if="running" type="button" class="btn s danger" data-tip="The file in hand is given up; finished ones stay" @click="cancel">Cancel</button>
        <template v-else-if="job">
          <button v-if="failed" type="button" class="btn s" @click="retry('batch')" :disabled="!!anyBusy()"
              data-tip="Also those that were cancelled">
            <Icon n="refresh" />Retry the failed
          </button>
          <button type="button" class="btn s primary" :disabled="!!anyBusy() || held.wish.result === 'labels'" @click="start('batch')"
              :data-tip="held.wish.result === 'labels' ? 'Labels are those of the project; choose another result in step 4' : 'Files that are done, with the same input and classifier, are skipped'">
            {{ stopped ? 'Resume' : over ? 'Start again' : 'Start' }}
          </button>
        </template>
      </div>
      <div v-if="running" class="jobline" role="status">
        <div class="hstack"><span class="fg">{{ stage }}</span><span class="grow"></span><span class="dim">{{ leftText(running.left) }}</span></div>
        <div class="prog"><i :style="{ width: (running.state === 'checking' ? 100 * running.compared / running.rows.length : percent) + '%' }"></i></div>
      </div>
      <div v-else-if="job && (over || failed)" class="jobline" role="status">
        <span class="fg">{{ over ? jobText(job, 'file') : failed + ' of ' + counted(job.rows.length, 'file') + ' cannot be read' }}</span><span v-if="over" class="dim after">in {{ timeText(job.seconds) }}</span>
      </div>
      <div class="scroll" tabindex="-1">
        <div v-if="job?.sentence && job.state !== 'done'" class="callout inset" :class="job.state === 'failed' ? 'err' : 'info'" role="alert">
          <Icon :n="job.state === 'failed' ? 'error' : 'info'" /><p>{{ job.sentence }}</p>
        </div>
        <div v-if="differing" class="callout inset">
          <Icon n="warn" />
          <p class="grow">{{ counted(differing, 'file') }} {{ differing === 1 ? 'differs' : 'differ' }} from the training images. Look at the results before you use them.</p>
          <button type="button" class="btn-quiet fg tight" :aria-pressed="only ? 'true' : 'false'" @click="only = !only">Show only these</button>
        </div>
        <table v-if="job" class="tbl">
          <thead><tr><th>File</th><th>State</th><th class="num">Time</th><th>Warnings</th><th></th></tr></thead>
          <tbody>
            <tr v-for="row in rows" class="row" :key="row.n" tabindex="0" :aria-selected="held.selected === row.n ? 'true' : 'false'"
                @click="held.selected = row.n" @keydown="key($event, row)">
              <td class="nm" :data-tip="row.name"><span class="parted file"><span class="trunc">{{ told(row.name)[0] }}</span><span v-if="told(row.name)[1]">{{ told(row.name)[1] }}</span></span></td>
              <td>
                <span v-if="row.state === 'running'" class="hstack"><span class="prog w96"><i :style="{ width: 100 * row.share + '%' }"></i></span>{{ Math.round(100 * row.share) }} %</span>
                <span v-else class="badge" :class="{ err: row.state === 'failed' }">
                  <Icon v-if="row.state === 'done' || row.state === 'skipped'" n="check" /><Icon v-else-if="row.state === 'failed'" n="error" />{{ STATES[row.state] }}
                </span>
              </td>
              <td class="num">{{ row.seconds ? timeText(row.seconds) : '–' }}</td>
              <td class="said" :data-tip="said(row) || null"><span class="hstack"><Icon v-if="row.warnings.length && row.state !== 'failed'" n="warn" class="warnicon" /><span class="trunc">{{ said(row) }}</span></span></td>
              <td class="num"><button v-if="row.state === 'failed' && !running" type="button" class="btn s" :aria-label="'Retry ' + row.name" @click.stop="retry('batch', [row.n])">Retry</button>
                <button v-else-if="(row.state === 'done' || row.state === 'skipped') && !locked" type="button" class="btn-quiet rowact" :aria-label="'Open ' + row.name"
                    data-tip="Shown in step 3 with its result, to paint where it is wrong; it becomes an image of the project" @click.stop="open(row)">Open</button></td>
            </tr>
          </tbody>
        </table>
        <div v-else class="empty middle">
          <p class="fg">No files yet.</p>
          <p>Name a folder, a file or a pattern such as /data/screen/*.tif at the left. Each file is held against the training images before anything is computed.</p>
        </div>
      </div>
    </div>
  `,
};

/** The right panel: the chosen row, and all files against the training images. */
export const BatchFacts = {
  components: { Icon },
  setup() {
    const job = computed(() => held.jobs.batch || null);
    const row = computed(() => job.value?.rows[held.selected] || null);
    const folder = computed(() => (row.value?.output ? row.value.output.replace(/[\\/][^\\/]*$/, "") : job.value?.folders[0] || ""));
    return { held, job, row, folder, KINDS, counted, pixelSize, openFolder, copyText, running: computed(() => busy("batch")) };
  },
  template: `
    <div>
      <section v-if="!job" class="sec">
        <div class="sec-h"><h3>Against the training images</h3></div>
        <p class="note">Number, names and order of channels, type, intensities and pixel size of each file are compared with theirs, and told here.</p>
      </section>
      <section v-if="row" class="sec">
        <div class="sec-h"><h3 class="trunc">{{ row.name }}</h3></div>
        <div v-if="row.sentence" class="callout below" :class="row.state === 'failed' ? 'err' : 'info'">
          <Icon :n="row.state === 'failed' ? 'error' : 'info'" /><p class="anywhere">{{ row.sentence }}</p>
        </div>
        <div v-if="row.facts.shape" class="kv">
          <span>Shape</span><span>{{ row.facts.shape.join(' × ') }}</span>
          <span>Axes</span><span>{{ [...row.facts.axes].join(' ') }}</span>
          <span>Type</span><span>{{ row.facts.dtype }}</span>
          <template v-if="pixelSize(row.facts.pixel_size)"><span>Pixel size</span><span>{{ pixelSize(row.facts.pixel_size) }}</span></template>
        </div>
        <p v-if="row.mask" class="note below2 anywhere">Mask: {{ row.mask }}</p>
        <p v-if="row.output" class="path below2">{{ row.output }}</p>
      </section>
      <section v-if="job" class="sec">
        <div class="sec-h"><h3>{{ counted(job.rows.length, 'file') }} against the training images</h3></div>
        <div class="kv">
          <template v-for="[kind, text] in KINDS">
            <span>{{ text }}</span>
            <span v-if="job.differing[kind]" class="badge warn end"><Icon n="warn" />{{ counted(job.differing[kind], 'file') }} {{ job.differing[kind] === 1 ? 'differs' : 'differ' }}</span>
            <span v-else-if="job.compared" class="badge end"><Icon n="check" />same</span>
            <span v-else>–</span>
          </template>
        </div>
      </section>
      <section v-if="job" class="sec vstack">
        <button type="button" class="btn s wide" :disabled="!folder" :data-tip="folder || 'Nothing was written yet'" @click="openFolder(folder)">
          <Icon n="folder" />Open folder
        </button>
        <button type="button" class="btn s wide" :disabled="held.wish.result === 'labels'" @click="copyText('batch', 'command')"><Icon n="copy" />Copy command</button>
        <button type="button" class="btn s wide" :disabled="held.wish.result === 'labels'" @click="copyText('batch', 'python')"><Icon n="copy" />Copy Python</button>
        <button type="button" class="btn s wide" @click="copyText('batch', 'methods')"><Icon n="copy" />Copy methods text</button>
      </section>
    </div>
  `,
};
