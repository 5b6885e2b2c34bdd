/** The bar above: what is open, whether it is safe, menus, how busy the machine is, Live. */
import { computed, onBeforeUnmount, onMounted, ref, watch } from "vue";
import { Icon, Menu, Switch } from "./basics.js";
import { app, deeds, keysOf, link, say, togglePanels, undoable } from "./link.js";
import { counted } from "./words.js";

const MARK = `<svg viewBox="0 0 20 20" aria-hidden="true"><rect x="2" y="2" width="16" height="16" rx="4" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M6 14c0-4 1-6 4-8M10 14V9M14 14c0-2.5-.7-4-2.5-5" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></svg>`;

/** What is said of saving: strokes that wait in the browser come before what the server says. */
function saved() {
  if (link.unsent.count && link.connection.banner) {
    return {
      kind: "wait",
      icon: "refresh",
      text: `${counted(link.unsent.count, "stroke")} kept in this browser`,
    };
  }
  if (!link.save) return null;
  if (link.save.state === "failing") return { kind: "bad", icon: "error", text: "NOT saved" };
  if (link.save.state === "read-only" || link.state?.read_only) return { kind: "", icon: "lock", text: "Read only" };
  return { kind: "", icon: link.save.state === "saved" ? "check" : "clock", text: link.save.sentence };
}

/** @param {string} action @param {string} text */
const item = (action, text) => ({ id: action, text, keys: keysOf(action) });

/** What the viewer has no action for. */
const OWN = new Set(["sidePanels", "copyPicture", "window"]);

/** @param {boolean} project whether a project is open @returns {[string, any[]][]} */
function menus(project) {
  /** @type {[string, any[]][]} */
  const all = [
    [
      "Project",
      [
        { id: "new", text: "New project from images ...", icon: "plus" },
        { id: "newPlace", text: "New empty project ...", icon: "plus" },
        { id: "open", text: "Open ...", icon: "open" },
        { id: "sample", text: "Try the sample", icon: "sample" },
        ...(project
          ? [
              { line: true },
              { id: "add", text: "Add images ...", icon: "image" },
              { id: "importProject", text: "Import from a project ...", icon: "stack", off: !!link.state?.read_only },
              { id: "save", text: "Save now", icon: "check", keys: ["Ctrl", "S"] },
              { id: "saveAs", text: "Save as ...", icon: "layers" },
              { id: "copy", text: "Save a copy elsewhere ...", icon: "copy" },
              { id: "pack", text: "Pack with images ...", icon: "file" },
              { id: "versions", text: "Earlier versions ...", icon: "clock" },
              { line: true },
              { id: "start", text: "Close, back to the start", icon: "left" },
            ]
          : []),
      ],
    ],
  ];
  if (project) {
    const state = link.state;
    all.push([
      "Edit",
      [
        { ...item("undo", undoable("undo") ? `Undo: ${state?.undo}` : "Undo"), icon: "undo", off: !undoable("undo") },
        { ...item("redo", undoable("redo") ? `Redo: ${state?.redo}` : "Redo"), icon: "redo", off: !undoable("redo") },
        { line: true },
        { id: "settings", text: "Settings ..." },
      ],
    ]);
    all.push([
      "View",
      [
        item("fit", "Fit"),
        item("zoom:100", "100 %"),
        item("zoom:in", "Zoom in"),
        item("zoom:out", "Zoom out"),
        { line: true },
        { ...item("layer:labels", "Labels"), on: link.layers.labels?.visible !== false },
        { ...item("layer:segmentation", "Segmentation"), on: !!link.layers.segmentation?.visible },
        { ...item("layer:uncertainty", "Uncertainty"), on: !!link.layers.uncertainty?.visible },
        { ...item("swipe", "Line between raw image and result"), on: link.swipe.fraction !== null },
        { ...item("contrast", "Automatic contrast"), icon: "auto" },
        { line: true },
        item("turn:right", "Turn the view right"),
        item("turn:left", "Turn the view left"),
        item("turn:swap", "Swap the axes of the view"),
        { ...item("turn:upright", "View upright"), off: !link.position.turned },
        { id: "window", text: "This view in a window of its own", icon: "max" },
        { line: true },
        { ...item("goto", "Go to a position ..."), icon: "target" },
        { ...item("picture", "Save a picture of the view"), icon: "image" },
        { id: "copyPicture", text: "Copy a picture of the view", icon: "copy" },
        { line: true },
        { ...item("sidePanels", "Side panels"), on: link.panels },
      ].filter((/** @type {any} */ one) => one.line || OWN.has(one.id) || link.keys.some((row) => row.action === one.id)),
    ]);
    all.push([
      "Help",
      [
        { ...item("keys", "All keys"), icon: "search" },
        { id: "changeKeys", text: "Change keys ..." },
        { id: "about", text: "About Underbrush", icon: "info" },
      ],
    ]);
  } else all.push(["Help", [{ id: "about", text: "About Underbrush", icon: "info" }]]);
  return all;
}

