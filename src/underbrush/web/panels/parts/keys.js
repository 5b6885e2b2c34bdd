/** All keys, over the window: to look at, and to change. */
import { computed, nextTick, onBeforeUnmount, ref, watch } from "vue";
import { Icon, IconButton, Menu } from "./basics.js";
import { KeyChange } from "./key_change.js";
import { link } from "./link.js";
import { choosePreset, preferences, PRESETS, setPreferences } from "./preferences.js";

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
            root.value?.querySelector("[data-focus]") ||
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
    // A button that was pressed may be off now, and has lost the focus: the keys are the dialog's all the same.
    const lost = (/** @type {KeyboardEvent} */ event) => {
      if (props.open && root.value && !root.value.contains(document.activeElement)) key(event);
    };
    document.addEventListener("keydown", lost, true);
    onBeforeUnmount(() => document.removeEventListener("keydown", lost, true));
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

/** What the wheel does instead is told as it was set. @param {import("./types").KeyRow} row */
function noted(row) {
  const off = /^brush:/.test(row.action) ? preferences.shiftWheel !== "brush" : /^slice:[+-]1$/.test(row.action) && preferences.wheel === "zoom";
  return off ? { ...row, note: "" } : row;
}

/** The rows of `?`: the nine classes are one as long as they are the digits. @param {import("./types").KeyRow[]} rows */
function told(rows) {
  const digits = rows.filter((row) => row.action.startsWith("class:")).every((row, n) => row.keys.length === 1 && row.keys[0].join() === String(n + 1));
  if (!digits) return rows;
  return rows
    .filter((row) => !/^class:[2-9]$/.test(row.action))
    .map((row) => (row.action === "class:1" ? { ...row, title: "Class 1 to 9", keys: [["1", "…", "9"]] } : row));
}

/** The overlay of `?`. */
export const KeysDialog = {
  components: { Dialog, Icon, KeyChange, Menu },
  setup() {
    const filter = ref("");
    const changing = ref(false);
    const groups = computed(() => {
      /** @type {Record<string, any[]>} */ const found = {};
      const wanted = filter.value.trim().toLowerCase();
      for (const row of changing.value ? link.keys : told(link.keys.map(noted)))
        if (
          (changing.value || row.keys.length) &&
          (!wanted || `${row.title} ${row.keys.flat().join(" ")} ${row.group}`.toLowerCase().includes(wanted))
        )
          (found[row.group] ||= []).push(row);
      return Object.entries(found);
    });
    const presets = computed(() => Object.entries(PRESETS).map(([id, text]) => ({ id, text, on: preferences.preset === id })));
    watch(
      () => link.dialog,
      (now) => {
        changing.value = now === "changeKeys";
        filter.value = "";
      },
    );
    return {
      link,
      filter,
      changing,
      groups,
      presets,
      preferences,
      PRESETS,
      choosePreset,
      open: computed(() => ["keys", "changeKeys"].includes(link.dialog)),
      changed: computed(() => Object.keys(preferences.keys).length),
      usual: () => setPreferences({ keys: {} }),
      close: () => {
        link.dialog = "";
      },
    };
  },
  template: `
    <Dialog :title="changing ? 'Change keys' : 'Keys'" :open="open" @close="close">
      <template #head>
        <span class="field s w240"><Icon n="search" /><input v-model="filter" placeholder="Filter" aria-label="Filter"></span>
        <span class="grow"></span>
        <button v-if="changing" type="button" class="btn-quiet" data-tip="Without any change, as the chosen set has them"
            :disabled="!changed" @click="usual">
          All usual keys
        </button>
        <span class="dim">Set</span>
        <Menu :name="'Set of keys: ' + PRESETS[preferences.preset]" :items="presets" kind="field s select w120"
            tip="Keys to begin with; what was changed is dropped" right @choose="choosePreset">
          <span class="trunc">{{ PRESETS[preferences.preset] }}</span>
          <Icon n="down" />
        </Menu>
        <button type="button" class="btn s" @click="changing = !changing">{{ changing ? 'Done' : 'Change keys' }}</button>
      </template>
      <KeyChange v-if="changing" :groups="groups" />
      <div v-else class="keys scroll" tabindex="0">
        <section v-for="[group, rows] in groups">
          <h3>{{ group }}</h3>
          <div v-for="row in rows">
            <span>{{ row.title }}</span>
            <span class="k">
              <template v-for="(keys, n) in row.keys">
                <span v-if="n"> or </span>
                <kbd v-for="key in keys">{{ key }}</kbd>
              </template>
              <span v-if="row.note" class="trunc" :data-tip="row.note">{{ row.note }}</span>
            </span>
          </div>
        </section>
      </div>
      <p v-if="!groups.length" class="note pad">No key has “{{ filter }}” in its name.</p>
    </Dialog>
  `,
};
