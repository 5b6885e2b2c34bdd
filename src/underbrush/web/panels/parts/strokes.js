/** Step 3: the strokes as a table: sort, go there, change the class, delete. Read only while it is open. */
import { computed, nextTick, ref, watch } from "vue";
import { Icon, Menu } from "./basics.js";
import { grouped, hex } from "./classes.js";
import { app, command, link } from "./link.js";
import { sorted } from "./choosing.js";

/** @param {any[]} row */
const nameOf = (row) => row.slice(0, 6).join(" ");

/** Rows are [lane, class, t, z, y, x, pixels]. */
export const Strokes = {
  components: { Icon, Menu },
  props: { rows: { type: Array, default: () => [] }, total: { type: Number, default: 0 } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const open = ref(false),
      by = ref("image"),
      down = ref(false),
      list = ref(/** @type {HTMLElement | null} */ (null));
    const any = computed(() => (link.state?.lanes || []).some((lane) => Object.keys(lane.strokes || {}).length));
    const classes = computed(() => link.state?.classes || []);
    const order = computed(() => (link.state?.lanes || []).map((lane) => lane.id));
    const shown = computed(() => sorted(props.rows, by.value, down.value, order.value));
    const flip = () => {
      open.value = !open.value;
      reveal = open.value;
      emit("act", { name: "strokes", open: open.value });
    };
    /** In a small window the list begins below what is in sight. */
    let reveal = false;
    const bring = () => {
      if (reveal && shown.value.length) list.value?.closest(".sec")?.scrollIntoView({ block: "nearest" });
      reveal &&= !shown.value.length;
    };
    watch(shown, bring, { flush: "post" });
    watch(any, (now) => {
      if (!now && open.value) flip();
    });
    const sort = (/** @type {string} */ column) => {
      down.value = by.value === column ? !down.value : column === "pixels";
      by.value = column;
    };
    const lane = (/** @type {any[]} */ row) => (link.state?.lanes || []).find((one) => one.id === row[0]);
    const at = (/** @type {any[]} */ row) => ({ lane: row[0], t: row[2], z: row[3], y: row[4], x: row[5] });
    const go = (/** @type {any[]} */ row) => app()?.goTo(row[0], row[2], row[3], row[4], row[5]);
    const locked = computed(() => !link.state || !!link.state.read_only);
    /** The row that was deleted, and its place: it leaves the list a moment after the answer. */
    let leaving = /** @type {{name: string, n: number} | null} */ (null);
    /** After a row has gone the one that took its place is there for the next key. */
    const settle = () => {
      if (!leaving || shown.value.some((row) => nameOf(row) === leaving?.name)) return;
      const n = Math.min(leaving.n, shown.value.length - 1);
      leaving = null;
      /** @type {HTMLElement | undefined} */ (list.value?.children[n])?.focus();
    };
    watch(shown, settle, { flush: "post" });
    const remove = async (/** @type {any[]} */ row, /** @type {number} */ n) => {
      if (locked.value) return;
      leaving = { name: nameOf(row), n };
      if ((await command({ type: "delete_stroke", ...at(row) }, "Stroke deleted.")).ok) await nextTick().then(settle);
      else leaving = null;
    };
    const relabel = (/** @type {any[]} */ row, /** @type {number} */ id) => {
      const now = classes.value.find((one) => one.id === id);
      if (!locked.value && now && id !== row[1])
        command({ type: "relabel_stroke", ...at(row), class: id }, `Stroke changed to ${now.name}.`);
    };
    const key = (/** @type {KeyboardEvent} */ event, /** @type {any[]} */ row, /** @type {number} */ n) => {
      const step = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 })[event.key];
      if (step) {
        const all = list.value?.children || [];
        /** @type {HTMLElement | undefined} */ (all[Math.max(0, Math.min(all.length - 1, n + step))])?.focus();
      } else if (event.key === "Enter" || event.key === " ") go(row);
      else if (event.key === "Delete") remove(row, n);
      else if (/^[1-9]$/.test(event.key) && classes.value[Number(event.key) - 1]) relabel(row, classes.value[Number(event.key) - 1].id);
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const place = (/** @type {any[]} */ row) => {
      const shape = lane(row)?.shape || [1, 1, 1, 1, 1];
      return [shape[0] > 1 ? `t ${row[2]}` : "", shape[2] > 1 ? `z ${row[3]}` : "", `${row[5]}, ${row[4]}`].filter(Boolean).join(" ");
    };
    const items = (/** @type {any[]} */ row) => [
      ...classes.value
        .filter((one) => one.id !== row[1])
        .map((one) => ({ id: one.id, text: `Change to ${one.name}`, swatch: hex(one.colour), keys: [String(classes.value.indexOf(one) + 1)] })),
      { line: true },
      { id: 0, text: "Delete", icon: "trash", keys: ["Del"] },
    ];
    return {
      open,
      any,
      by,
      down,
      list,
      shown,
      flip,
      sort,
      nameOf,
      go,
      key,
      place,
      items,
      locked,
      grouped,
      name: (/** @type {any[]} */ row) => lane(row)?.nickname || "",
      colour: (/** @type {any[]} */ row) => {
        const one = classes.value.find((found) => found.id === row[1]);
        return one ? hex(one.colour) : "transparent";
      },
      title: (/** @type {any[]} */ row) => classes.value.find((one) => one.id === row[1])?.name || "",
      choose: (/** @type {number} */ id, /** @type {any[]} */ row, /** @type {number} */ n) => (id ? relabel(row, id) : remove(row, n)),
      COLUMNS: [
        ["class", "Class"],
        ["image", "Place"],
        ["pixels", "px"],
      ],
    };
  },
  template: `
    <section v-if="any" class="sec">
      <div class="sec-h">
        <h3>Strokes</h3>
        <button type="button" class="btn-quiet headbtn" :aria-expanded="open ? 'true' : 'false'"
            data-tip="All strokes: go there, change the class, delete" @click="flip">
          {{ open ? 'Close' : 'List' }}
        </button>
      </div>
      <template v-if="open">
        <div class="strokehead">
          <button v-for="[id, text] in COLUMNS" type="button" class="headcell" :class="id" :aria-pressed="by === id ? 'true' : 'false'"
              :data-tip="'Sort by ' + (id === 'pixels' ? 'size' : id)" @click="sort(id)">
            {{ text }}{{ by === id ? (down ? ' ↓' : ' ↑') : '' }}
          </button>
        </div>
        <div class="strokelist scroll" ref="list" role="listbox" aria-label="Strokes">
          <div v-for="(row, n) in shown" :key="nameOf(row)" class="cls tight strokerow" role="option" tabindex="0"
              aria-selected="false" :aria-label="title(row) + ', ' + name(row) + ', ' + place(row) + ', ' + row[6] + ' pixels'"
              :data-tip="title(row) + ': go there'" data-key="Enter" @click="go(row)" @keydown.self="key($event, row, n)">
            <span class="sw" :style="{ '--c': colour(row) }"></span>
            <span class="name trunc">{{ name(row) }}<span class="dim at">{{ place(row) }}</span></span>
            <span class="cnt end">{{ grouped(row[6]) }}</span>
            <span v-if="!locked" class="lk" @click.stop>
              <Menu name="Change this stroke" icon="more" kind="ib" right :items="items(row)" @choose="choose($event, row, n)" />
            </span>
          </div>
        </div>
        <p v-if="total > rows.length" class="note">The first {{ grouped(rows.length) }} of {{ grouped(total) }} are listed.</p>
      </template>
    </section>
  `,
};