/** The bar; on the start page without what belongs to a project. */
export const Topbar = {
  components: { Icon, Menu, Switch },
  props: {
    bare: Boolean,
    name: { type: String, default: "" },
    cpu: { type: String, default: "" },
    mem: { type: String, default: "" },
    version: { type: String, default: "" },
  },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const bar = ref(/** @type {any[]} */ ([]));
    const away = computed(() => link.connection.banner || link.connection.state === "closed");
    const live = computed(() => link.live !== false);
    const choose = (/** @type {string} */ id) => {
      if (id === "sidePanels") togglePanels();
      else if (id === "copyPicture") app()?.copyPicture();
      else if (id === "window") deeds.window?.();
      else if (["keys", "changeKeys", "settings"].includes(id)) link.dialog = id;
      else if (id === "about") say(`Underbrush ${props.version}: a few brush strokes grow a forest that segments your images.`);
      else if (["undo", "redo"].includes(id) || link.keys.some((row) => row.action === id)) app()?.do(id);
      else if (id === "add") {
        link.step = 1;
        link.dialog = "add";
      } else if (["new", "open", "versions", "copy", "saveAs", "newPlace", "pack", "importProject"].includes(id)) link.dialog = id;
      else emit("act", { name: id });
    };
    // The browser's own Ctrl S would save the page.
    const key = (/** @type {KeyboardEvent} */ event) => {
      if (props.bare || event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      event.preventDefault();
      emit("act", { name: "save" });
    };
    onMounted(() => window.addEventListener("keydown", key));
    onBeforeUnmount(() => window.removeEventListener("keydown", key));
    watch(
      () => link.state?.name,
      (name) => {
        if (name) document.title = `${name} – Underbrush`;
      },
      { immediate: true },
    );
    const step = (/** @type {number} */ at, /** @type {number} */ by, /** @type {boolean} */ open) => {
      const next = bar.value[(at + by + bar.value.length) % bar.value.length];
      if (open) next.show();
      else next.focus();
    };
    return {
      MARK,
      bar,
      away,
      live,
      choose,
      step,
      link,
      keysOf,
      name: computed(() => link.state?.name || props.name),
      saved: computed(saved),
      menus: computed(() => menus(!props.bare)),
      flip: (/** @type {boolean} */ on) => {
        link.live = on;
        app()?.setLive(on);
      },
      update: () => app()?.update(),
    };
  },
  template: `
    <header class="topbar">
      <span class="brand"><span class="logo" v-html="MARK"></span>Underbrush</span>
      <template v-if="!bare">
        <span class="sep"></span>
        <span class="fg trunc file" :data-tip="name">{{ name }}</span>
      </template>
      <nav class="menu" role="menubar" aria-label="Menus">
        <Menu v-for="(menu, n) in menus" ref="bar" :key="menu[0]" :name="menu[0]" :text="menu[0]" :items="menu[1]" kind="btn-quiet"
            in-bar @choose="choose" @step="(by, open) => step(n, by, open)" />
      </nav>
      <!-- Behind the menus: it gets longer and shorter with each stroke. -->
      <span v-if="!bare && saved" class="saved" :class="saved.kind" role="status" :data-tip="saved.text">
        <Icon :n="saved.icon" />
        <span class="trunc">{{ saved.text }}</span>
      </span>
      <span class="grow"></span>
      <span class="dim gauge" data-tip="Processor time of this program, all cores">
        <span>CPU </span>
        <span class="fg">{{ away ? '–' : cpu }}</span>
      </span>
      <span class="dim gauge" data-tip="Memory of this program, and its limit">
        <span>Mem </span>
        <span class="fg">{{ away ? '–' : mem }}</span>
      </span>
      <template v-if="!bare">
        <span class="sep"></span>
        <button type="button" class="btn-quiet" data-tip="Single update" :data-key="keysOf('update').join(' ')" :disabled="away" @click="update">
          <Icon n="refresh" />Update
        </button>
        <span class="hstack" :class="away ? 'dim' : 'fg'">
          Live <Switch :on="live && !away" name="Live" tip="Live: train and predict after each stroke" :keyed="keysOf('live').join(' ')" :class="{ off: away }" @flip="flip" />
        </span>
      </template>
    </header>
  `,
};
