/** Labels from a file: its axes, where it lies, and which value becomes which class, seen before anything is painted. */
import { computed, reactive, watch } from "vue";
import { Icon, Menu } from "./basics.js";
import { hex } from "./classes.js";
import { axesProblem } from "./choosing.js";
import { Dialog } from "./keys.js";
import { link } from "./link.js";
import { counted } from "./words.js";

/** Open while Python has looked at a file. */
export const LabelImport = {
  components: { Dialog, Icon, Menu },
  props: { file: { type: Object, default: null } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const draft = reactive({ axes: "", offset: ["0", "0", "0", "0"], mapping: /** @type {Record<string, number>} */ ({}) });
    watch(
      () => props.file,
      (file, before) => {
        if (!file) return;
        const again = before?.name === file.name;
        // An answer comes late: what was typed since then stays.
        if (!again) Object.assign(draft, { axes: file.axes, offset: file.offset.map(String) });
        const kept = again ? draft.mapping : {};
        draft.mapping = Object.fromEntries(file.values.map((/** @type {number[]} */ [value, , id]) => [value, kept[value] ?? id]));
      },
    );
    const classes = computed(() => link.state?.classes || []);
    const problem = computed(() => {
      const axes = axesProblem(draft.axes.replace(/\s/g, ""), props.file?.shape.length || 0);
      return axes || (draft.offset.every((one) => /^-?\d{1,9}$/.test(one.trim())) ? "" : "Offsets are whole numbers of pixels.");
    });
    const placed = () => ({ axes: draft.axes.replace(/\s/g, ""), offset: draft.offset.map(Number) });
    const look = () => {
      const now = placed();
      if (!problem.value && (now.axes !== props.file.axes || now.offset.join() !== props.file.offset.join()))
        emit("act", { name: "labelsLook", ...now });
    };
    const chosen = computed(() => Object.values(draft.mapping).filter(Boolean).length);
    const pixels = computed(() =>
      (props.file?.values || []).reduce((/** @type {number} */ sum, /** @type {number[]} */ [value, n]) => sum + (draft.mapping[value] ? n : 0), 0),
    );
    return {
      draft,
      classes,
      problem,
      look,
      chosen,
      pixels,
      counted,
      items: computed(() => [
        { id: 0, text: "Leave out" },
        ...classes.value.map((one) => ({ id: one.id, text: one.name, swatch: hex(one.colour) })),
      ]),
      name: (/** @type {number} */ id) => classes.value.find((one) => one.id === id)?.name || "Leave out",
      leave: () => emit("act", { name: "labelsLeave" }),
      go: () => emit("act", { name: "labelsImport", mapping: { ...draft.mapping }, ...placed() }),
      AXES: ["t", "z", "y", "x"],
    };
  },
  template: `
    <Dialog :title="file ? 'Labels of ' + file.name : ''" :open="!!file" small @close="leave">
      <template v-if="file">
        <div class="padded">
          <div class="form">
            <span>For</span>
            <span class="fg">{{ file.image }}</span>
            <label for="l-axes">Axes of the file</label>
            <span class="field s" :class="{ warn: problem }">
              <input id="l-axes" aria-label="Axes of the file" v-model="draft.axes" maxlength="12" spellcheck="false" @change="look" @keydown.enter.prevent="look">
              <span class="unit">{{ file.shape.join(' × ') }}</span>
            </span>
            <span>Offset, px</span>
            <span class="hstack">
              <span v-for="(axis, n) in AXES" class="field s">
                <span class="dim">{{ axis }}</span>
                <input v-model="draft.offset[n]" inputmode="numeric" :aria-label="'Offset along ' + axis" @change="look"
                    @keydown.enter.prevent="look">
              </span>
            </span>
          </div>
          <p class="note" role="status">
            {{ problem || (file.outside ? counted(file.outside, 'labelled pixel') + ' of the file lie outside of the image and are left out.' : '') }}
          </p>
        </div>
        <div class="scroll valuelist">
          <table v-if="file.values.length" class="tbl">
            <thead><tr><th class="num">Value</th><th class="num">Pixels</th><th>Becomes</th></tr></thead>
            <tbody>
              <tr v-for="[value, count] in file.values" :key="value">
                <td class="num">{{ value }}</td>
                <td class="num">{{ count.toLocaleString('en-US') }}</td>
                <td>
                  <Menu :name="'Value ' + value + ': ' + name(draft.mapping[value])" kind="field s select" :items="items"
                      @choose="draft.mapping[value] = $event"><span class="trunc">{{ name(draft.mapping[value]) }}</span><Icon n="down" /></Menu>
                </td>
              </tr>
            </tbody>
          </table>
          <p v-else class="note pad">Nothing of it lies inside the image: change the offset or the axes.</p>
        </div>
        <div class="foot">
          <span class="dim grow">{{ counted(pixels, 'pixel') }} will be painted; strokes that are there are painted over.</span>
          <button type="button" class="btn" @click="leave">Cancel</button>
          <button type="button" class="btn primary" :disabled="!chosen || !!problem" @click="go">Import</button>
        </div>
      </template>
    </Dialog>
  `,
};
