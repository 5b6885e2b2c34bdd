/** What steps 4 and 5 know of the server: the wish, what it would give, and the jobs. */
import { reactive, watch } from "vue";
import { address, command, link, say, shownLane } from "./link.js";

/** @typedef {{result: string, classifier: string | null, format: string, dtype: string | null, rescale: number[][] | null,
 *   axes: string | null, region: Record<string, (number | null)[]>, pattern: string, existing: string, objects: number[]}} Wish */

/** What is kept in the project; the rest of a wish is this window's. */
const KEPT = ["format", "dtype", "rescale", "axes", "region", "pattern", "objects"];
/** @type {Wish} */
const PLAIN = {
  result: "segmentation",
  classifier: null,
  format: "tiff",
  dtype: null,
  rescale: null,
  axes: null,
  region: {},
  pattern: "{project}_results/{nickname}_{result}",
  existing: "keep",
  objects: [],
};

export const held = reactive({
  wish: /** @type {Wish} */ ({ ...PLAIN }),
  stored: /** @type {Wish | null} */ (null),
  /** What a project has in which nobody chose anything, and what is wrong with the settings that say so. */
  usual: /** @type {Wish} */ ({ ...PLAIN }),
  unusual: "",
  jobs: /** @type {Record<string, any>} */ ({}),
  look: /** @type {any} */ ({ refusal: "", formats: {} }),
  looking: false,
  all: true,
  axes: "yx",
  elsewhere: "",
  classifiers: /** @type {string[]} */ ([]),
  methods: "",
  files: "",
  masks: "",
  selected: -1,
});

/**
 * `kept`: there is a choice that the project does not have yet; `choices`: how many were made.
 * @type {{look: number, poll: number, asked: number, kept: boolean, choices: number}}
 */
const own = { look: 0, poll: 0, asked: 0, kept: false, choices: 0 };

/** @param {string} path @param {unknown} [body] */
async function asked(path, body) {
  const url = address(`/api/p/${link.project}/exports${path}`);
  const answer = await fetch(
    url,
    body === undefined
      ? undefined
      : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
  );
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.sentence || `The server answered ${answer.status}; try again.`);
  return said;
}

/** @param {() => Promise<void>} work says what goes wrong in it */
async function told(work) {
  try {
    await work();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), { level: "error" });
  }
}

/** Ids of the images that are exported. */
export function lanes() {
  if (held.all) return (link.state?.lanes || []).map((lane) => lane.id);
  const one = shownLane();
  return one ? [one.id] : [];
}

/** The job of a kind that runs, or null. @param {string} kind */
export function busy(kind) {
  const job = held.jobs[kind];
  return job && ["checking", "preparing", "running"].includes(job.state) ? job : null;
}
export const anyBusy = () => busy("export") || busy("batch");

const key = () => `underbrush.export.${link.project}`;
function remember() {
  const { result, classifier, existing } = held.wish;
  try {
    // What the project does not have yet is here, too: a page may end before it could be stored there.
    const kept = own.kept ? Object.fromEntries(KEPT.map((name) => [name, /** @type {any} */ (held.wish)[name]])) : undefined;
    const told = { result, classifier, existing, all: held.all, files: held.files, masks: held.masks, kept };
    sessionStorage.setItem(key(), JSON.stringify(told));
  } catch {
    /* a private window */
  }
}
function recall() {
  try {
    const said = JSON.parse(sessionStorage.getItem(key()) || "{}");
    for (const name of ["result", "classifier", "existing"])
      if (said[name] !== undefined) /** @type {any} */ (held.wish)[name] = said[name];
    if (typeof said.all === "boolean") held.all = said.all;
    held.files = said.files || "";
    held.masks = said.masks || "";
    return said.kept ? /** @type {Partial<Wish>} */ (said.kept) : null;
  } catch {
    return null; // as if it was never kept
  }
}

/** Reads what the project keeps and how far the jobs are. */
export async function refresh() {
  if (!link.project) return;
  const said = await asked("");
  const first = held.stored === null;
  const kept = first ? recall() : null;
  // What was just chosen stays: the project will have it in a moment.
  if (first || (!own.kept && JSON.stringify(said.stored) !== JSON.stringify(held.stored)))
    for (const name of KEPT) /** @type {any} */ (held.wish)[name] = said.stored[name];
  if (kept) {
    for (const name of KEPT) if (name in kept) /** @type {any} */ (held.wish)[name] = /** @type {any} */ (kept)[name];
    own.kept = true;
  }
  held.stored = said.stored;
  held.usual = said.usual;
  held.unusual = said.unusual;
  held.axes = said.axes;
  held.elsewhere = said.elsewhere || "";
  held.classifiers = said.classifiers;
  if (held.wish.classifier && !said.classifiers.includes(held.wish.classifier)) held.wish.classifier = null;
  took(said.jobs);
  await lookNow();
}

