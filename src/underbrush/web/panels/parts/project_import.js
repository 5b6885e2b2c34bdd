/** What another project would bring: its images, classes and features, seen before anything is done. */
import { computed, ref, watch } from "vue";
import { Icon } from "./basics.js";
import { hex } from "./classes.js";
import { Dialog } from "./keys.js";
import { counted } from "./words.js";

/** Open while Python has looked at a project. */
export const ProjectImport = {
  components: { Dialog, Icon },
  props: { file: { type: Object, default: null } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const features = ref(true);
    watch(
      () => props.file?.path,
      () => (features.value = true),
    );
    const taken = computed(() => (props.file?.images || []).filter((/** @type {any} */ one) => !one.problem));
    return {
      features, taken, counted, hex,
      pixels: computed(() => taken.value.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.pixels, 0)),
      any: computed(() => taken.value.length > 0 || (features.value && !!props.file?.features)),
      what: (/** @type {any} */ one) =>
        [one.pixels ? `${one.pixels.toLocaleString("en-US")} px` : "no strokes", one.here ? "here already" : ""].filter(Boolean).join(", "),
      leave: () => emit("act", { name: "importLeave" }),
      go: () => emit("act", { name: "importGo", features: features.value && !!props.file?.features }),
    }; // prettier-ignore
  },
  template: `
    <Dialog :title="file ? 'Import from ' + file.name : ''" :open="!!file" small @close="leave">
      <template v-if="file">
        <p v-if="file.workflow !== 'Pixel Classification'" class="note pad">
          A project of the workflow {{ file.workflow }}: what of it is pixel classification comes, the rest stays there.
        </p>
        <div class="importlists scroll" tabindex="0">
          <h3>{{ counted(file.images.length, 'image') }}</h3>
          <div v-for="one in file.images" class="fileline" role="listitem" :data-tip="one.problem || null">
            <Icon :n="one.problem ? 'warn' : 'image'" />
            <span class="grow trunc" :class="{ fg: !one.problem }">{{ one.name }}</span>
            <span v-if="one.problem" class="badge warn trunc">{{ one.problem }}</span>
            <template v-else>
              <span v-if="one.note" class="badge warn" data-tip="No classifier learns from strokes in both: see the warnings in step 1">{{ one.note }}</span>
              <span class="dim num">{{ what(one) }}</span>
            </template>
          </div>
          <h3>{{ counted(file.classes.length, 'class', 'classes') }}</h3>
          <div v-for="one in file.classes" class="fileline" role="listitem">
            <span class="sw" :style="{ '--c': hex(one.colour) }"></span>
            <span class="grow trunc fg">{{ one.name }}</span>
            <span class="dim num">{{ one.pixels.toLocaleString('en-US') }} px{{ one.new ? ', new' : '' }}</span>
          </div>
          <template v-if="file.features">
            <h3>Features</h3>
            <button type="button" class="check" :class="{ on: features }" role="checkbox" :aria-checked="features ? 'true' : 'false'" @click="features = !features">
              <i><Icon v-if="features" n="check" /></i>
              <span>{{ counted(file.features, 'choice', 'choices') }} of filter and scale, in place of those here</span>
            </button>
          </template>
        </div>
        <div class="foot">
          <span class="dim grow">{{ pixels ? counted(pixels, 'pixel') + ' will be painted; strokes that are there are painted over.' : 'Nothing will be painted.' }}</span>
          <button type="button" class="btn" @click="leave">Cancel</button>
          <button type="button" class="btn primary" :disabled="!any" @click="go">Import</button>
        </div>
      </template>
    </Dialog>
  `,
};
