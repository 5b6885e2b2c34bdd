/** A file holds several images: which are meant. */
import { computed, ref, watch } from "vue";
import { Icon } from "./basics.js";
import { clicked } from "./choosing.js";
import { Dialog } from "./keys.js";
import { bytes, counted } from "./words.js";

/**
 * What is wanted again when the images were chosen: the file gives way to them.
 * @param {any} several as the server says it @param {string[]} chosen addresses
 */
export const again = (several, chosen) => ({
  ...several.wanted,
  paths: several.wanted.paths.flatMap((/** @type {string} */ path) => (path === several.where ? chosen : [path])),
});

/** The dialog with the images of a file. Emits what was wanted, with the addresses that were chosen. */
export const ImageChoice = {
  components: { Dialog, Icon },
  props: { several: { type: Object, default: null }, asked: { type: Number, default: 0 } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const open = ref(false),
      chosen = ref(/** @type {string[]} */ ([])),
      list = ref(/** @type {HTMLElement | null} */ (null));
    let anchor = "";
    const rows = computed(() => /** @type {any[]} */ (props.several?.rows || []));
    const usable = computed(() => rows.value.filter((row) => !row.problem).map((row) => row.address));
    watch(
      () => props.asked,
      (now) => {
        open.value = !!now;
        chosen.value = props.several?.first ? [props.several.first] : [];
      },
      { immediate: true },
    );
    const pick = (/** @type {any} */ row, /** @type {any} */ event = {}) => {
      if (row.problem) return;
      const held = props.several.single ? {} : { shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey };
      const next = clicked(usable.value, chosen.value, anchor, row.address, held);
      chosen.value = next.chosen;
      anchor = next.anchor;
    };
    const go = () => {
      if (!chosen.value.length) return;
      open.value = false;
      emit("act", again(props.several, chosen.value));
    };
    const key = (/** @type {KeyboardEvent} */ event, /** @type {any} */ row) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 })[event.key];
      if (by) {
        const all = /** @type {HTMLElement[]} */ ([...(list.value?.querySelectorAll("[role=option]") || [])]);
        const next = all.indexOf(/** @type {HTMLElement} */ (event.currentTarget)) + by;
        all[next]?.focus();
        if (rows.value[next] && event.shiftKey) pick(rows.value[next], event);
      } else if (event.key === " ") pick(row, { ctrlKey: true });
      else if (event.key === "Enter") {
        if (!chosen.value.includes(row.address)) pick(row);
        go();
      } else if ((event.ctrlKey || event.metaKey) && event.key === "a" && !props.several.single) chosen.value = [...usable.value];
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    return {
      open,
      rows,
      usable,
      chosen,
      list,
      pick,
      go,
      key,
      close: () => {
        open.value = false;
      },
      note: computed(() => {
        if (props.several?.note) return props.several.note;
        if (props.several?.left) return `${counted(props.several.left, "more image")}: type the path with its name.`;
        return props.several?.single ? "" : "Ctrl or Shift + click takes several";
      }),
      facts: (/** @type {any} */ row) => [row.shape.join(" × "), row.dtype, row.bytes ? bytes(row.bytes) : ""].filter(Boolean).join(", "),
    };
  },
  template: `
    <Dialog :title="several ? several.title || 'Which image of ' + several.file + '?' : ''" :open="open" small @close="close">
      <div class="filelist scroll" role="listbox" :aria-multiselectable="several && !several.single ? 'true' : 'false'"
          aria-label="Images of the file" ref="list">
        <div v-for="row in rows" :key="row.address" class="fileline" role="option" tabindex="0" :data-path="row.address"
            :data-focus="row.address === usable[0] ? '' : null" :aria-selected="chosen.includes(row.address) ? 'true' : 'false'" :aria-disabled="row.problem ? 'true' : null"
            :data-tip="row.problem || row.address" @click="pick(row, $event)" @dblclick="pick(row), go()" @keydown="key($event, row)">
          <Icon :n="row.problem ? 'warn' : 'image'" />
          <span class="grow trunc" :class="{ fg: !row.problem }">{{ row.name }}</span>
          <span v-if="row.called" class="dim">{{ row.called }}</span>
          <span class="dim">{{ [...row.axes].join(' ') }}</span>
          <span class="dim num">{{ row.problem ? 'cannot be read' : facts(row) }}</span>
        </div>
      </div>
      <div class="foot">
        <span class="dim grow">{{ note }}</span>
        <button type="button" class="btn" @click="close">Cancel</button>
        <button type="button" class="btn primary" :disabled="!chosen.length" @click="go">
          {{ chosen.length > 1 ? 'Take ' + chosen.length + ' images' : 'Take it' }}
        </button>
      </div>
    </Dialog>
  `,
};
