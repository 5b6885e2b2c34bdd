/** Steps 4 and 5: which classes objects are made of. */
import { computed } from "vue";
import { Icon } from "./basics.js";
import { choose, held } from "./export_store.js";
import { objectClasses, toggledClass } from "./export_words.js";
import { link } from "./link.js";

/**
 * Those of a kept classifier come from the server, which knows them by name; else those of the project.
 * @returns {{id: number, name: string, colour: number[]}[]}
 */
const classes = () => (held.wish.classifier && held.look.classes) || link.state?.classes || [];
const objectRows = () => objectClasses(classes(), held.wish.objects);

/** "nucleus, Cytoplasm" */
export function objectsText() {
  const names = objectRows().flatMap((row) => (row.on ? [row.name] : []));
  const gone = held.wish.objects.some((id) => !classes().some((one) => one.id === id));
  return [...names, ...(gone ? ["one that is gone"] : [])].join(", ");
}

/** A row of the form: a toggle for each class. */
export const ObjectClasses = {
  components: { Icon },
  setup() {
    const flip = (/** @type {{id: number, only: boolean}} */ row) => {
      if (row.id && !row.only) choose({ objects: toggledClass(classes(), held.wish.objects, row.id) });
    };
    const tip = (/** @type {{id: number, only: boolean, name: string}} */ row) => {
      if (!row.id) return "A class of the classifier that the project has no more";
      return row.only ? "Objects are made of one class at least" : row.name.length > 24 ? row.name : null;
    };
    return { rows: computed(objectRows), flip, tip, rgb: (/** @type {number[]} */ c) => `rgb(${c.join(" ")})` };
  },
  template: `
    <label>Classes</label>
    <div class="hstack wrap" role="group" aria-label="Classes that objects are made of">
      <button v-for="(row, n) in rows" :key="n" type="button" class="check colour" :class="{ on: row.on, off: !row.id }" role="checkbox"
          :aria-checked="row.on ? 'true' : 'false'" :aria-disabled="row.only || !row.id ? 'true' : null" :data-tip="tip(row)" @click="flip(row)">
        <i><Icon v-if="row.on" n="check" /></i>
        <span class="sw" :style="{ '--c': rgb(row.colour) }"></span><span class="colourname trunc">{{ row.name }}</span>
      </button>
    </div>
  `,
};
