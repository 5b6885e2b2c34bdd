/** Tools and brush sizes; undo and redo. */
import { computed } from "vue";
import { Icon, IconButton, Menu } from "./basics.js";
import { app, keysOf, link, undoable } from "./link.js";
import { TypedField } from "./typed_field.js";

const TOOLS = [
  ["navigate", "hand", "Navigate"],
  ["brush", "brush", "Brush"],
  ["eraser", "eraser", "Eraser"],
  ["pick", "pick", "Pick the class under the cursor"],
];
/** What is chosen under *More*. @type {Record<string, string>} */
const MORE = { fill: "Fill", lasso: "Lasso", level: "Contrast" };
const SIZES = [1, 3, 5, 7, 11, 23, 31, 61];
const RADII = [1, 1.6, 2.3, 3.1, 4.2, 5.6, 7.2, 9];

/** The section of the tools. */
export const Tools = {
  components: { Icon, IconButton, Menu, TypedField },
  setup() {
    const key = (/** @type {string} */ action) => keysOf(action).join(" ");
    const more = computed(() => [
      { id: "fill", text: "Fill", keys: keysOf("tool:fill"), on: link.tool.tool === "fill" },
      { id: "lasso", text: "Lasso", keys: keysOf("tool:lasso"), on: link.tool.tool === "lasso" },
      { id: "level", text: "Contrast by dragging", keys: keysOf("tool:level"), on: link.tool.tool === "level" },
      { line: true },
      { head: "Thin strokes in different places teach more than filled areas." },
    ]);
    const chosen = computed(() => (link.tool.tool in MORE ? MORE[link.tool.tool] : ""));
    const sized = computed(() => ["brush", "eraser"].includes(link.tool.tool));
    const roving = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1 })[event.key];
      if (!by) return;
      const all = /** @type {HTMLElement[]} */ ([
        .../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("button:not(:disabled)"),
      ]);
      const next = all[(all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by + all.length) % all.length];
      next.focus();
      if (next.getAttribute("role") === "radio") next.click();
      event.preventDefault();
      event.stopPropagation();
    };
    return {
      TOOLS,
      SIZES,
      RADII,
      link,
      key,
      more,
      chosen,
      sized,
      roving,
      can: undoable,
      undoTip: computed(() => (undoable("undo") ? `Undo: ${link.state?.undo}` : "Nothing to undo")),
      redoTip: computed(() => (undoable("redo") ? `Redo: ${link.state?.redo}` : "Nothing to redo")),
      choose: (/** @type {string} */ tool) => app()?.setTool(tool),
      size: (/** @type {number} */ n) => app()?.setBrushSize(n),
      undo: () => app()?.undo(),
      redo: () => app()?.redo(),
      fillBy: (/** @type {string} */ by) => app()?.setFill({ by, tolerance: link.tool.fill?.tolerance ?? 10 }),
      tolerance: (/** @type {string} */ text) => app()?.setFill({ by: "value", tolerance: Number(text) || 0 }),
    };
  },
  template: `
    <section class="sec">
      <div class="sec-h">
        <h3>Tools</h3>
        <IconButton icon="undo" :name="undoTip" :keyed="key('undo')" :disabled="!can('undo')"
            @click="undo" />
        <IconButton icon="redo" :name="redoTip" :keyed="key('redo')" :disabled="!can('redo')"
            @click="redo" />
      </div>
      <div class="seg" role="toolbar" aria-label="Tools" @keydown="roving">
        <button v-for="[id, icon, name] in TOOLS" type="button" :aria-pressed="link.tool.tool === id ? 'true' : 'false'"
            :aria-label="name" :data-tip="name" :data-key="id === 'pick' ? key('pick') && key('pick') + ' + click' : key('tool:' + id)" @click="choose(id)">
          <Icon :n="icon" />
        </button>
        <Menu name="More tools" :items="more" kind="seg-more" tip="Fill, lasso, contrast by dragging" :pressed="chosen ? 'true' : 'false'"
            @choose="choose">
          <span class="more-t">{{ chosen || 'More' }}</span>
          <Icon n="down" />
        </Menu>
      </div>
      <template v-if="link.tool.tool === 'fill'">
        <div class="hstack sizehead"><span class="grow">Fill</span></div>
        <div class="seg s" role="radiogroup" aria-label="Fill what">
          <button type="button" :aria-pressed="link.tool.fill?.by !== 'value' ? 'true' : 'false'"
              data-tip="The whole connected area of one class or of none" @click="fillBy('label')">
            Same label
          </button>
          <button type="button" :aria-pressed="link.tool.fill?.by === 'value' ? 'true' : 'false'"
              data-tip="Connected pixels of similar value" @click="fillBy('value')">
            Similar value
          </button>
        </div>
        <label v-if="link.tool.fill?.by === 'value'" class="hstack sizehead">
          <span class="grow">Tolerance</span>
          <TypedField class="short" :value="String(link.tool.fill?.tolerance ?? '')" name="Tolerance" :of="{ type: 'number', min: 0 }" @typed="tolerance" />
        </label>
      </template>
      <p v-else-if="link.tool.tool === 'lasso'" class="note sizehead">Draw round an area; it is filled with the class.</p>
      <p v-else-if="link.tool.tool === 'level'" class="note sizehead">Drag over the image: up for more contrast, to the right for brighter.</p>
      <template v-else>
        <div class="hstack sizehead"><span class="grow">Size</span><span class="fg">{{ link.tool.size }} px</span></div>
        <div class="steps" role="radiogroup" aria-label="Brush size" @keydown="roving">
          <button v-for="(n, at) in SIZES" type="button" role="radio" :aria-checked="link.tool.size === n ? 'true' : 'false'"
              :aria-pressed="link.tool.size === n ? 'true' : 'false'" :tabindex="link.tool.size === n ? 0 : -1"
              :disabled="!sized" :aria-label="n + ' px'" :data-tip="n + ' px'"
              :data-key="key('brush:smaller') + ' ' + key('brush:larger')" @click="size(n)">
            <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
              <circle cx="11" cy="11" :r="RADII[at]" fill="currentColor" />
            </svg>
          </button>
        </div>
      </template>
    </section>
  `,
};
