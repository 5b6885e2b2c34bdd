/** Step 2, right: every feature image with an eye; one is shown at a time, with its own contrast. */
import { computed, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { shown as asText, typed, typedRange } from "./contrast.js";
import { drafting, show, titleOf } from "./feature_draft.js";
import { app, keysOf, link } from "./link.js";
import { TypedField } from "./typed_field.js";

/** @typedef {import("./feature_draft.js").FeatureImage} FeatureImage */

export const FeatureImages = {
  components: { Icon, IconButton, TypedField },
  props: { images: { type: Array, default: () => [] } },
  setup(/** @type {any} */ given) {
    const props = /** @type {{images: FeatureImage[]}} */ (given);
    const filter = ref("");
    watch(
      () => props.images,
      (images) => {
        if (drafting.shown && !images.some((/** @type {FeatureImage} */ one) => one.name === drafting.shown?.name)) show(null);
      },
    );
    const groups = computed(() => {
      const wanted = filter.value.trim().toLowerCase();
      return drafting.filters
        .map((/** @type {import("./choice.js").Filter} */ one) => ({
          name: one.name,
          images: props.images
            .filter((image) => image.id === one.id)
            .map((image) => ({ image, title: titleOf(image) }))
            .filter(({ title }) => `${one.name} ${title}`.toLowerCase().includes(wanted)),
        }))
        .filter(({ images }) => images.length);
    });
    const layer = computed(() => (drafting.shown ? link.layers[`feature:${drafting.shown.name}`] : null));
    // The viewer finds the contrast from what it is sent: it is asked for when a view is complete, and while one looks.
    const found = ref(/** @type {[number, number] | null} */ (null));
    const look = () => {
      found.value = drafting.shown ? (app()?.featureRange() ?? null) : null;
    };
    watch([() => link.progress, () => link.layers, () => link.cursor, () => drafting.shown], look);
    const set = (/** @type {any} */ props) => drafting.shown && app()?.setLayer(`feature:${drafting.shown.name}`, props);
    const type = (/** @type {0 | 1} */ which, /** @type {string} */ text) => {
      const value = typed(text);
      if (value === null || !found.value) return;
      const [low, high] = typedRange(found.value, which, value, 1e-6);
      set({ low, high });
    };
    const short = (/** @type {number} */ value) => asText(Number(value.toPrecision(3)));
    return {
      d: drafting,
      short,
      filter,
      groups,
      layer,
      found,
      type,
      show,
      auto: () => set({ low: null, high: null }),
      autoKey: computed(() => keysOf("contrast").join(" ")),
      toggle: (/** @type {FeatureImage} */ image) => show(drafting.shown?.name === image.name ? null : image),
    };
  },
  template: `
    <section class="sec featureimages">
      <div class="sec-h"><h3>Feature images</h3></div>
      <label class="field s"><Icon n="search" /><input v-model="filter" placeholder="Filter" aria-label="Filter the feature images"></label>
      <div v-if="d.shown && found" class="hstack featurerange">
        <TypedField class="short" :value="short(found[0])" name="Black" tip="What is shown black" @typed="type(0, $event)" />
        <span class="dim">to</span>
        <TypedField class="short" :value="short(found[1])" name="White" tip="What is shown white" @typed="type(1, $event)" />
        <span class="grow"></span>
        <button type="button" class="btn s" data-tip="Automatic contrast" :data-key="autoKey" @click="auto"><Icon n="auto" />Auto</button>
      </div>
      <p v-if="!images.length" class="note">No features are chosen: choose a preset, or cells of the matrix.</p>
      <p v-else-if="!groups.length" class="note">No feature image has this in its name.</p>
      <div v-for="group in groups" role="group" :aria-label="group.name">
        <h4>{{ group.name }}</h4>
        <button v-for="{ image, title } in group.images" :key="image.name" type="button" class="featureimage"
            :aria-pressed="d.shown && d.shown.name === image.name ? 'true' : 'false'"
            :data-tip="d.shown && d.shown.name === image.name ? 'Back to the image' : 'Show this feature image'" @click="toggle(image)">
          <Icon :n="d.shown && d.shown.name === image.name ? 'eye' : 'eyeoff'" />
          <span class="trunc grow">{{ title }}</span>
          <span v-if="d.shown && d.shown.name === image.name" class="meta">shown</span>
        </button>
      </div>
    </section>
  `,
};
