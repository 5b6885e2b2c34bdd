/** The classes: choose, add, rename, recolour, reorder, lock, merge, clear, delete. All can be undone. */
import { computed, nextTick, onBeforeUnmount, ref, watch } from "vue";
import { Icon, IconButton, Menu } from "./basics.js";
import { app, command, link, say } from "./link.js";

/** The row of a class that is being named and is not there yet. */
const NEW = -1;
/** Colours that are told apart also by colour-blind eyes, in the order in which they are given out. */
const PALETTE = ["#0082c8", "#ffe119", "#f58231", "#f032e6", "#46f0f0", "#a9a9ff", "#fabebe", "#808000", "#ffffff", "#8a5a2b"];

/** @param {number[]} rgb */
export const hex = (rgb) =>
  `#${rgb
    .slice(0, 3)
    .map((one) => one.toString(16).padStart(2, "0"))
    .join("")}`;
/** @param {string} text @returns {number[]} */
export const rgbOf = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
/** @param {number} n */
export const grouped = (n) => n.toLocaleString("en-US");

/** Strokes and pixels of a class over all images. @param {number} id @returns {[number, number]} */
export function painted(id) {
  /** @type {[number, number]} */
  const sum = [0, 0];
  for (const lane of link.state?.lanes || []) {
    const [strokes, pixels] = lane.strokes?.[id] || [0, 0];
    sum[0] += strokes;
    sum[1] += pixels;
  }
  return sum;
}

