/** Texts of fields that follow what is known, but never take away what somebody is typing. */
import { reactive, watch } from "vue";
import { followed } from "./choosing.js";

/**
 * @template {string} K
 * @param {() => Record<K, string>} known
 * @param {() => string} whose another one: its texts, whatever was typed
 */
export function useDrafts(known, whose) {
  const texts = /** @type {Record<K, string>} */ (reactive({ ...known() }));
  const put = { ...texts };
  const all = () => /** @type {K[]} */ (Object.keys(put));
  /** @param {K[]} [keys] back to what is known */
  const reset = (keys = all()) => {
    const now = known();
    for (const key of keys) texts[key] = put[key] = now[key];
  };
  watch(
    () => JSON.stringify(known()),
    () => {
      const now = known();
      for (const key of all()) {
        texts[key] = followed(texts[key], put[key], now[key]);
        put[key] = now[key];
      }
    },
  );
  watch(whose, () => reset());
  /** What was typed was sent: the next that is known goes before it. @param {K[]} keys */
  const sent = (...keys) => {
    for (const key of keys) put[key] = texts[key];
  };
  /** Whether something was typed that was not sent. @param {K[]} keys */
  const isNew = (...keys) => keys.some((key) => texts[key] !== put[key]);
  return { texts, reset, sent, isNew };
}
