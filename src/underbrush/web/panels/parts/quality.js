/** How good the forest is, and what would help; classifiers that were kept. */
import { computed, nextTick, onBeforeUnmount, onMounted, ref } from "vue";
import { Icon, IconButton, Keys, Menu, Switch } from "./basics.js";
import { app, command, deeds, keysOf, link, say } from "./link.js";
import { painted } from "./classes.js";

/** A name of a feature that fits beside its share; the tip has all of it. @param {string} name */
const brief = (name) =>
  name
    .replace("Structure tensor eigenvalues", "Structure tensor")
    .replace("Hessian of Gaussian eigenvalues", "Hessian eigenvalues")
    .replace("Gaussian gradient magnitude", "Gradient magnitude");

/** Out-of-bag error, class balance, importance. */
export const Quality = {
  components: { Icon, IconButton, Keys, Switch },
  props: {
    oob: { default: null },
    trained: Boolean,
    changed: { type: String, default: "" },
    balance: { type: String, default: "" },
    balanced: Boolean,
    importance: { type: Array, default: () => [] },
    features: { type: Number, default: 0 },
    settings: { type: Object, default: () => ({}) },
    where: { type: String, default: "" },
  },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const next = () => {
      if (!props.trained) return say("Nothing is trained yet: paint a stroke in each class.");
      emit("act", { name: "next" });
    };
    const back = () => {
      if (!link.position.canBack) return say("There is no place to go back to.");
      link.step = 3;
      app()?.back();
    };
    onMounted(() => Object.assign(deeds, { next, backPlace: back }));
    onBeforeUnmount(() => {
      delete deeds.next;
      delete deeds.backPlace;
    });
    const all = ref(false);
    const percent = computed(() => (props.oob === null ? "–" : `${(props.oob * 100).toFixed(props.oob < 0.1 ? 1 : 0)} %`));
    const rows = computed(() => (all.value ? props.importance : props.importance.slice(0, 3)));
    const most = computed(() => Math.max(...props.importance.map((/** @type {any} */ one) => one[1]), 1e-9));
    const missing = computed(() => (link.state?.classes || []).filter((one) => !painted(one.id)[1]).map((one) => one.name));
    const flip = (/** @type {boolean} */ on) => command({ type: "set_training", ...props.settings, balance: on });
    const away = computed(() => link.connection.banner || link.connection.state === "closed");
    return { all, brief, percent, rows, most, missing, flip, link, next, back, keysOf, away };
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
        <template v-if="trained">
          <button type="button" class="btn s wide below2" data-tip="Go where a stroke would help most" :disabled="away" @click="next">
            <Icon n="target" />Next uncertain place <Keys v-if="keysOf('next').length" :keys="keysOf('next')" />
          </button>
          <div class="hstack dim">
            <span class="grow trunc" role="status" :data-tip="where || null">{{ where }}</span>
            <button type="button" class="btn-quiet" :disabled="!link.position.canBack" data-tip="Back to where you were"
                :data-key="keysOf('backPlace').join(' ')" @click="back">
              <Icon n="left" />Back
            </button>
          </div>
        </template>
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
            <span class="trunc grow" :data-tip="name">{{ brief(name) }}</span>
            <span class="prog thin"><i :style="{ width: (100 * share / most) + '%' }"></i></span>
            <span class="fg num w36">{{ (share * 100).toFixed(share < 0.0995 ? 1 : 0) }} %</span>
          </div>
        </div>
      </section>
    </div>
  `,
};

/** Above the image while a kept classifier is looked at. */
export const ShownClassifier = {
  components: { Icon },
  props: { name: { type: String, default: "" } },
  emits: ["act"],
  template: `
    <div class="shownslot">
      <div v-if="name" class="callout info shown" role="status">
        <Icon n="frozen" />
        <span class="grow trunc">Result of <span class="strong">{{ name }}</span>, a kept classifier. Painting goes on with the current one.</span>
        <button type="button" class="btn s" data-tip="Show the result of the current classifier" @click="$emit('act', { name: 'show', classifier: '' })">
          Back to current
        </button>
      </div>
    </div>
  `,
};

/** The classifier in force and the ones that were kept under a name. */
export const Classifiers = {
  components: { Icon, IconButton, Menu },
  props: {
    rows: { type: Array, default: () => [] },
    trained: Boolean,
    shown: { type: String, default: "" },
  },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const naming = ref(/** @type {string | null} */ (null)),
      draft = ref("");
    const strokes = computed(() => (link.state?.classes || []).reduce((sum, one) => sum + painted(one.id)[0], 0));
    const locked = computed(() => !link.state || !!link.state.read_only);
    /** Keeps the current one ("") or renames one. */
    const named = async () => {
      const name = draft.value.trim(),
        old = naming.value;
      naming.value = null;
      if (!name || name === old || old === null) return;
      const looked = old !== "" && old === props.shown;
      if (old) {
        const answer = await command({ type: "rename_frozen", name: old, to: name }, `${old} is renamed.`);
        if (answer.ok && looked) show(name); // who looks at it goes on looking at it
      } else await command({ type: "freeze_classifier", name }, `Kept as ${name}.`);
    };
    const begin = (/** @type {string} */ old) => {
      draft.value = old || `Version ${props.rows.length + 1}`;
      naming.value = old;
    };
    const focus = (/** @type {any} */ node) => {
      if (!node || document.activeElement === node) return;
      nextTick().then(() => {
        node.focus();
        node.select();
      });
    };
    const show = (/** @type {string} */ name) => {
      if (name !== props.shown) emit("act", { name: "show", classifier: name });
    };
    const key = (/** @type {KeyboardEvent} */ event, /** @type {string} */ name) => {
      const by = /** @type {Record<string, "nextElementSibling" | "previousElementSibling">} */ ({
        ArrowDown: "nextElementSibling",
        ArrowUp: "previousElementSibling",
      })[event.key];
      const row = /** @type {HTMLElement} */ (event.currentTarget);
      if (by) /** @type {HTMLElement | null} */ (row[by])?.focus();
      else if (event.key === "Enter" || event.key === " ") show(name);
      else if (event.key === "F2" && name && !locked.value) begin(name);
      else if (event.key === "Delete" && name && !locked.value) remove(name);
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const remove = (/** @type {string} */ name) => command({ type: "delete_frozen", name }, `${name} deleted.`);
    const items = (/** @type {any} */ row) => [
      { id: "show", text: row.name === props.shown ? "Back to current" : "Show its result", icon: "eye" },
      ...(locked.value
        ? []
        : [
            { id: "rename", text: "Rename", icon: "brush", keys: ["F2"] },
            { id: "delete", text: "Delete", icon: "trash", keys: ["Del"] },
          ]),
    ];
    const choose = (/** @type {string} */ way, /** @type {any} */ row) => {
      if (way === "show") show(row.name === props.shown ? "" : row.name);
      else if (way === "rename") begin(row.name);
      else remove(row.name);
    };
    return { link, naming, draft, strokes, locked, named, begin, show, key, items, choose, focus };
  },
  template: `
    <section v-if="trained || rows.length" class="sec">
      <div class="sec-h">
        <h3>Classifiers</h3>
        <button v-if="trained && !locked" type="button" class="btn-quiet headbtn"
            data-tip="Keep the current classifier under a name" @click="begin('')">
          Freeze
        </button>
      </div>
      <div v-if="naming !== null" class="cls">
        <Icon n="frozen" />
        <span class="name">
          <span class="field s">
            <input :ref="focus" v-model="draft" maxlength="200" aria-label="Name of the kept classifier"
                @keydown.enter.stop.prevent="named" @keydown.esc.stop.prevent="naming = null" @keydown.stop>
          </span>
        </span>
        <button type="button" class="btn s" @click="named">{{ naming ? 'Rename' : 'Keep' }}</button>
      </div>
      <div role="listbox" aria-label="Classifiers">
        <div class="cls tight" role="option" tabindex="0" :aria-selected="shown ? 'false' : 'true'"
            data-tip="The classifier of the strokes as they are" @click="show('')" @keydown.self="key($event, '')">
          <Icon n="target" />
          <span class="name">Current</span>
          <span class="cnt end">
            {{ trained ? (strokes === 1 ? '1 stroke' : strokes.toLocaleString('en-US') + ' strokes') : 'not trained' }}
          </span>
        </div>
        <div v-for="row in rows" :key="row.name" class="cls tight" role="option" tabindex="0"
            :aria-selected="row.name === shown ? 'true' : 'false'" :data-tip="(row.note ? row.note + ' ' : '') + 'Click to see its result.'"
            @click="show(row.name)" @keydown.self="key($event, row.name)">
          <Icon n="frozen" />
          <span class="name trunc">{{ row.name }}</span>
          <span class="cnt end">{{ row.date }}</span>
          <span class="lk" @click.stop>
            <Menu :name="'More for ' + row.name" icon="more" kind="ib" :items="items(row)" right @choose="choose($event, row)" />
          </span>
        </div>
      </div>
    </section>
  `,
};
