/** All keys, over the window. */
import { computed, nextTick, ref, watch } from "vue";
import { Icon, IconButton } from "./basics.js";
import { link } from "./link.js";

/** A dialog that holds the focus while it is open and gives it back. */
export const Dialog = {
  components: { IconButton },
  props: { title: String, open: Boolean, small: Boolean },
  emits: ["close"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const root = ref(/** @type {HTMLElement | null} */ (null));
    let before = /** @type {Element | null} */ (null);
    watch(
      () => props.open,
      async (open) => {
        if (open) {
          before = document.activeElement;
          await nextTick();
          // Not before the key that opened the dialog is done: it would be typed into the field.
          await new Promise((done) => requestAnimationFrame(done));
          if (root.value?.contains(document.activeElement)) return;
          /** @type {HTMLElement | null | undefined} */ (
            root.value?.querySelector("input:not([type=checkbox])") ||
              root.value?.querySelector("button:not(.ib)") ||
              root.value?.querySelector("button")
          )?.focus();
        } else if (before instanceof HTMLElement) before.focus();
      },
      { immediate: true },
    );
    const key = (/** @type {KeyboardEvent} */ event) => {
      event.stopPropagation();
      if (event.key === "Escape") {
        event.preventDefault();
        emit("close");
      }
      if (event.key !== "Tab") return;
      const all = /** @type {HTMLElement[]} */ ([
        ...(root.value?.querySelectorAll("button:not(:disabled), input, [tabindex='0']") || []),
      ]).filter((one) => one.offsetParent);
      const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement)),
        next = event.shiftKey ? (at <= 0 ? all.length - 1 : at - 1) : (at + 1) % all.length;
      all[next]?.focus();
      event.preventDefault();
    };
    return { root, key };
  },
  template: `
    <div v-if="open" class="scrim" @pointerdown.self="$emit('close')" @keydown="key">
      <div class="dialog" :class="{ small }" role="dialog" aria-modal="true" :aria-label="title" ref="root">
        <div class="head">
          <h2>{{ title }}</h2>
          <slot name="head"></slot>
          <span class="grow"></span>
          <IconButton icon="x" name="Close" keyed="Esc" @click="$emit('close')" />
        </div>
        <slot></slot>
      </div>
    </div>
  `,
};

/** What this window does not do yet. */
const NOT_YET = /^$/;

/** The rows of `?`: the nine classes are one. @param {import("./types").KeyRow[]} rows */
function told(rows) {
  return rows
    .filter((row) => !NOT_YET.test(row.action) && !/^class:[2-9]$/.test(row.action))
    .map((row) => (row.action === "class:1" ? { ...row, title: "Class 1 to 9", keys: [["1", "…", "9"]] } : row));
}

/** The overlay of `?`. */
export const KeysDialog = {
  components: { Dialog, Icon },
  setup() {
    const filter = ref("");
    const groups = computed(() => {
      /** @type {Record<string, any[]>} */ const found = {};
      const wanted = filter.value.trim().toLowerCase();
      for (const row of told(link.keys))
        if (
          row.keys.length &&
          (!wanted || `${row.title} ${row.keys.flat().join(" ")} ${row.group}`.toLowerCase().includes(wanted))
        )
          (found[row.group] ||= []).push(row);
      return Object.entries(found);
    });
    return {
      link,
      filter,
      groups,
      close: () => {
        link.dialog = "";
      },
    };
  },
  template: `
    <Dialog title="Keys" :open="link.dialog === 'keys'" @close="close">
      <template #head>
        <span class="field s w240"><Icon n="search" /><input v-model="filter" placeholder="Filter" aria-label="Filter"></span>
      </template>
      <div class="keys scroll" tabindex="0">
        <section v-for="[group, rows] in groups">
          <h3>{{ group }}</h3>
          <div v-for="row in rows">
            <span>{{ row.title }}</span>
            <span class="k">
              <template v-for="(keys, n) in row.keys">
                <span v-if="n"> or </span>
                <kbd v-for="key in keys">{{ key }}</kbd>
              </template>
              <span v-if="row.note">{{ row.note }}</span>
            </span>
          </div>
        </section>
        <p v-if="!groups.length" class="note">No key has “{{ filter }}” in its name.</p>
      </div>
    </Dialog>
  `,
};
