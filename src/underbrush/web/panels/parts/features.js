/** Step 2: which features the forest sees. */
import { Icon } from "./basics.js";
import { command } from "./link.js";
import { counted } from "./words.js";

/** Presets, and what is chosen now. */
export const Presets = {
  components: { Icon },
  props: {
    presets: { type: Array, default: () => [] },
    chosen: { type: String, default: "" },
    count: { type: Number, default: 0 },
    channels: { type: Number, default: 0 },
    locked: Boolean,
  },
  setup(/** @type {any} */ props) {
    const choose = (/** @type {any} */ preset) => {
      if (!props.locked && preset.name !== props.chosen)
        command({ type: "set_features", selection: preset.selection }, `Features: ${preset.name}.`);
    };
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 })[event.key];
      if (!by) return;
      const all = /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("button")]);
      const next = all[(all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by + all.length) % all.length];
      next.focus();
      event.preventDefault();
      event.stopPropagation();
    };
    return { choose, key, counted };
  },
  template: `
    <section class="sec">
      <div class="sec-h"><h3>Presets</h3></div>
      <div class="vstack radios" role="radiogroup" aria-label="Presets" @keydown="key">
        <button v-for="(preset, n) in presets" type="button" class="check radio" :class="{ on: preset.name === chosen }" role="radio"
            :aria-checked="preset.name === chosen ? 'true' : 'false'" :disabled="locked" :data-tip="preset.tip"
            @click="choose(preset)">
          <i></i>
          <span class="grow">{{ preset.name }}</span>
          <span class="dim">{{ preset.count }}</span>
        </button>
      </div>
      <p class="fg below2">{{ chosen || 'Own choice' }}: {{ counted(count, 'feature') }}</p>
    </section>
  `,
};
