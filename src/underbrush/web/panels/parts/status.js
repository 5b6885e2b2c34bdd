/** The line below: where the pointer is, what is there, how far the result is. */
import { computed, nextTick, ref } from "vue";
import { Icon, IconButton } from "./basics.js";
import { hex, painted } from "./classes.js";
import { shown } from "./contrast.js";
import { drafting, shownTitle } from "./feature_draft.js";
import { anyBusy, cancel } from "./export_store.js";
import { app, deeds, keysOf, link, shownLane } from "./link.js";
import { axesOf, placeFrom } from "./placing.js";
import { StepFacts, stepHint } from "./step_facts.js";
import { counted, percent } from "./words.js";

/** Where one wants to go, typed: `540, 262`. */
export const Position = {
  components: { Icon },
  setup() {
    const open = ref(false),
      text = ref(""),
      said = ref(""),
      root = ref(/** @type {HTMLElement | null} */ (null));
    let before = /** @type {Element | null} */ (null);
    const axes = computed(() => {
      const lane = shownLane();
      return lane ? axesOf(lane.shape) : [];
    });
    const at = computed(() => {
      const cursor = /** @type {any} */ (link.cursor);
      return cursor?.inside ? axes.value.map((axis) => [axis, cursor[axis]]) : [];
    });
    const show = async () => {
      if (!shownLane() || open.value) return;
      before = document.activeElement;
      const from = /** @type {any} */ (link.cursor?.inside ? link.cursor : link.position);
      text.value = axes.value.map((axis) => from[axis]).join(", ");
      said.value = "";
      open.value = true;
      await nextTick();
      root.value?.querySelector("input")?.select();
    };
    const close = (back = true) => {
      open.value = false;
      if (back && before instanceof HTMLElement && before !== document.body) nextTick().then(() => /** @type {HTMLElement} */ (before).focus());
    };
    const go = () => {
      const lane = shownLane();
      if (!lane) return close();
      const { place, sentence } = placeFrom(text.value, lane.shape, link.position);
      said.value = sentence;
      if (!place) return;
      link.step = link.step === 2 ? 2 : 3;
      close();
      app()?.goTo(lane.id, place.t, place.z, place.y, place.x);
    };
    deeds.goto = show;
    return { open, text, said, root, axes, at, show, close, go, keysOf };
  },
  template: `
    <span class="placing" ref="root">
      <span v-if="open" class="field s" :class="{ err: said }">
        <span class="unit">{{ axes.join(', ') }}</span>
        <input v-model="text" :aria-label="'Position: ' + axes.join(', ')" :aria-invalid="said ? 'true' : 'false'" spellcheck="false"
            @keydown.enter.stop.prevent="go" @keydown.esc.stop.prevent="close()" @blur="close(false)">
      </span>
      <span v-if="open && said" class="placesaid" role="alert">{{ said }}</span>
      <button v-if="!open" type="button" class="btn-quiet xy" data-tip="Go to a position" :data-key="keysOf('goto').join(' ')" aria-label="Go to a position"
          @click="show">
        <template v-if="at.length"><span v-for="[axis, n] in at">{{ axis }} <b>{{ n }}</b></span></template>
        <span v-else class="dim">Outside the image</span>
      </button>
    </span>
  `,
};

/** What the keyboard does while it paints. */
function handed() {
  const key = (/** @type {string} */ action) => keysOf(action).join(" ");
  if (link.hand.down) return `Arrows paint. ${key("hand")} takes the brush up.`;
  return `Arrows move. Hold ${key("pan")}, or press ${key("hand")}, to paint. ${key("cancel")} ends it.`;
}