/** What the wish gives; what was chosen and the project has not yet is stored there. */
async function lookNow() {
  const lane = (held.all ? link.state?.lanes[0] : shownLane())?.id;
  if (!lane) {
    held.look = { refusal: "There are no images; add some in step 1.", formats: {} };
    return;
  }
  const mine = ++own.asked,
    choices = own.choices;
  held.looking = true;
  try {
    const wish = JSON.parse(JSON.stringify(held.wish));
    const said = await asked("/look", { wish, lane });
    if (mine !== own.asked) return;
    held.look = { ...said, lane };
    if (own.kept && !link.state?.read_only) {
      const done = said.stored || (await command({ type: "set_export", export: said.settings })).ok;
      if (done && choices === own.choices) {
        own.kept = false;
        remember();
      }
      if (done) held.stored = (await asked("")).stored;
    }
    const words = await asked("/texts", { wish, kind: "export", lanes: [] }).catch(() => ({ methods: "" }));
    if (mine === own.asked) held.methods = words.methods;
  } catch (error) {
    if (mine === own.asked) held.look = { refusal: error instanceof Error ? error.message : String(error), formats: {} };
  } finally {
    if (mine === own.asked) held.looking = false;
  }
}

/** Changes the wish, and shows what it gives. @param {Partial<Wish>} change */
export function choose(change) {
  Object.assign(held.wish, change);
  own.choices += 1;
  if (Object.keys(change).some((name) => KEPT.includes(name))) own.kept = true;
  remember();
  clearTimeout(own.look);
  own.look = window.setTimeout(lookNow, 200);
}

/** One image or all. @param {boolean} all */
export function which(all) {
  held.all = all;
  remember();
  choose({});
}

/** Back to what a new project has. */
export const reset = () => choose({ ...held.usual, classifier: null });

/** @param {Record<string, any>} jobs */
function took(jobs) {
  held.jobs = jobs;
  clearTimeout(own.poll);
  if (anyBusy()) own.poll = window.setTimeout(poll, 300);
}

async function poll() {
  try {
    took((await asked("/jobs")).jobs);
    if (!anyBusy()) await lookNow();
  } catch {
    own.poll = window.setTimeout(poll, 1000); // the connection is away; the job goes on
  }
}

/** @param {"export" | "batch"} kind */
export const start = (kind) =>
  told(async () => took((await asked("/start", { kind, wish: held.wish, lanes: kind === "export" ? lanes() : [] })).jobs));
export const cancel = () => told(async () => took((await asked("/cancel", {})).jobs));
/** @param {"export" | "batch"} kind @param {number[] | null} [rows] */
export const retry = (kind, rows = null) => told(async () => took((await asked("/retry", { kind, rows })).jobs));

/** Takes files for the batch. @param {string[]} paths */
export const takeFiles = (paths) =>
  told(async () => {
    held.selected = -1;
    remember();
    const masks = held.masks.trim() ? [held.masks.trim()] : [];
    took((await asked("/files", { paths, masks })).jobs);
  });

/** @param {string} folder */
export const openFolder = (folder) =>
  told(async () => {
    const said = await asked("/folder", { folder });
    if (said.opened) say(`Opened ${folder}.`);
    else if (await copied(folder)) say(`The results are in ${folder}; the path was copied.`);
    else say(`The results are in ${folder}.`);
  });

/** @param {"export" | "batch"} kind @param {"command" | "python" | "methods"} what */
export const copyText = (kind, what) =>
  told(async () => {
    const said = await asked("/texts", { kind, wish: held.wish, lanes: kind === "export" ? lanes() : [] });
    const name = { command: "Command", python: "Python", methods: "Methods text" }[what];
    if (await copied(said[what])) say(`${name} copied.`);
    else say(said[what]);
  });

/** Puts a text on the clipboard, also where the page is not on a secure address. @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/**
 * What exports of this project left where results go now.
 * @param {string[]} [paths] those that are deleted before
 * @returns {Promise<{results: any[], deleted: number, left: string[]}>}
 */
export async function results(paths = []) {
  const said = await asked("/results", { wish: held.wish, delete: paths });
  if (paths.length) {
    took(said.jobs);
    await lookNow();
  }
  return said;
}

// A window that is closed at once after a choice: the request outlives it. A reload has it in `kept`, too.
window.addEventListener("pagehide", () => {
  if (!own.kept || !link.project || !link.state || link.state.read_only) return;
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ wish: held.wish });
  fetch(address(`/api/p/${link.project}/exports/keep`), { method: "POST", headers, body, keepalive: true }).catch(() => {});
});

const shown = () => link.step === 4 || link.step === 5;
watch(
  () => [link.step, link.project, link.state?.revision, link.training?.state === "done", link.position.lane],
  () => {
    if (!shown() || !link.project || !link.state) return;
    clearTimeout(own.look);
    own.look = window.setTimeout(() => refresh().catch(() => {}), held.stored ? 400 : 0);
  },
);
