/** The frame of the window: the viewer's place, steps, banner, toast. */
import { computed, nextTick, onBeforeUnmount, onMounted, ref, watch } from "vue";
import { Icon, IconButton, Keys } from "./basics.js";
import { app, attach, deeds, folded, keysOf, link, pagePrefix, shownLane } from "./link.js";
import { goTogether, openAlone } from "./own_window.js";
import { followPreferences } from "./preferences.js";
import { toArea } from "./regions.js";
import { aloneFrom } from "./together.js";
import { counted } from "./words.js";

/** Where the viewer is mounted. Emits what the page in Python has to know. */
export const ViewerFrame = {
  props: { project: String, lane: { type: String, default: "" } },
  emits: ["act"],
  setup(/** @type {{project: string, lane: string}} */ props, /** @type {any} */ { emit }) {
    const place = ref(/** @type {HTMLElement | null} */ (null));
    const failure = ref("");
    /** @type {() => void} */ let off = () => {};
    let gone = false;
    deeds.window = openAlone;
    deeds.panels = () => toArea(1);
    deeds.panelsBack = () => toArea(-1);
    // Its row is on the page already: the same button, with its field and its undo.
    deeds.addClass = () => {
      link.step = 3;
      nextTick().then(() => /** @type {HTMLElement | null} */ (document.querySelector(".addclass"))?.click());
    };
    onMounted(async () => {
      link.prefix = pagePrefix();
      link.project = props.project;
      // At once: a person may go to another step before the viewer is there.
      const step = before(props.project)?.step;
      if (STEPS[step - 1]) link.step = step;
      try {
        const { mount } = await import("underbrush-viewer");
        const element = place.value;
        if (gone || !(element instanceof HTMLElement)) return; // taken down while the viewer was fetched
        const alone = aloneFrom(location.search);
        const viewer = await mount(element, { project: props.project, prefix: link.prefix, lane: props.lane || undefined, alone: !!alone });
        if (gone) return viewer.unmount();
        const unattach = attach(viewer),
          unfollow = followPreferences();
        off = () => {
          unfollow();
          unattach();
        };
        stayOnThePage();
        back(props.project);
        const part = goTogether(viewer, alone), rest = off;
        off = () => {
          part();
          rest();
        };
        emit("act", { name: "mounted", client: viewer.client });
      } catch (error) {
        failure.value = "The viewer could not start. Reload the page; your strokes are kept.";
        console.error(error);
      }
    });
    onBeforeUnmount(() => {
      gone = true;
      off();
      app()?.unmount();
    });
    return { place, failure, link, missing: computed(() => (shownLane()?.missing ? shownLane() : null)) };
  },
  template: `
    <div class="viewer">
      <div class="fill" ref="place"></div>
      <div v-if="failure" class="empty over"><p>{{ failure }}</p></div>
      <div v-else-if="missing" class="empty over lost">
        <p class="fg">{{ missing.nickname }} is missing.</p>
        <p class="anywhere">{{ missing.location || '' }}</p>
        <button type="button" class="btn" @click="link.step = 1">Repair it in step 1</button>
      </div>
      <div v-else-if="link.state && !link.state.lanes.length" class="empty over">
        <p class="fg">No images yet.</p>
        <p>Drop images here, or add them under 1 Images. They stay where they are.</p>
      </div>
    </div>
  `,
};

/** How often it is looked whether a page that has to be loaded again may be (milliseconds). */
const LOOK = 200;

/**
 * The panels' own line to the server reloads the page when it hears nothing: then there would be no page to go on with.
 * Nor is it loaded again, because the server does not know it any more, under a hand that paints, or before the strokes
 * that wait are sent.
 */
function stayOnThePage() {
  const { socket } = /** @type {any} */ (window);
  if (!socket?.io) return;
  socket.io.timeout(false);
  const theirs = socket.listeners("connect_error");
  socket.off("connect_error");
  socket.on("connect_error", async (/** @type {Error} */ error) => {
    while (isBusy()) await new Promise((done) => window.setTimeout(done, LOOK));
    for (const one of theirs) one(error);
  });
}