/** The line of a project. */
export const Status = {
  components: { Icon, IconButton, Position, StepFacts },
  props: { preparing: { type: String, default: "" }, prepared: { default: null } },
  setup() {
    const inside = computed(() => !!shownLane() && !!link.cursor?.inside);
    const values = computed(() => (inside.value && link.cursor.values ? link.cursor.values.slice(0, 4).map(shown) : []));
    const probabilities = computed(() => {
      const classes = link.state?.classes || [],
        given = inside.value ? link.cursor.probabilities : null;
      return given
        ? classes
            .map((one, n) => ({ name: one.name, colour: hex(one.colour), p: Number(given[n] ?? 0) }))
            .sort((a, b) => (classes.length > 3 ? b.p - a.p : 0))
            .slice(0, 3)
        : [];
    });
    const feature = computed(() => {
      const one = inside.value ? link.cursor.feature : null;
      return one && [shownTitle.value || one.name, shown(one.value)];
    });
    const sentence = computed(() => {
      if (link.step === 2 && drafting.shown) return "The disc shows how far this feature looks.";
      if (link.hand.on && [2, 3].includes(link.step)) return handed();
      if (link.hint && link.step === 3) return link.hint;
      if (link.connection.banner)
        return link.training?.state === "done" ? "The result shown is from before the connection was lost." : "";
      if (link.save?.state === "failing") {
        const kept = link.unsent.count ? `${counted(link.unsent.count, "stroke")} kept in this browser` : "Painting goes on";
        return `Free some space, then try again. ${kept}.`;
      }
      const first = stepHint();
      if (first !== null) return first;
      const empty = (link.state?.classes || []).filter((one) => !painted(one.id)[1]);
      if (link.training?.sentence) return link.training.sentence;
      if (link.step === 3 && empty.length && link.state?.lanes.length) return `Now a stroke in ${empty[0].name}.`;
      return "";
    });
    /** Without strokes there is nothing to predict, whatever was begun of it. */
    const idle = computed(
      () =>
        link.training?.state === "waiting" &&
        (link.state?.classes || []).filter((one) => painted(one.id)[1]).length < 2 &&
        !Object.entries(link.layers).some(([name, layer]) => name.startsWith("feature:") && layer.visible),
    );
    const progress = computed(() =>
      !idle.value && link.progress && link.progress.total > 0 && link.progress.done < link.progress.total
        ? Math.round((100 * link.progress.done) / link.progress.total)
        : null,
    );
    const unsent = computed(() => (link.unsent.count > 3 ? `${counted(link.unsent.count, "stroke")} on the way` : ""));
    /** What a window without panels paints with. */
    const hand = computed(() => {
      const one = (link.state?.classes || []).find((known) => known.id === link.tool.class);
      return one ? { name: one.name, colour: hex(one.colour), size: link.tool.size } : null;
    });
    const stop = () => {
      link.live = false;
      app()?.setLive(false);
    };
    const writing = computed(() => {
      const job = anyBusy();
      return job ? { name: job.kind === "batch" ? "Batch" : "Export", percent: Math.round(100 * job.share) } : null;
    });
    return { hand, link, values, feature, probabilities, sentence, progress, unsent, percent, stop, writing, cancel };
  },
  template: `
    <footer class="status">
      <template v-if="link.step === 2 || link.step === 3">
        <Position />
        <span class="sep"></span>
        <template v-if="feature">
          <span class="trunc">{{ feature[0] }} <b>{{ feature[1] }}</b></span><span class="sep"></span>
        </template>
        <template v-else-if="values.length"><span>Value <b>{{ values.join(' · ') }}</b></span><span class="sep"></span></template>
        <template v-if="probabilities.length && link.step === 3">
          <span class="probs">
            <span v-for="one in probabilities">
              <i class="dot" :style="{ '--c': one.colour }"></i>{{ one.name }} <b>{{ one.p.toFixed(2) }}</b>
            </span>
          </span>
          <span class="sep"></span>
        </template>
        <span v-if="hand" class="inhand">Brush <i class="dot" :style="{ '--c': hand.colour }"></i>{{ hand.name }} <b>{{ hand.size }} px</b></span>
        <span class="sep inhand"></span>
        <span data-tip="Screen pixels per image pixel"><b>{{ percent(link.zoom.zoom) }}</b></span>
      </template>
      <StepFacts v-else />
      <span class="grow"></span>
      <span v-if="unsent" class="dim">{{ unsent }}</span>
      <span class="hint trunc" role="status">{{ sentence }}</span>
      <span v-if="preparing" class="hstack">
        <span class="trunc">{{ preparing }}</span>
        <span class="prog w96"><i :style="{ width: (prepared || 0) + '%' }"></i></span>
      </span>
      <span v-else-if="writing" class="hstack predicting">
        <span>{{ writing.name }}</span>
        <span class="prog"><i :style="{ width: writing.percent + '%' }"></i></span>
        <span class="pc3">{{ writing.percent }} %</span>
        <IconButton class="t" icon="x" :name="'Cancel the ' + writing.name.toLowerCase() + '; finished files stay'" @click="cancel" />
      </span>
      <span v-else-if="progress !== null" class="hstack predicting">
        <span>Predicting</span>
        <span class="prog"><i :style="{ width: progress + '%' }"></i></span>
        <span class="pc3">{{ progress }} %</span>
        <IconButton class="t" icon="x" name="Stop; Live is turned off" @click="stop" />
      </span>
    </footer>
  `,
};
