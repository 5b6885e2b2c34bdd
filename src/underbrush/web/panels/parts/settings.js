/** What one person sets for all projects, and the offer of ilastik's keys to who comes from there. */
import { computed } from "vue";
import { Icon } from "./basics.js";
import { Choices } from "./exports.js";
import { Dialog } from "./keys.js";
import { link } from "./link.js";
import { choosePreset, preferences, PRESETS, setPreferences, SHIFT_WHEEL, WHEEL } from "./preferences.js";
import { isUsualExport, plainExport, UsualExport } from "./usual_export.js";
import { counted } from "./words.js";

/** @param {Readonly<Record<string, string>>} all */
const options = (all) => Object.entries(all).map(([id, text]) => ({ id, text }));

/** The dialog of the menu. */
export const SettingsDialog = {
  components: { Choices, Dialog, UsualExport },
  setup: () => ({
    link,
    preferences,
    presets: options(PRESETS),
    wheels: options(WHEEL),
    shiftWheels: options(SHIFT_WHEEL),
    changed: computed(() => {
      const n = Object.keys(preferences.keys).length;
      return n ? `Keys of ${counted(n, "action")} are changed.` : "No key is changed.";
    }),
    isUsual: computed(
      () =>
        preferences.preset === "underbrush" &&
        !Object.keys(preferences.keys).length &&
        preferences.wheel === "auto" &&
        preferences.shiftWheel === "brush" &&
        isUsualExport.value,
    ),
    choosePreset,
    set: setPreferences,
    usual: () => {
      setPreferences({ preset: "underbrush", keys: {}, wheel: "auto", shiftWheel: "brush" });
      plainExport();
    },
    change: () => {
      link.dialog = "changeKeys";
    },
    close: () => {
      link.dialog = "";
    },
  }),
  template: `
    <Dialog title="Settings" :open="link.dialog === 'settings'" small @close="close">
      <div class="settings scroll">
        <section>
          <h3>Keys</h3>
          <Choices name="Set of keys" :options="presets" :value="preferences.preset" @choose="choosePreset" />
          <p class="dim">{{ changed }}</p>
          <button type="button" class="btn s" @click="change">Change keys ...</button>
        </section>
        <section>
          <h3>Wheel</h3>
          <Choices name="Wheel" :options="wheels" :value="preferences.wheel" @choose="set({ wheel: $event })" />
          <p class="dim">Ctrl and wheel zooms always; Alt and wheel goes ten slices.</p>
        </section>
        <section>
          <h3>Shift and wheel</h3>
          <Choices name="Shift and wheel" :options="shiftWheels" :value="preferences.shiftWheel" @choose="set({ shiftWheel: $event })" />
          <p class="dim">Where an image has neither slices nor times, it is the size of the brush.</p>
        </section>
        <UsualExport />
      </div>
      <div class="foot">
        <span class="dim grow">
          {{ preferences.lasting ? 'Keys and wheel: for all projects, in all windows of this browser.' : 'This browser keeps no settings: they last as long as this window.' }}
        </span>
        <button type="button" class="btn" :disabled="isUsual" @click="usual">Usual settings</button>
        <button type="button" class="btn" @click="close">Close</button>
      </div>
    </Dialog>
  `,
};

/** Asked once of who opens a project of ilastik. */
export const KeysOffer = {
  components: { Icon },
  setup: () => ({
    shown: computed(() => !!link.state?.foreign && !preferences.offered && preferences.preset === "underbrush" && [2, 3].includes(link.step)),
    take: () => choosePreset("ilastik"),
    leave: () => setPreferences({ offered: true }),
  }),
  template: `
    <div class="shownslot">
      <div v-if="shown" class="callout info shown" role="status">
        <Icon n="info" />
        <span class="grow">This project was made with ilastik. Do you want ilastik's keys, too? They are under Edit, Settings.</span>
        <button type="button" class="btn s" @click="take">Use ilastik's keys</button>
        <button type="button" class="btn s" @click="leave">No</button>
      </div>
    </div>
  `,
};
