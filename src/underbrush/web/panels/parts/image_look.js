/** The picture of the chosen image below the table of step 1: any slice, time and channel, as its axes are now. */
import { computed, onBeforeUnmount, reactive, ref, watch } from "vue";
import { Icon, IconButton, Slider } from "./basics.js";
import { address, link } from "./link.js";
import { selection } from "./selection.js";
import { spot } from "./words.js";

const NAMES = /** @type {Record<string, string>} */ ({ t: "Time", z: "Slice", c: "Channel" });
const PLACES = /** @type {Record<string, number>} */ ({ t: 0, c: 1, z: 2 });
const KEY = "underbrush.imagelook";

/** The first of the chosen images. */
export const ImageLook = {
  components: { Icon, IconButton, Slider },
  setup() {
    const at = reactive(/** @type {Record<string, number>} */ ({ t: 0, z: 0, c: 0 }));
    const shut = ref(localStorage.getItem(KEY) === "shut");
    const wanted = ref("");
    const problem = ref(""),
      waits = ref(false);
    const lane = computed(() => (link.state?.lanes || []).find((one) => one.id === selection.lanes[0]) || null);
    const axes = computed(() =>
      lane.value ? ["t", "z", "c"].filter((a) => lane.value && lane.value.shape[PLACES[a]] > 1 && !(a === "c" && lane.value.rgb)) : [],
    );
    const size = (/** @type {string} */ axis) => lane.value?.shape[PLACES[axis]] || 1;
    watch(
      () => [lane.value?.id, lane.value?.v, lane.value?.shape.join()],
      () => Object.assign(at, { t: 0, z: size("z") >> 1, c: 0 }),
      { immediate: true },
    );
    let soon = 0;
    // A slider that is dragged asks for where it comes to rest, and now and then on the way.
    watch(
      () => [lane.value && !lane.value.missing && link.step === 1 && !shut.value ? lane.value.id : "", lane.value?.v, at.t, at.z, at.c],
      ([id, v]) => {
        clearTimeout(soon);
        if (!id) {
          wanted.value = "";
          return;
        }
        const make = () => {
          const query = new URLSearchParams({ v: String(v), t: String(at.t), z: String(at.z), c: String(at.c) });
          const next = address(`/api/p/${link.project}/lanes/${id}/picture?${query}`);
          if (next === wanted.value) return;
          wanted.value = next;
          waits.value = true;
          problem.value = "";
        };
        if (wanted.value) soon = window.setTimeout(make, 60);
        else make();
      },
      { immediate: true },
    );
    onBeforeUnmount(() => clearTimeout(soon));
    const failed = async () => {
      waits.value = false;
      const said = await fetch(wanted.value)
        .then((answer) => (answer.ok ? { sentence: "" } : answer.json()))
        .catch(() => ({}));
      problem.value = said.sentence ?? "The picture cannot be had now; choose the image again.";
    };
    return {
      lane, at, axes, size, spot, wanted, problem, waits, failed, shut, NAMES,
      channel: (/** @type {number} */ n) => lane.value?.channels[n] || "",
      fold: () => {
        shut.value = !shut.value;
        localStorage.setItem(KEY, shut.value ? "shut" : "open");
      },
      come: () => {
        waits.value = false;
        problem.value = "";
      },
    }; // prettier-ignore
  },
  template: `
    <section v-if="lane" class="imagelook" :class="{ shut }" aria-label="Picture of the chosen image">
      <div class="lookhead">
        <h3 class="trunc" :data-tip="lane.nickname">{{ lane.nickname }}</h3>
        <template v-if="!shut">
          <label v-for="axis in axes" :key="axis" class="hstack lookaxis">
            <span>{{ NAMES[axis] }}</span>
            <Slider :name="NAMES[axis]" :min="0" :max="size(axis) - 1" :step="1" :value="at[axis]" @slide="at[axis] = $event" />
            <span class="fg pos">{{ axis === 'c' && channel(at.c) ? channel(at.c) : spot(at[axis], size(axis)) }}</span>
          </label>
        </template>
        <span class="grow"></span>
        <IconButton icon="down" :class="{ up: shut }" :name="shut ? 'Show the picture' : 'Fold the picture'" @click="fold" />
      </div>
      <div v-if="!shut" class="lookpicture">
        <p v-if="lane.missing" class="dim">The file is missing.</p>
        <p v-else-if="problem" class="dim anywhere" role="alert">{{ problem }}</p>
        <img v-else-if="wanted" :src="wanted" :class="{ old: waits }" alt="" @load="come" @error="failed">
      </div>
    </section>
  `,
};
