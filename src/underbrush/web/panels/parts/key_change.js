/** Changing keys: press one in the place of another; whose it was is asked, never taken silently. */
import { nextTick, onBeforeUnmount, ref } from "vue";
import { Icon, IconButton } from "./basics.js";
import { isChanged, ownerOf, withKey, withoutKey, withUsual } from "./keychoice.js";
import { app, link } from "./link.js";
import { preferences, setPreferences } from "./preferences.js";

/** @typedef {import("./types").KeyRow & {own: string[], usual: string[]}} Row */
/** What is listened for: an action, and the key in whose place the new one comes (null: besides). @typedef {{action: string, before: string | null}} Wish */

/** All rows, with keys that are buttons. */
export const KeyChange = {
  components: { Icon, IconButton },
  props: { groups: Array },
  setup() {
    const wish = ref(/** @type {Wish | null} */ (null)),
      said = ref(""),
      asked = ref(/** @type {{wish: Wish, key: string, caps: string[], owner: Row, title: string} | null} */ (null)),
      root = ref(/** @type {HTMLElement | null} */ (null));
    const rows = () => /** @type {Row[]} */ (link.keys);
    const idOf = (/** @type {Wish} */ one) => `${one.action} ${one.before ?? "+"}`;
    let alone = "";
    /** The button that was pressed, or what stands in its place now. @param {string} action @param {string} key */
    const focusOn = async (action, key) => {
      await nextTick();
      const all = /** @type {HTMLElement[]} */ ([...(root.value?.querySelectorAll("[data-of]") || [])]);
      (all.find((one) => one.dataset.of === `${action} ${key}`) || all.find((one) => one.dataset.of === `${action} +`))?.focus();
    };
    const stop = () => {
      const before = wish.value;
      wish.value = null;
      alone = "";
      window.removeEventListener("keydown", press, true);
      window.removeEventListener("keyup", release, true);
      window.removeEventListener("pointerdown", stop, true);
      if (before) focusOn(before.action, before.before ?? "+");
    };
    const listen = (/** @type {string} */ action, /** @type {string | null} */ before) => {
      said.value = "";
      asked.value = null;
      wish.value = { action, before };
      window.addEventListener("keydown", press, true);
      window.addEventListener("keyup", release, true);
      window.addEventListener("pointerdown", stop, true);
    };
    const set = (/** @type {Wish} */ { action, before }, /** @type {string} */ key) => {
      setPreferences({ keys: withKey(rows(), action, key, before) });
      focusOn(action, key);
    };
    const take = (/** @type {KeyboardEvent} */ event) => {
      const of = wish.value,
        found = of && app()?.nameKey(event, of.action);
      if (!of || !found) return;
      stop();
      said.value = found.refusal ? `${found.refusal} Choose another one.` : "";
      if (found.refusal) return;
      const owner = ownerOf(rows(), found.key, of.action);
      if (!owner) return set(of, found.key);
      const title = rows().find((row) => row.action === of.action)?.title || "";
      asked.value = { wish: of, key: found.key, caps: found.caps, owner: /** @type {Row} */ (owner), title };
      nextTick().then(() => /** @type {HTMLElement | null} */ (root.value?.querySelector(".callout .btn"))?.focus());
    };
    /** @param {KeyboardEvent} event */
    function press(event) {
      event.preventDefault();
      event.stopImmediatePropagation();
      alone = "";
      if (event.repeat) return;
      if (event.key === "Escape") stop();
      else if (event.key === "Shift" || event.key === "Alt") alone = event.key; // a key of its own only if no other follows
      else if (!["Control", "Meta", "AltGraph"].includes(event.key)) take(event);
    }
    /** @param {KeyboardEvent} event */
    function release(event) {
      if (alone && event.key === alone) take(event);
    }
    const answer = (/** @type {boolean} */ yes) => {
      const one = asked.value;
      asked.value = null;
      if (!one) return;
      if (yes) set(one.wish, one.key);
      else focusOn(one.wish.action, one.wish.before ?? "+");
    };
    onBeforeUnmount(stop);
    return {
      root,
      wish,
      said,
      asked,
      answer,
      listen,
      isChanged,
      preferences,
      isWished: (/** @type {string} */ action, /** @type {string | null} */ before) => !!wish.value && idOf(wish.value) === idOf({ action, before }),
      remove: (/** @type {Row} */ row, /** @type {string} */ key) => {
        setPreferences({ keys: withoutKey(rows(), row.action, key) });
        focusOn(row.action, "+");
      },
      usual: (/** @type {Row} */ row) => {
        setPreferences({ keys: withUsual(rows(), row.action) });
        focusOn(row.action, "+");
      },
    };
  },
  template: `
    <div class="vstack changing" ref="root">
      <div v-if="asked" class="callout inset" role="alert">
        <Icon n="warn" />
        <p class="grow"><kbd v-for="cap in asked.caps">{{ cap }}</kbd> is the key of “{{ asked.owner.title }}”.</p>
        <button type="button" class="btn s" @click="answer(true)">Give it to “{{ asked.title }}”</button>
        <button type="button" class="btn s" @click="answer(false)">Leave it</button>
      </div>
      <div v-else-if="said" class="callout inset" role="alert"><Icon n="warn" /><p class="grow">{{ said }}</p></div>
      <p v-else class="note pad" role="status">
        {{ wish ? 'Press the new key. Esc leaves it as it was.' : 'Choose a key to press another one in its place; Del takes it away.' }}
        <template v-if="!preferences.lasting"> This browser keeps no settings: they last as long as this window.</template>
      </p>
      <div class="keys scroll">
        <section v-for="[group, rows] in groups">
          <h3>{{ group }}</h3>
          <div v-for="row in rows" :key="row.action">
            <span class="trunc" :class="{ strong: isChanged(row) }" :data-tip="row.note || null">{{ row.title }}</span>
            <span class="k">
              <span v-if="row.conflict" class="warned" data-tip="Another action has this key, and keeps it"><Icon n="warn" /></span>
              <button v-for="(keys, n) in row.keys" type="button" class="keychip" :class="{ on: isWished(row.action, row.own[n]) }"
                  :data-of="row.action + ' ' + row.own[n]" :aria-label="row.title + ': ' + keys.join(' ')"
                  data-tip="Another key in its place; Del takes it away" @click="listen(row.action, row.own[n])"
                  @keydown.delete.stop.prevent="remove(row, row.own[n])">
                <template v-if="isWished(row.action, row.own[n])">Press a key</template>
                <kbd v-else v-for="key in keys">{{ key }}</kbd>
              </button>
              <button v-if="isWished(row.action, null)" type="button" class="keychip on" :data-of="row.action + ' +'">Press a key</button>
              <IconButton v-else icon="plus" :name="'One more key: ' + row.title" :data-of="row.action + ' +'" @click="listen(row.action, null)" />
              <IconButton v-if="isChanged(row)" icon="undo" :name="'Usual keys: ' + row.title" @click="usual(row)" />
            </span>
          </div>
        </section>
      </div>
    </div>
  `,
};
