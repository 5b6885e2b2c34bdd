/** The small parts that every panel is made of. */
import { computed, nextTick, onBeforeUnmount, onMounted, ref } from "vue";
import { ICONS } from "./icons.js";

/** An icon of the inline set. */
export const Icon = {
  props: { n: String },
  setup: (/** @type {{n: string}} */ props) => ({ body: computed(() => ICONS[props.n] || "") }),
  template: `<svg class="i" viewBox="0 0 16 16" aria-hidden="true" v-html="body"></svg>`,
};

/** Keys as they are printed on a keyboard. */
export const Keys = {
  props: { keys: Array },
  template: `<span class="keyset"><kbd v-for="key in keys">{{ key }}</kbd></span>`,
};

/** A button with an icon alone: its name is its tooltip. */
export const IconButton = {
  components: { Icon },
  props: { icon: String, name: String, keyed: { type: String, default: "" }, pressed: { default: undefined } },
  template: `
    <button type="button" class="ib" :aria-label="name" :data-tip="name" :data-key="keyed || null" :aria-pressed="pressed">
      <Icon :n="icon" />
    </button>
  `,
};

/** On or off. */
export const Switch = {
  props: { on: Boolean, name: String, tip: { type: String, default: "" }, keyed: { type: String, default: "" } },
  emits: ["flip"],
  template: `
    <button type="button" class="switch" :class="{ on }" role="switch" :aria-checked="on ? 'true' : 'false'" :aria-label="name"
        :data-tip="tip || name" :data-key="keyed || null" @click="$emit('flip', !on)">
    </button>
  `,
};

/** A slider of whole steps: pointer, arrows, Page keys, Home and End; ticks in the colour of a class. */
export const Slider = {
  props: {
    value: Number,
    min: { type: Number, default: 0 },
    max: { type: Number, default: 100 },
    step: { type: Number, default: 1 },
    page: { type: Number, default: 10 },
    off: Boolean,
    name: String,
    text: { type: String, default: "" },
    tip: { type: String, default: "" },
    keyed: { type: String, default: "" },
    ticks: { type: Array, default: () => [] },
  },
  emits: ["slide", "done"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const share = computed(() => (props.max > props.min ? ((props.value - props.min) / (props.max - props.min)) * 100 : 0));
    const put = (/** @type {number} */ value) => {
      const stepped = props.min + Math.round((value - props.min) / props.step) * props.step;
      emit("slide", Math.max(props.min, Math.min(props.max, stepped)));
    };
    const at = (/** @type {PointerEvent} */ event) => {
      const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
      put(props.min + ((event.clientX - box.left) / box.width) * (props.max - props.min));
    };
    const down = (/** @type {PointerEvent} */ event) => {
      if (event.button !== 0) return;
      /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
      at(event);
    };
    const move = (/** @type {PointerEvent} */ event) => {
      if (/** @type {HTMLElement} */ (event.currentTarget).hasPointerCapture(event.pointerId)) at(event);
    };
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({
        ArrowRight: 1,
        ArrowUp: 1,
        ArrowLeft: -1,
        ArrowDown: -1,
        PageUp: props.page,
        PageDown: -props.page,
      })[event.key];
      if (by) put(props.value + by * props.step);
      else if (event.key === "Home") put(props.min);
      else if (event.key === "End") put(props.max);
      else return;
      event.preventDefault();
      event.stopPropagation();
      emit("done");
    };
    return { share, down, move, key };
  },
  template: `
    <div class="slider" :class="{ off }" :style="{ '--v': share + '%' }" role="slider" :tabindex="off ? -1 : 0" :aria-label="name"
        :aria-valuemin="min" :aria-valuemax="max" :aria-valuenow="value" :aria-valuetext="text || null"
        :aria-disabled="off ? 'true' : null" :data-tip="tip || null" :data-key="keyed || null" @pointerdown="down"
        @pointermove="move" @pointerup="$emit('done')" @keydown="key">
      <span v-for="tick in ticks" class="tick" :style="{ left: tick.at + '%', '--c': tick.colour }"></span>
      <i></i>
    </div>
  `,
};

/**
 * A button that opens a list of actions. Items: `{id, text, keys?, icon?, on?, off?, line?, head?, swatch?}`.
 * Arrows move, Enter and Space choose, Escape closes and gives the focus back.
 */
