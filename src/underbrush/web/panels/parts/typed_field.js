/** A field of a value that others change, too: what is being typed stays until it is done. */
import { nextTick, ref, watch } from "vue";

/** Emits `typed` with the text; then shows the value that came of it. */
export const TypedField = {
  props: {
    value: String,
    name: String,
    tip: { type: String, default: "" },
    /** As high as other fields of a form, not as those in rows. */
    tall: Boolean,
    /** Attributes of the field itself. */
    of: { type: Object, default: () => ({}) },
  },
  emits: ["typed"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const text = ref(props.value),
      typing = ref(false);
    watch(
      () => props.value,
      (value) => {
        if (!typing.value) text.value = value;
      },
    );
    const input = (/** @type {Event} */ event) => {
      typing.value = true;
      text.value = /** @type {HTMLInputElement} */ (event.target).value;
    };
    const done = async () => {
      typing.value = false;
      emit("typed", text.value);
      await nextTick();
      if (!typing.value) text.value = props.value;
    };
    return { text, input, done };
  },
  template: `<span class="field" :class="{ s: !tall }"><input v-bind="of" :value="text" :aria-label="name" :data-tip="tip || null" @input="input" @change="done"></span>`,
};
