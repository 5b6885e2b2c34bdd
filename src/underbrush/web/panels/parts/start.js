/** The start screen. */
import { ref } from "vue";
import { Icon } from "./basics.js";
import { useKeptStrokes } from "./kept_strokes.js";
import { address, link, pagePrefix } from "./link.js";
import { dayAndTime } from "./words.js";

/** Drop, browse, path, open, recent, sample. */
export const Start = {
  components: { Icon },
  props: { recent: { type: Array, default: () => [] }, busy: { type: String, default: "" } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const kept = useKeptStrokes(() => props.recent);
    link.prefix = pagePrefix();
    const path = ref(""),
      broken = ref(/** @type {Record<number, boolean>} */ ({}));
    const browse = (/** @type {string} */ kind) => {
      link.dialog = kind;
    };
    const go = () => {
      if (path.value.trim()) emit("act", { name: "open", paths: [path.value.trim()] });
    };
    return { path, kept, broken, browse, go, address, when: (/** @type {string} */ iso) => dayAndTime(iso, new Date()) };
  },
  template: `
    <div class="start">
      <div>
        <div class="empty big">
          <Icon n="image" class="large" />
          <h1>
            Drop images here, or <button type="button" class="link" data-tip="Files of the machine that runs Underbrush" @click="browse('browse')">browse this computer</button>.
          </h1>
          <p class="dim">They stay where they are.</p>
        </div>
        <form class="hstack pathline" @submit.prevent="go">
          <span class="field">
            <Icon n="link" />
            <input v-model="path" placeholder="Path, or pattern such as data/*.tif" aria-label="Path, or pattern such as data/*.tif"
                spellcheck="false">
          </span>
          <button type="submit" class="btn" :disabled="!path.trim() || !!busy">Go</button>
        </form>
        <div class="hstack ways">
          <button type="button" class="btn" data-tip="A project from images of this computer" :disabled="!!busy"
              @click="browse('new')">
            <Icon n="plus" />New project
          </button>
          <button type="button" class="btn" data-tip="A project (.ilp) or images" :disabled="!!busy" @click="browse('open')">
            <Icon n="open" />Open
          </button>
          <span class="grow"></span>
          <button type="button" class="btn" data-tip="Images, classes and strokes to play with" :disabled="!!busy"
              @click="$emit('act', { name: 'sample' })">
            <Icon n="sample" />Try the sample
          </button>
        </div>
        <p v-if="busy" class="hstack busy" role="status">
          <span class="prog w96 moving"><i></i></span>
          <span class="fg">{{ busy }}</span>
        </p>
      </div>
      <div>
        <div class="sec-h"><h3>Recent</h3></div>
        <button v-for="(one, n) in recent" :key="one.path" type="button" class="recent" :disabled="one.missing || !!busy"
            :data-tip="one.path" @click="$emit('act', { name: 'recent', project: one.project })">
          <img v-if="one.thumbnail && !one.missing && !broken[n]" :src="address(one.thumbnail)" alt="" @error="broken[n] = true">
          <span v-else class="ph"><Icon :n="one.missing ? 'file' : 'layers'" /></span>
          <span class="grow trunc">
            <span class="trunc name" :class="one.missing ? 'dim' : 'fg'">{{ one.name }}</span>
            <span v-if="one.missing" class="badge warn"><Icon n="warn" />missing</span>
            <span v-else class="dim">{{ when(one.date) }}</span>
            <span v-if="kept.listed[one.project]" class="badge warn"><Icon n="warn" />{{ kept.listed[one.project] }}</span>
          </span>
        </button>
        <p v-if="kept.others" class="note warn" role="status">{{ kept.others }}</p>
        <p v-if="!recent.length" class="note">What you open is listed here. The sample is a good first look.</p>
      </div>
    </div>
  `,
};

/** The line below the start screen. */
export const StartStatus = {
  props: { preparing: { type: String, default: "" }, prepared: { default: null } },
  template: `
    <footer class="status">
      <span class="grow"></span>
      <span v-if="preparing" class="hstack">
        <span class="hint">{{ preparing }}</span>
        <span class="prog w120"><i :style="{ width: (prepared || 0) + '%' }"></i></span>
      </span>
    </footer>
  `,
};