/** Whether loading the page again would break something off. */
function isBusy() {
  const viewer = /** @type {any} */ (app());
  if (!viewer) return false;
  const { painting, connection, outbox } = viewer;
  return !!painting?.active || (outbox?.count > 0 && connection?.state !== "closed");
}

/** @param {string} project under which a tab keeps where it was */
const keyOf = (project) => `underbrush.window.${project}`;

/** Where this tab was before it was loaded again, or null. @param {string} project */
function before(project) {
  try {
    return JSON.parse(sessionStorage.getItem(keyOf(project)) || "null");
  } catch {
    return null; // as if it was never kept
  }
}

/** After a reload (the server was started again) the window is as it was: image, slice, class; the step is already. @param {string} project */
function back(project) {
  const key = keyOf(project),
    was = before(project);
  const keep = () => {
    const { lane, t, z, y, x, maximised } = link.position;
    try {
      sessionStorage.setItem(key, JSON.stringify({ lane, t, z, y, x, maximised, step: link.step, class: link.tool.class }));
    } catch {
      /* a private window */
    }
  };
  const restore = () => {
    const viewer = app();
    if (!was || !viewer || !link.state?.lanes.some((one) => one.id === was.lane)) return;
    if (was.lane !== link.position.lane) viewer.setLane(was.lane);
    const { t, z, y, x, maximised } = was;
    viewer.setPosition(Object.fromEntries(Object.entries({ t, z, y, x }).filter(([, at]) => Number.isInteger(at))));
    if (maximised && maximised !== link.position.maximised) viewer.maximise(maximised);
    if (link.state.classes.some((one) => one.id === was.class)) viewer.setClass(was.class);
  };
  const begin = () => {
    restore();
    watch(
      [() => link.position, () => link.step, () => link.tool.class],
      keep,
    );
  };
  if (link.state) begin();
  else {
    const stop = watch(
      () => link.state,
      () => {
        stop();
        begin();
      },
    );
  }
}

const STEPS = ["Images", "Features", "Training", "Export", "Batch"];

/** The five steps. The page's columns show what belongs to the chosen one (`data-for`). */
export const Steps = {
  props: { counts: { type: Object, default: () => ({}) } },
  setup(/** @type {any} */ props) {
    const frame = () => /** @type {HTMLElement} */ (document.querySelector(".app"));
    const show = () => {
      const shell = frame();
      if (!shell) return;
      shell.dataset.step = String(link.step);
      shell.classList.toggle("folded", folded());
      shell.classList.toggle("bare", !link.panels);
      for (const part of /** @type {NodeListOf<HTMLElement>} */ (shell.querySelectorAll("[data-for]")))
        part.hidden = !String(part.dataset.for).split(" ").includes(String(link.step));
      // What a page lies over is not gone to by keyboard.
      for (const under of shell.querySelectorAll(".viewer, .dimslot, .lanes"))
        under.toggleAttribute("inert", ![2, 3].includes(link.step));
    };
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 })[event.key];
      if (!by) return;
      const all = /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (event.currentTarget).children]);
      all[(all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by + all.length) % all.length].focus();
      event.preventDefault();
      event.stopPropagation();
    };
    const meta = computed(() => [link.state ? link.state.lanes.length : "", props.counts.features ?? "", "", "", ""]);
    onMounted(() => {
      show();
      window.addEventListener("resize", show);
    });
    onBeforeUnmount(() => window.removeEventListener("resize", show));
    watch([() => link.step, () => link.panels, () => link.rightOpen], show, { flush: "post" });
    return { STEPS, link, key, meta };
  },
  template: `
    <nav class="nav" aria-label="Steps" @keydown="key">
      <button v-for="(name, n) in STEPS" type="button" class="step" :aria-current="link.step === n + 1 ? 'step' : null"
          :tabindex="link.step === n + 1 ? 0 : -1" :data-tip="(n + 1) + ' ' + name" @click="link.step = n + 1">
        <span class="n">{{ n + 1 }}</span>
        <span class="t">{{ name }}</span>
        <span class="meta">{{ meta[n] }}</span>
      </button>
    </nav>
  `,
};

