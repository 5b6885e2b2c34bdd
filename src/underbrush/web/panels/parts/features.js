/** Step 2: which features the forest sees. */
import { computed } from "vue";
import { Icon } from "./basics.js";
import { command } from "./link.js";

/** Presets, and what is chosen now. */
export const Presets = {
  components: { Icon },
  props: { presets: { type: Array, default: () => [] }, chosen: { type: String, default: "" }, count: { type: Number, default: 0 }, channels: { type: Number, default: 0 }, locked: Boolean },
  setup(/** @type {any} */ props) {
    const choose = (/** @type {any} */ preset) => { if (!props.locked && preset.name !== props.chosen) command({ type: "set_features", selection: preset.selection }, `Features: ${preset.name}.`); };
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 })[event.key];
      if (!by) return;
      const all = /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("button")]);
      const next = all[(all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by + all.length) % all.length];
      next.focus();
      event.preventDefault();
      event.stopPropagation();
    };
    return { choose, key, first: computed(() => props.presets.findIndex((/** @type {any} */ one) => one.name === props.chosen)) };
  },
  template: `<section class="sec"><div class="sec-h"><h3>Presets</h3></div><div class="vstack radios" role="radiogroup" aria-label="Presets" @keydown="key"><button v-for="(preset, n) in presets" type="button" class="check radio" :class="{ on: preset.name === chosen }" role="radio" :aria-checked="preset.name === chosen ? 'true' : 'false'" :disabled="locked" :data-tip="preset.tip" @click="choose(preset)"><i></i><span class="grow">{{ preset.name }}</span><span class="dim">{{ preset.count }}</span></button></div>
    <p class="fg below2">{{ chosen || 'Own choice' }}: {{ count }} features</p></section>`,
};

/** Which filters at which scales are in use. */
export const FeatureTable = {
  components: { Icon },
  props: { scales: { type: Array, default: () => [] }, rows: { type: Array, default: () => [] }, planar: { type: Array, default: () => [] }, count: { type: Number, default: 0 } },
  template: `<div class="page"><div class="bar"><h2>Features</h2><span class="pill">{{ count }}</span></div><div class="scroll"><div v-if="count" class="padded"><table class="mx still"><thead><tr><th><span class="fg">Scale</span> <span class="dim">px</span></th><th v-for="scale in scales" class="sg">{{ scale }}</th></tr></thead><tbody><template v-for="row in rows"><tr v-if="row.group" class="grp"><th :colspan="scales.length + 1">{{ row.group }}</th></tr><tr v-else class="row"><th scope="row">{{ row.name }}</th><td v-for="(on, n) in row.cells"><span class="c" :class="{ on, no: on === null }" role="img" :aria-label="row.name + ' ' + scales[n] + ' px: ' + (on ? 'used' : 'not used')"><Icon v-if="on" n="check" /></span></td></tr></template>
    <tr class="dimrow"><th scope="row">2D or 3D</th><td v-for="flat in planar">{{ flat ? '2D' : '3D' }}</td></tr></tbody></table><p class="note below2">The table shows what is in use. Choose a preset on the left; single cells: <span class="mono">underbrush train --features FILE.json</span>.</p></div>
    <div v-else class="empty middle"><p class="fg">No features are chosen.</p><p>Choose Recommended on the left.</p></div></div></div>`,
};

/** A step that is done on the command line so far: one sentence and the command, to copy. */
export const PlainPage = {
  components: { Icon },
  props: { title: String, sentence: String, command: { type: String, default: "" } },
  setup: (/** @type {any} */ props) => ({ copy: () => navigator.clipboard?.writeText(props.command) }),
  template: `<div class="page"><div class="bar"><h2>{{ title }}</h2></div><div class="padded"><p class="fg lead">{{ sentence }}</p><div class="path line">{{ command }}</div><button type="button" class="btn s" data-tip="Copy the command" @click="copy"><Icon n="copy" />Copy command</button></div></div>`,
};
