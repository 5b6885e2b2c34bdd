/** How good the forest is, and what would help; classifiers that were kept. */
import { computed, ref } from "vue";
import { Icon, IconButton, Switch } from "./basics.js";
import { command, link } from "./link.js";
import { painted } from "./classes.js";

/** Out-of-bag error, class balance, importance. */
export const Quality = {
  components: { Icon, IconButton, Switch },
  props: {
    oob: { default: null },
    trained: Boolean,
    changed: { type: String, default: "" },
    balance: { type: String, default: "" },
    balanced: Boolean,
    importance: { type: Array, default: () => [] },
    features: { type: Number, default: 0 },
    settings: { type: Object, default: () => ({}) },
  },
  setup(/** @type {any} */ props) {
    const all = ref(false);
    const percent = computed(() => (props.oob === null ? "–" : `${(props.oob * 100).toFixed(props.oob < 0.1 ? 1 : 0)} %`));
    const rows = computed(() => (all.value ? props.importance : props.importance.slice(0, 3)));
    const most = computed(() => Math.max(...props.importance.map((/** @type {any} */ one) => one[1]), 1e-9));
    const missing = computed(() => (link.state?.classes || []).filter((one) => !painted(one.id)[1]).map((one) => one.name));
    const flip = (/** @type {boolean} */ on) => command({ type: "set_training", ...props.settings, balance: on });
    return { all, percent, rows, most, missing, flip, link };
  },
  template: `
    <div>
      <section class="sec">
        <div class="sec-h"><h3>Quality</h3></div>
        <p v-if="!trained && missing.length" class="note">Nothing is trained yet. Live waits until each class has a stroke.</p>
        <p v-else-if="!trained" class="note">Nothing is trained yet.</p>
        <p v-else-if="oob === null" class="note">
          The classifier came with the project; its error is known after the next training.
        </p>
        <div v-else class="vstack">
          <div class="hstack" data-tip="How often the trees are wrong on labelled pixels that they were not grown from">
            <span class="grow">Out-of-bag error</span>
            <span class="strong">{{ percent }}</span>
          </div>
          <p v-if="changed">{{ changed }}</p>
        </div>
      </section>
      <section v-if="balance" class="sec">
        <div class="sec-h"><h3>Class balance</h3></div>
        <p class="below">{{ balance }}</p>
        <div class="hstack">
          <span class="grow">Balance classes</span>
          <Switch :on="balanced" name="Balance classes" tip="Every class counts the same, however many pixels it has" @flip="flip" />
        </div>
      </section>
      <section v-if="importance.length" class="sec">
        <div class="sec-h">
          <h3>Feature importance</h3>
          <button v-if="importance.length > 3" type="button" class="btn-quiet headbtn" :aria-expanded="all ? 'true' : 'false'"
              @click="all = !all">
            {{ all ? 'Fewer' : 'All ' + importance.length }}
          </button>
        </div>
        <div class="vstack">
          <div v-for="[name, share] in rows" class="hstack">
            <span class="trunc grow" :data-tip="name">{{ name }}</span>
            <span class="prog thin"><i :style="{ width: (100 * share / most) + '%' }"></i></span>
            <span class="fg num w36">{{ (share * 100).toFixed(share < 0.0995 ? 1 : 0) }} %</span>
          </div>
        </div>
      </section>
    </div>
  `,
};

/** The classifier in force and the ones that were kept under a name. */
export const Classifiers = {
  components: { Icon, IconButton },
  props: { rows: { type: Array, default: () => [] }, trained: Boolean },
  setup(/** @type {any} */ props) {
    const naming = ref(false),
      draft = ref("");
    const strokes = computed(() => (link.state?.classes || []).reduce((sum, one) => sum + painted(one.id)[0], 0));
    const freeze = async () => {
      const name = draft.value.trim();
      naming.value = false;
      if (name) await command({ type: "freeze_classifier", name }, `Kept as ${name}.`);
    };
    const begin = () => {
      draft.value = `Version ${props.rows.length + 1}`;
      naming.value = true;
    };
    const focus = (/** @type {any} */ node) => {
      if (node && document.activeElement !== node) node.select();
    };
    const remove = (/** @type {string} */ name) => command({ type: "delete_frozen", name }, `${name} deleted.`);
    return { link, naming, draft, strokes, freeze, begin, remove, focus };
  },
  template: `
    <section v-if="trained || rows.length" class="sec">
      <div class="sec-h">
        <h3>Classifiers</h3>
        <button v-if="trained && link.state && !link.state.read_only" type="button" class="btn-quiet headbtn"
            data-tip="Keep the current classifier under a name" @click="begin">
          Freeze
        </button>
      </div>
      <div v-if="naming" class="cls">
        <Icon n="frozen" />
        <span class="name">
          <span class="field s">
            <input :ref="focus" v-model="draft" maxlength="200" aria-label="Name of the kept classifier"
                @keydown.enter.stop.prevent="freeze" @keydown.esc.stop.prevent="naming = false" @keydown.stop>
          </span>
        </span>
        <button type="button" class="btn s" @click="freeze">Keep</button>
      </div>
      <div class="cls tight still" aria-selected="true">
        <Icon n="target" />
        <span class="name">Current</span>
        <span class="cnt end">
          {{ trained ? (strokes === 1 ? '1 stroke' : strokes.toLocaleString('en-US') + ' strokes') : 'not trained' }}
        </span>
      </div>
      <div v-for="row in rows" class="cls tight still">
        <Icon n="frozen" />
        <span class="name trunc" :data-tip="row.note || row.name">{{ row.name }}</span>
        <span class="cnt end">{{ row.date }}</span>
        <span class="lk">
          <IconButton v-if="link.state && !link.state.read_only" icon="trash" :name="'Delete ' + row.name" @click="remove(row.name)" />
        </span>
      </div>
    </section>
  `,
};