/** The section of the classes. */
export const Classes = {
  components: { Icon, IconButton, Menu },
  setup() {
    const renaming = ref(0),
      draft = ref(""),
      colouring = ref(0),
      dragging = ref(0),
      over = ref(0),
      list = ref(/** @type {HTMLElement | null} */ (null));
    const classes = computed(() => link.state?.classes || []);
    const chosen = computed(() => classes.value.find((one) => one.id === link.tool.class));
    const locked = computed(() => !link.state || !!link.state.read_only);
    const focusRow = (/** @type {number} */ id) =>
      nextTick().then(() => /** @type {HTMLElement | null} */ (list.value?.querySelector(`[data-class="${id}"]`))?.focus());
    /** The colours close with a press anywhere else, and with Escape. */
    const closing = (/** @type {Event} */ event) => {
      const inside = event.target instanceof Element && event.target.closest(".swatches, .cls button.sw");
      if (event instanceof KeyboardEvent ? event.key !== "Escape" : inside) return;
      if (event instanceof KeyboardEvent) {
        event.stopPropagation();
        focusRow(colouring.value);
      }
      colouring.value = 0;
    };
    const listen = (/** @type {boolean} */ on) => {
      const change = on ? window.addEventListener : window.removeEventListener;
      for (const name of ["pointerdown", "keydown"]) change(name, closing, true);
    };
    watch(colouring, (id, before) => !!id !== !!before && listen(!!id));
    onBeforeUnmount(() => listen(false));
    let offered = false;
    const rename = async (/** @type {number} */ id) => {
      if (locked.value) return;
      offered = false;
      draft.value = classes.value.find((one) => one.id === id)?.name || "";
      renaming.value = id;
      await nextTick();
      /** @type {HTMLInputElement | null} */ (list.value?.querySelector("input.rename"))?.select();
    };
    /** In a field that nobody asked for, a digit picks the class, as everywhere; any other key is typing. */
    const typed = (/** @type {KeyboardEvent} */ event) => {
      const one = classes.value[Number(event.key) - 1];
      if (offered && one && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        renamed(false);
        choose(one.id);
      }
      if (event.key !== "Shift") offered = false;
    };
    const renamed = async (/** @type {boolean} */ keep) => {
      const id = renaming.value,
        one = classes.value.find((row) => row.id === id),
        name = draft.value.trim();
      if (!id) return;
      renaming.value = 0;
      focusRow(id);
      if (keep && one && name && name !== one.name) await command({ type: "edit_class", id, name });
    };
    const recolour = (/** @type {number} */ id, /** @type {string} */ colour) => {
      colouring.value = 0;
      focusRow(id);
      command({ type: "edit_class", id, colour: rgbOf(colour) });
    };
    // The field is open before the server has heard of it: what is typed at once is not lost, and one undo takes it back.
    const add = async () => {
      draft.value = `Class ${classes.value.length + 1}`;
      renaming.value = NEW;
      await nextTick();
      /** @type {HTMLInputElement | null} */ (list.value?.querySelector("input.rename"))?.select();
    };
    const added = async (/** @type {boolean} */ keep) => {
      if (renaming.value !== NEW) return;
      renaming.value = 0;
      const name = draft.value.trim(),
        before = new Set(classes.value.map((one) => one.id));
      if (!keep || !name) return focusRow(link.tool.class);
      const answer = await command({ type: "add_class", name });
      if (!answer.ok) return;
      for (let tries = 0; tries < 100; tries++) {
        const fresh = classes.value.find((one) => !before.has(one.id));
        if (fresh) {
          app()?.setClass(fresh.id);
          focusRow(fresh.id);
          return;
        }
        await new Promise((wake) => setTimeout(wake, 50));
      }
    };
    const move = (/** @type {number} */ id, /** @type {number} */ by) => {
      const place = classes.value.findIndex((one) => one.id === id) + by;
      if (place >= 0 && place < classes.value.length && !locked.value)
        command({ type: "move_class", id, place }).then(() => focusRow(id));
    };
    const choose = (/** @type {number} */ id) => {
      app()?.setClass(id);
      if (["navigate", "eraser", "pick"].includes(link.tool.tool)) app()?.setTool("brush");
    };
    const menu = computed(() => {
      const one = chosen.value,
        others = classes.value.filter((row) => row.id !== one?.id),
        at = classes.value.findIndex((row) => row.id === one?.id),
        images = link.state?.lanes.length || 0,
        off = locked.value || !one;
      return [
        { head: one ? one.name : "No class is chosen" },
        { id: "rename", text: "Rename", keys: ["F2"], off },
        { id: "recolour", text: "Recolour", off },
        { id: "up", text: "Move up", keys: ["Alt", "↑"], off: off || at <= 0 },
        { id: "down", text: "Move down", keys: ["Alt", "↓"], off: off || at >= classes.value.length - 1 },
        { line: true },
        ...(others.length
          ? [
              { head: "Merge into" },
              ...others.map((row) => ({ id: `merge:${row.id}`, text: row.name, swatch: hex(row.colour), off })),
              { line: true },
            ]
          : []),
        ...(images > 1 ? [{ id: "clearLane", text: "Clear its strokes in this image", off: off || !link.position.lane }] : []),
        { id: "clear", text: images > 1 ? "Clear its strokes in all images" : "Clear its strokes", off },
        { id: "labels", text: "Import labels from a file ...", off: locked.value || !link.position.lane },
        { id: "delete", text: "Delete", keys: ["Del"], off: off || classes.value.length < 2 },
      ];
    });
    const remove = async (/** @type {any} */ one) => {
      if (!one || locked.value) return;
      if (classes.value.length < 2) return say("A project has one class at least.");
      const at = classes.value.indexOf(one),
        next = classes.value[at + 1] || classes.value[at - 1];
      const answer = await command({ type: "delete_class", id: one.id }, `Class ${one.name} deleted.`);
      if (answer.ok && next) {
        app()?.setClass(next.id);
        focusRow(next.id);
      }
    };
    const act = (/** @type {string} */ what) => {
      const one = chosen.value;
      if (what === "labels") link.dialog = "labels";
      if (!one) return;
      const [verb, into] = what.split(":");
      if (verb === "rename") rename(one.id);
      else if (verb === "recolour") colouring.value = one.id;
      else if (verb === "up" || verb === "down") move(one.id, verb === "up" ? -1 : 1);
      else if (verb === "merge")
        command(
          { type: "merge_class", id: one.id, into: Number(into) },
          `${one.name} merged into ${classes.value.find((row) => row.id === Number(into))?.name}.`,
        );
      else if (verb === "clear") command({ type: "clear_class", id: one.id, lane: null }, `Strokes of ${one.name} cleared.`);
      else if (verb === "clearLane")
        command({ type: "clear_class", id: one.id, lane: link.position.lane }, `Strokes of ${one.name} cleared in this image.`);
      else if (verb === "delete") remove(one);
    };
    const key = (/** @type {KeyboardEvent} */ event, /** @type {any} */ one) => {
      if (event.target !== event.currentTarget) return;
      const at = classes.value.indexOf(one),
        by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (by && event.altKey) move(one.id, by);
      else if (by) {
        const next = classes.value[at + by];
        if (next) {
          app()?.setClass(next.id);
          focusRow(next.id);
        }
      } else if (event.key === "F2" || event.key === "Enter") rename(one.id);
      else if (event.key === "Delete") remove(one);
      else if (event.key === " ") choose(one.id);
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const filled = (/** @type {any} */ one, /** @type {number} */ at) => link.layers.segmentation?.eyes?.[one.id] ?? at > 0;
    const eye = (/** @type {any} */ one, /** @type {number} */ at) =>
      app()?.setLayer("segmentation", { eyes: { [one.id]: !filled(one, at) } });
    const dropAt = (/** @type {PointerEvent} */ event) => {
      const rows = /** @type {HTMLElement[]} */ ([...(list.value?.querySelectorAll(".cls") || [])]);
      return rows.findIndex((row) => {
        const box = row.getBoundingClientRect();
        return event.clientY >= box.top && event.clientY < box.bottom;
      });
    };
    const drag = (/** @type {PointerEvent} */ event, /** @type {any} */ one) => {
      if (event.button !== 0 || locked.value || /** @type {HTMLElement} */ (event.target).closest("button, input")) return;
      const start = event.clientY,
        row = /** @type {HTMLElement} */ (event.currentTarget);
      const moved = (/** @type {PointerEvent} */ next) => {
        if (!dragging.value && Math.abs(next.clientY - start) > 6) {
          dragging.value = one.id;
          row.setPointerCapture(event.pointerId);
        }
        if (dragging.value) over.value = dropAt(next);
      };
      const up = (/** @type {PointerEvent} */ last) => {
        row.removeEventListener("pointermove", moved);
        row.removeEventListener("pointerup", up);
        const place = dragging.value ? dropAt(last) : -1;
        dragging.value = 0;
        over.value = -1;
        if (place >= 0 && classes.value[place].id !== one.id) command({ type: "move_class", id: one.id, place });
      };
      row.addEventListener("pointermove", moved);
      row.addEventListener("pointerup", up);
    };
    // Of a project that was just begun the name is open for typing; the first stroke closes it.
    const stop = watch(
      () => link.state,
      (state) => {
        if (!state) return;
        nextTick().then(() => stop());
        const fresh =
          state.classes.length === 2 && state.classes[0].name === "Background" && state.classes[1].name === "Foreground";
        if (
          fresh &&
          state.lanes.length &&
          !state.undo &&
          !state.redo &&
          !state.classes.some((/** @type {any} */ one) => painted(one.id)[1])
        )
          rename(link.tool.class).then(() => {
            offered = true;
          });
      },
      { immediate: true },
    );
    const lock = (/** @type {any} */ one) => command({ type: "edit_class", id: one.id, locked: !one.locked });
    return {
      PALETTE,
      link,
      list,
      classes,
      chosen,
      locked,
      renaming,
      draft,
      colouring,
      dragging,
      over,
      menu,
      hex,
      grouped,
      painted,
      NEW,
      rename,
      renamed,
      typed,
      recolour,
      add,
      added,
      choose,
      act,
      key,
      filled,
      eye,
      drag,
      lock,
    };
  },
  template: `
    <section class="sec">
      <div class="sec-h">
        <h3>Classes</h3>
        <span class="dim heads">strokes, px</span>
        <Menu name="Class options" icon="more" kind="ib" :items="menu" right @choose="act" />
      </div>
      <div role="listbox" aria-label="Classes" ref="list">
        <div v-for="(one, at) in classes" :key="one.id" class="cls"
            :class="{ locked: one.locked, drag: dragging === one.id, over: dragging && over === at && dragging !== one.id }"
            role="option" :data-class="one.id" :aria-selected="one.id === link.tool.class ? 'true' : 'false'"
            :tabindex="one.id === link.tool.class || (!chosen && !at) ? 0 : -1" :aria-label="one.name + ', value ' + one.value"
            @click="choose(one.id)" @dblclick="rename(one.id)" @keydown="key($event, one)" @pointerdown="drag($event, one)">
          <span class="key">{{ at < 9 ? at + 1 : '' }}</span>
          <button type="button" class="sw" tabindex="-1" :style="{ '--c': hex(one.colour) }" :aria-label="'Recolour ' + one.name"
              :data-tip="'Recolour ' + one.name" :disabled="locked" @click.stop="colouring = colouring === one.id ? 0 : one.id">
          </button>
          <span class="name">
            <span v-if="renaming === one.id" class="field s">
              <input class="rename" v-model="draft" maxlength="200" spellcheck="false" :aria-label="'Name of class ' + one.value"
                  @click.stop @dblclick.stop @keydown.enter.stop.prevent="renamed(true)"
                  @keydown.esc.stop.prevent="renamed(false)" @keydown.stop="typed" @blur="renamed(true)">
            </span>
            <template v-else>
              <span class="trunc" :data-tip="one.name" :data-key="at < 9 ? String(at + 1) : null">{{ one.name }}</span>
              <span class="v" data-tip="The value that is exported">= {{ one.value }}</span>
            </template>
          </span>
          <span class="lk">
            <IconButton :icon="one.locked ? 'lock' : 'unlock'"
                :name="one.locked ? 'Unlock ' + one.name : 'Lock ' + one.name + ' against painting'"
                :pressed="one.locked ? 'true' : 'false'" :disabled="locked" @click.stop="lock(one)" />
          </span>
          <span class="cnt st" data-tip="Strokes in all images">{{ grouped(painted(one.id)[0]) }}</span>
          <span class="cnt px" data-tip="Painted pixels in all images">{{ grouped(painted(one.id)[1]) }}</span>
          <IconButton :icon="filled(one, at) ? 'eye' : 'eyeoff'"
              :name="filled(one, at) ? 'Do not fill ' + one.name + ' in the result' : 'Fill ' + one.name + ' in the result'"
              :pressed="filled(one, at) ? 'true' : 'false'" @click.stop="eye(one, at)" />
          <div v-if="colouring === one.id" class="swatches" role="group" :aria-label="'Colour of ' + one.name" @click.stop>
            <button v-for="colour in PALETTE" type="button" class="sw" :style="{ '--c': colour }" :aria-label="colour"
                :data-tip="colour" @click="recolour(one.id, colour)">
            </button>
            <label class="btn-quiet own">
              Other<input type="color" :value="hex(one.colour)" aria-label="Other colour" @change="recolour(one.id, $event.target.value)">
            </label>
          </div>
        </div>
        <div v-if="renaming === NEW" class="cls">
          <span class="key">{{ classes.length < 9 ? classes.length + 1 : '' }}</span>
          <span class="sw fresh"></span>
          <span class="name">
            <span class="field s">
              <input class="rename" v-model="draft" maxlength="200" spellcheck="false" aria-label="Name of the new class"
                  @keydown.enter.stop.prevent="added(true)" @keydown.esc.stop.prevent="added(false)" @keydown.stop
                  @blur="added(true)">
            </span>
          </span>
        </div>
      </div>
      <button v-if="!locked" type="button" class="btn-quiet addclass" data-tip="Add a class" @click="add">
        <Icon n="plus" />Add class
      </button>
    </section>
  `,
};