export const Menu = {
  components: { Icon, Keys },
  props: {
    items: Array,
    name: String,
    text: { type: String, default: "" },
    icon: { type: String, default: "" },
    tip: { type: String, default: "" },
    keyed: { type: String, default: "" },
    kind: { type: String, default: "btn-quiet" },
    right: Boolean,
    pressed: { default: undefined },
    inBar: Boolean,
  },
  emits: ["choose", "step"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit, expose }) {
    const open = ref(false);
    const root = ref(/** @type {HTMLElement | null} */ (null));
    const place = ref(/** @type {Record<string, string>} */ ({}));
    const rows = () =>
      /** @type {HTMLElement[]} */ ([...(root.value?.querySelectorAll("[role^=menuitem]:not([aria-disabled=true])") || [])]);
    const button = () => /** @type {HTMLElement} */ (root.value?.querySelector("button"));
    const show = async (/** @type {number} */ at = 0) => {
      const box = button().getBoundingClientRect();
      open.value = true;
      place.value = props.right
        ? { right: `${innerWidth - box.right}px`, top: `${box.bottom + 4}px` }
        : { left: `${box.left}px`, top: `${box.bottom + 4}px` };
      await nextTick();
      const list = /** @type {HTMLElement} */ (root.value?.querySelector("[role=menu]"));
      if (box.bottom + 4 + list.offsetHeight > innerHeight - 8)
        place.value = { ...place.value, top: `${Math.max(8, innerHeight - 8 - list.offsetHeight)}px` };
      rows().at(at)?.focus();
    };
    const hide = (/** @type {boolean} */ back = true) => {
      open.value = false;
      if (back) button().focus();
    };
    const choose = (/** @type {any} */ item) => {
      if (item.off) return;
      hide();
      emit("choose", item.id);
    };
    const key = (/** @type {KeyboardEvent} */ event) => {
      const all = rows(),
        at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
      if (!open.value) {
        if (event.key === "ArrowDown") show();
        else if (props.inBar && event.key === "ArrowRight") emit("step", 1, false);
        else if (props.inBar && event.key === "ArrowLeft") emit("step", -1, false);
        else return;
      } else if (event.key === "ArrowDown") all[(at + 1) % all.length]?.focus();
      else if (event.key === "ArrowUp") all.at(at - 1)?.focus();
      else if (event.key === "Home") all[0]?.focus();
      else if (event.key === "End") all.at(-1)?.focus();
      else if (event.key === "Escape") hide();
      else if (event.key === "Tab") hide();
      else if (props.inBar && event.key === "ArrowRight") {
        hide();
        emit("step", 1, true);
      } else if (props.inBar && event.key === "ArrowLeft") {
        hide();
        emit("step", -1, true);
      } else return event.stopPropagation();
      event.preventDefault();
      event.stopPropagation();
    };
    const away = (/** @type {Event} */ event) => {
      if (open.value && !root.value?.contains(/** @type {Node} */ (event.target))) hide(false);
    };
    onMounted(() => document.addEventListener("pointerdown", away, true));
    onBeforeUnmount(() => document.removeEventListener("pointerdown", away, true));
    expose({ show, focus: () => button().focus() });
    return { open, root, place, show, hide, choose, key };
  },
  template: `
    <span class="menu-of" ref="root" @keydown="key">
      <button type="button" :class="kind" aria-haspopup="menu" :aria-expanded="open ? 'true' : 'false'"
          :aria-label="text ? null : name" :data-tip="open ? null : (tip || (text ? null : name))" :data-key="keyed || null"
          :aria-pressed="pressed" @click="open ? hide() : show()">
        <slot><Icon v-if="icon" :n="icon" />{{ text }}</slot>
      </button>
      <div v-if="open" class="popup" role="menu" :aria-label="name" :style="place">
        <template v-for="item in items">
          <div v-if="item.line" class="line" role="separator"></div>
          <div v-else-if="item.head" class="head">{{ item.head }}</div>
          <button v-else type="button" :role="item.on === undefined ? 'menuitem' : 'menuitemcheckbox'"
              :aria-checked="item.on === undefined ? null : item.on" :aria-disabled="item.off ? 'true' : null" tabindex="-1"
              @click="choose(item)">
            <span class="mark">
              <Icon v-if="item.on" n="check" />
              <Icon v-else-if="item.icon" :n="item.icon" />
              <span v-else-if="item.swatch" class="sw" :style="{ '--c': item.swatch }"></span>
            </span>
            <span class="grow">{{ item.text }}</span>
            <Keys v-if="item.keys" :keys="item.keys" />
          </button>
        </template>
      </div>
    </span>
  `,
};
