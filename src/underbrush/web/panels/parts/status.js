/** The line below: where the pointer is, what is there, how far the result is. */
import { computed } from "vue";
import { Icon, IconButton } from "./basics.js";
import { hex, painted } from "./classes.js";
import { shown } from "./contrast.js";
import { drafting, shownTitle } from "./feature_draft.js";
import { anyBusy, cancel } from "./export_store.js";
import { app, link, shownLane } from "./link.js";
import { counted, percent } from "./words.js";

/** The line of a project. */
export const Status = {
  components: { Icon, IconButton },
  props: { preparing: { type: String, default: "" }, prepared: { default: null } },
  setup() {
    const at = computed(() => {
      const lane = shownLane(),
        cursor = link.cursor;
      if (!lane || !cursor || !cursor.inside) return [];
      return [
        ["x", cursor.x],
        ["y", cursor.y],
        ...(lane.shape[2] > 1 ? [["z", cursor.z]] : []),
        ...(lane.shape[0] > 1 ? [["t", cursor.t]] : []),
      ];
    });
    const values = computed(() => (at.value.length && link.cursor.values ? link.cursor.values.slice(0, 4).map(shown) : []));
    const probabilities = computed(() => {
      const classes = link.state?.classes || [],
        given = at.value.length ? link.cursor.probabilities : null;
      return given
        ? classes
            .map((one, n) => ({ name: one.name, colour: hex(one.colour), p: Number(given[n] ?? 0) }))
            .sort((a, b) => (classes.length > 3 ? b.p - a.p : 0))
            .slice(0, 3)
        : [];
    });
    const feature = computed(() => {
      const one = at.value.length ? link.cursor.feature : null;
      return one && [shownTitle.value || one.name, shown(one.value)];
    });
    const sentence = computed(() => {
      if (link.step === 2 && drafting.shown) return "The disc shows how far this feature looks.";
      if (link.hint && link.step === 3) return link.hint;
      if (link.connection.banner)
        return link.training?.state === "done" ? "The result shown is from before the connection was lost." : "";
      if (link.save?.state === "failing") return "Free some space, then try again. Painting goes on.";
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
    const stop = () => {
      link.live = false;
      app()?.setLive(false);
    };
    const writing = computed(() => {
      const job = anyBusy();
      return job ? { name: job.kind === "batch" ? "Batch" : "Export", percent: Math.round(100 * job.share) } : null;
    });
    return { link, at, values, feature, probabilities, sentence, progress, unsent, percent, stop, writing, cancel };
  },
  template: `
    <footer class="status">
      <template v-if="link.step === 2 || link.step === 3">
        <span v-if="at.length" class="xy"><span v-for="[axis, n] in at">{{ axis }} <b>{{ n }}</b></span></span>
        <span v-else class="dim">Outside the image</span>
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
        <span data-tip="Screen pixels per image pixel"><b>{{ percent(link.zoom.zoom) }}</b></span>
      </template>
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