/** The right panel folded to a rail, on small windows or when folded by hand. */
export const Rail = {
  components: { IconButton },
  setup: () => ({
    link,
    keysOf,
    open: () => {
      link.rightOpen = true;
    },
  }),
  template: `
    <div v-if="link.step === 2" class="rail">
      <IconButton icon="layers" name="Show the feature images" :keyed="keysOf('sidePanels').join(' ')" @click="open" />
    </div>
    <div v-else class="rail">
      <IconButton icon="layers" name="Show layers and quality" :keyed="keysOf('sidePanels').join(' ')" @click="open" />
      <IconButton icon="chart" name="Quality" @click="open" />
    </div>
  `,
};

/** Why nothing is saved, without the words that stand before it. */
const trouble = () => (link.save?.state === "failing" ? link.save.sentence.replace(/^NOT saved[:.] */, "") : "");

/** Whether the toast says what the banner says. */
const isBannerToo = () => !!link.toast && !!trouble() && link.toast.text.startsWith(trouble().replace(/\.$/, ""));

/** What stands across the window until it is mended: not saved, no connection, read only. */
export const Banner = {
  components: { Icon },
  props: { retry: Boolean, elsewhere: Boolean },
  emits: ["act"],
  setup() {
    const shown = computed(() => {
      const strokes = `${counted(link.unsent.count, "stroke")} ${link.unsent.count === 1 ? "is" : "are"}`;
      const kept = link.unsent.count ? ` ${strokes} kept in this browser and sent again.` : "";
      if (link.connection.state === "closed")
        return { kind: "err", icon: "error", strong: "Connection closed.", text: link.connection.sentence, again: true };
      // Nothing was lost that never was there: a project that is only now read, or made, takes its time.
      if (link.connection.banner && link.connection.state === "connecting")
        return { kind: "", icon: "info", strong: "Opening.", text: "The image appears as soon as the project is read." };
      if (link.connection.banner)
        return { kind: "warn", icon: "warn", strong: "Connection lost.", text: `Reconnecting. You can go on painting.${kept}`, again: true };
      if (link.save && link.save.state === "failing")
        return { kind: "err", icon: "error", strong: "NOT saved.", text: trouble(), ways: true };
      if (!link.storage.durable)
        return { kind: "warn", icon: "warn", strong: "Not kept across a reload.", text: link.storage.sentence };
      if (link.state && link.state.read_only)
        return { kind: "warn", icon: "lock", strong: "Read only.", text: link.state.read_only };
      return null;
    });
    const copy = () => {
      link.dialog = "copy";
    };
    return { shown, copy, again: () => app()?.do("reconnect") };
  },
  template: `
    <div class="bannerslot">
      <div v-if="shown" class="banner" :class="shown.kind" role="alert">
        <Icon :n="shown.icon" />
        <span class="grow"><span class="strong">{{ shown.strong }}</span> {{ shown.text }}</span>
        <button v-if="shown.again" type="button" class="btn" data-tip="Call the server now instead of after the wait" @click="again">Try now</button>
        <button v-if="shown.ways && retry" type="button" class="btn" @click="$emit('act', { name: 'save' })">Try again</button>
        <button v-if="shown.ways && elsewhere" type="button" class="btn" @click="copy">
          Save a copy elsewhere ...
        </button>
      </div>
    </div>
  `,
};

/** One sentence at the bottom of the image, with Undo where there is something to undo. */
export const Toast = {
  components: { Icon, IconButton, Keys },
  created() {
    watch(isBannerToo, (too) => {
      if (too) link.toast = null;
    });
  },
  setup: () => ({
    link,
    // What the banner says is not said twice, nor any more when the banner is gone.
    shown: computed(() => (isBannerToo() ? null : link.toast)),
    keysOf,
    undo: () => {
      link.toast = null;
      app()?.undo();
    },
    close: () => {
      link.toast = null;
    },
  }),
  template: `
    <div class="toastslot" role="status">
      <div v-if="shown" class="toast" :class="shown.level">
        <Icon v-if="shown.level !== 'info'" :n="shown.level === 'error' ? 'error' : 'warn'" />
        <span class="words">{{ shown.text }}</span>
        <button v-if="shown.undo" type="button" class="btn-quiet fg" data-tip="Undo" @click="undo">
          Undo <Keys :keys="keysOf('undo')" />
        </button>
        <IconButton v-else icon="x" name="Close" @click="close" />
      </div>
    </div>
  `,
};
