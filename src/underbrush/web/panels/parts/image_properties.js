/** Step 1, right: what the selected images are called and how they are understood; one or several at a time. */
import { computed, ref, watch } from "vue";
import { Icon, Menu } from "./basics.js";
import { axesProblem, common } from "./choosing.js";
import { typed } from "./contrast.js";
import { useDrafts } from "./drafts.js";
import { address, command, link, say } from "./link.js";
import { UNITS, commonFields, sizesOf } from "./pixel_sizes.js";
import { valuesOf } from "./image_values.js";
import { selection } from "./selection.js";
import { bytes, counted, sizes } from "./words.js";

/** Above it who embeds images is asked first (bytes): each save writes them anew. */
const ASK = 200e6;
/** Bytes of a pixel by its type. @param {string} dtype */
const itemSize = (dtype) => Number(dtype.match(/\d+$/)?.[0] ?? 8) / 8;

const STORAGE = /** @type {Record<string, string>} */ ({
  relative: "Link, relative",
  absolute: "Link, absolute",
  embedded: "Embedded",
  address: "Address on the net",
});

/** Properties of the selected rows, and their masks. */
export const ImageProperties = {
  components: { Icon, Menu },
  props: { facts: { type: Object, default: () => ({}) }, copying: { type: Object, default: null } },
  emits: ["act"],
  setup(/** @type {any} */ props, /** @type {any} */ { emit }) {
    const asking = ref(0);
    const lanes = computed(() => (link.state?.lanes || []).filter((lane) => selection.lanes.includes(lane.id)));
    const one = computed(() => (lanes.value.length === 1 ? lanes.value[0] : null));
    const facts = computed(() => lanes.value.map((lane) => props.facts[lane.id] || {}));
    const sameAxes = computed(() => common(lanes.value.map((lane) => lane.axes)));
    const count = computed(() => common(lanes.value.map((lane) => lane.axes.length)));
    const range = computed(() => common(lanes.value.map((lane) => (lane.range ? lane.range.join(" ") : ""))));
    const chosen = () => selection.lanes.join(" ");
    const { texts, reset, sent, isNew } = useDrafts(() => {
      const [low, high] = range.value ? range.value.split(" ") : ["", ""];
      return { nickname: one.value?.nickname || "", axes: [...(sameAxes.value || "")].join(" "), low, high };
    }, chosen);
    const problem = computed(() => {
      const text = texts.axes.replace(/[\s,]/g, "");
      return !text || text === sameAxes.value ? "" : axesProblem(text, count.value || 0);
    });
    const each = async (/** @type {(lane: any) => Record<string, unknown>} */ make) => {
      for (const lane of lanes.value)
        if (!(await command(make(lane))).ok) {
          reset();
          return false;
        }
      return true;
    };
    const rename = () => {
      const name = texts.nickname.trim();
      if (!isNew("nickname")) return;
      if (!one.value || !name || name === one.value.nickname) return reset(["nickname"]);
      sent("nickname");
      each((lane) => ({ type: "edit_lane", id: lane.id, nickname: name }));
    };
    const setAxes = async () => {
      if (!isNew("axes")) return;
      const text = texts.axes.replace(/[\s,]/g, "");
      if (!text || text === sameAxes.value) return reset(["axes"]);
      if (problem.value) return say(`${problem.value} ${counted(lanes.value.length, "image")} stay as they are.`, { level: "warning" });
      sent("axes");
      const before = sameAxes.value ? [...sameAxes.value].join(" ") : "";
      // What happens to strokes is told by the server, as a notice for each image.
      if ((await each((lane) => ({ type: "set_axes", id: lane.id, axes: text }))) && !link.toast)
        say(`Read as ${[...text].join(" ")}${before ? `, before ${before}` : ""}; strokes stay on their pixels.`, { undo: !!one.value });
    };
    /** Both ends are one range: it counts once both were typed. @param {FocusEvent} [event] */
    const setRange = (event) => {
      const pair = /** @type {Node | undefined} */ (event?.currentTarget);
      if (pair?.contains(/** @type {Node | null} */ (event?.relatedTarget ?? null))) return;
      if (!isNew("low", "high")) return;
      const [a, b] = [typed(texts.low), typed(texts.high)];
      if (texts.low.trim() === "" && texts.high.trim() === "") return reset(["low", "high"]);
      if (a === null || b === null || !(a < b)) {
        reset(["low", "high"]);
        return say("The range needs two numbers, the lower first.", { level: "warning" });
      }
      if (range.value === `${a} ${b}`) return reset(["low", "high"]);
      sent("low", "high");
      each((lane) => ({ type: "edit_lane", id: lane.id, display_range: [a, b], normalize_display: true }));
    };
    const display = (/** @type {string} */ way) => {
      if (way === "auto") each((lane) => ({ type: "edit_lane", id: lane.id, normalize_display: false }));
      else {
        const largest = one.value?.dtype === "uint16" ? 65535 : 255;
        each((lane) => ({ type: "edit_lane", id: lane.id, display_range: [0, largest], normalize_display: true }));
      }
    };
    const unit = ref("");
    const pixels = computed(() => commonFields(lanes.value.map((lane) => lane.pixel_size || {})));
    const knownSizes = () => ({ flat: pixels.value.flat ?? "", deep: pixels.value.deep ?? "" });
    const drafts = useDrafts(knownSizes, chosen);
    watch([chosen, () => pixels.value.unit], ([, now]) => (unit.value = now ?? "µm"), { immediate: true });
    const resetSize = () => {
      drafts.reset();
      unit.value = pixels.value.unit ?? "µm";
    };
    const sized = async (/** @type {(lane: any) => any} */ make) => {
      const all = lanes.value.map((lane) => [lane.id, make(lane)]);
      const wrong = all.map(([, sizes]) => sizes).find((sizes) => typeof sizes === "string");
      if (wrong) {
        resetSize();
        return say(wrong, { level: "warning" });
      }
      for (const [id, sizes] of all) if (!(await command({ type: "edit_lane", id, pixel_size: sizes })).ok) return resetSize();
    };
    /**
     * Only what was typed is changed, where several images differ; all that was typed, also what is on its way.
     * @param {"flat" | "deep" | "unit"} what
     */
    const setSize = (what) => {
      if (what !== "unit" && !drafts.isNew(what)) return;
      const was = knownSizes(),
        [flat, deep] = [drafts.texts.flat.trim(), drafts.texts.deep.trim()];
      if (what === "unit" ? unit.value === (pixels.value.unit ?? "µm") : (what === "flat" ? flat === was.flat : deep === was.deep))
        return;
      drafts.sent("flat", "deep");
      sized((lane) => {
        const own = commonFields([lane.pixel_size || {}]);
        const typedIn = { flat: flat === was.flat ? null : flat, deep: deep === was.deep ? null : deep };
        if (what !== "unit") return sizesOf(lane.pixel_size || {}, { ...typedIn, unit: unit.value });
        // The number stays and has another unit: who mends a unit means that.
        return sizesOf(lane.pixel_size || {}, { flat: typedIn.flat ?? own.flat, deep: typedIn.deep ?? own.deep, unit: unit.value });
      });
    };
    const storage = computed(() => common(facts.value.map((fact) => fact.storage || "")));
    const linkable = computed(() => facts.value.every((fact) => ["relative", "absolute"].includes(fact.storage)));
    const embedded = computed(() => storage.value === "embedded");
    const there = computed(() => lanes.value.every((lane) => !lane.missing));
    const embed = (/** @type {boolean} */ sure = false) => {
      const size = lanes.value.reduce((sum, lane) => sum + lane.shape.reduce((a, b) => a * b, 1) * itemSize(lane.dtype), 0);
      asking.value = size > ASK && !sure ? size : 0;
      if (!asking.value) emit("act", { name: "embed", lanes: [...selection.lanes] });
    };
    watch(chosen, () => (asking.value = 0));
    return {
      link,
      lanes,
      one,
      texts,
      range,
      count,
      problem,
      rename,
      setAxes,
      setRange,
      display,
      counted,
      sizes,
      valuesOf,
      sizeTexts: drafts.texts,
      unit,
      pixels,
      setSize,
      resetSize,
      volumes: computed(() => lanes.value.some((lane) => lane.shape[2] > 1)),
      units: computed(() => UNITS.map((id) => ({ id, text: id, on: unit.value === id }))),
      setUnit: (/** @type {string} */ id) => {
        unit.value = id;
        setSize("unit");
      },
      asInFile: () => sized(() => ({})),
      reset,
      locked: computed(() => !!link.state?.read_only),
      picture: computed(
        () =>
          lanes.value[0] &&
          !lanes.value[0].missing &&
          address(`/api/p/${link.project}/lanes/${lanes.value[0].id}/thumbnail?v=${encodeURIComponent(lanes.value[0].v)}`),
      ),
      displays: computed(() => [
        { text: "Automatic, 0.1 to 99.9 %", id: "auto", on: range.value === "" },
        { text: "Own range", id: "own", on: !!range.value },
      ]),
      storageText: computed(() => (storage.value === null ? "several" : STORAGE[storage.value] || storage.value || "–")),
      storages: computed(() => /** @type {any[]} */ ([
        { text: STORAGE.relative, id: "relative", on: storage.value === "relative", off: !facts.value.every((fact) => fact.below) },
        { text: STORAGE.absolute, id: "absolute", on: storage.value === "absolute" },
      ]).map((one) => ({ ...one, off: one.off || !linkable.value })).concat([
        { line: true },
        { text: "Embedded, a copy in the project", id: "embed", on: embedded.value, off: embedded.value || !there.value },
        { text: "Written out, as a file beside it", id: "unembed", on: false, off: !embedded.value || !there.value },
      ])),
      store: (/** @type {string} */ way) => {
        if (way === "embed") embed();
        else if (way === "unembed") emit("act", { name: "unembed", lanes: [...selection.lanes] });
        else emit("act", { name: "link", lanes: [...selection.lanes], relative: way === "relative" });
      },
      asking,
      embed,
      bytes,
      share: computed(() => (props.copying?.total ? Math.round((100 * props.copying.done) / props.copying.total) : 0)),
      stop: () => emit("act", { name: "embedStop" }),
      own: facts,
      levels: computed(() =>
        one.value
          ? (facts.value[0].levels || []).map((/** @type {any} */ row) => ({ text: row.text, id: String(row.level), on: row.on }))
          : [],
      ),
      setLevel: (/** @type {string} */ n) => emit("act", { name: "level", lanes: [...selection.lanes], level: Number(n) }),
      otherDataset: () => emit("act", { name: "replace", lanes: [...selection.lanes], paths: [facts.value[0].container] }),
      level: computed(() => common(facts.value.map((fact) => fact.level || "–")) ?? "several"),
      parked: computed(() => facts.value.reduce((sum, fact) => sum + (fact.parked || 0), 0)),
      masks: computed(() => facts.value.filter((fact) => fact.mask)),
      mask: () => {
        link.dialog = "mask";
      },
      unmask: () => each((lane) => ({ type: "set_mask", id: lane.id, source: null })),
    };
  },
  template: `
    <div>
      <section v-if="!lanes.length" class="sec">
        <div class="sec-h"><h3>Properties</h3></div>
        <p class="note">Select an image in the table, or several with Shift or Ctrl.</p>
      </section>
      <template v-else>
        <section class="sec">
          <div class="sec-h"><h3>Properties{{ lanes.length > 1 ? ', ' + lanes.length + ' rows' : '' }}</h3></div>
          <div class="preview">
            <img v-if="picture" :key="picture" :src="picture" alt="">
            <span v-else class="dim">{{ lanes[0].missing ? 'The file is missing.' : '' }}</span>
          </div>
          <div class="form props">
            <label for="p-name">Nickname</label>
            <span class="field s" :class="{ off: !one || locked }">
              <input id="p-name" aria-label="Nickname" v-model="texts.nickname" :placeholder="one ? '' : 'several'" :disabled="!one || locked" maxlength="500"
                  @change="rename" @keydown.enter.prevent="rename" @keydown.esc.stop="reset()">
            </span>
            <label for="p-axes">Axes</label>
            <span class="field s" :class="{ warn: problem, off: !count || locked }">
              <input id="p-axes" aria-label="Axes" v-model="texts.axes" :placeholder="count ? 'several' : 'of several kinds'" :disabled="!count || locked"
                  spellcheck="false" maxlength="12" data-tip="One letter for each axis of the file: t c z y x" @change="setAxes"
                  @keydown.enter.prevent="setAxes" @keydown.esc.stop="reset()">
            </span>
            <template v-if="problem"><span></span><span class="dim" role="status">{{ problem }}</span></template>
            <template v-if="one">
              <span>Sizes</span>
              <span class="fg">{{ sizes(one.shape, one.axes) }}</span>
              <template v-if="valuesOf(one)">
                <span>Values</span>
                <span class="fg" data-tip="Of a sample of the first channel">{{ one.dtype }}, {{ valuesOf(one) }}</span>
              </template>
            </template>
            <span>Display</span>
            <Menu name="Display" :text="range === null ? 'several' : range ? 'Own range' : '0.1 to 99.9 %'" kind="field s select"
                :items="displays" @choose="locked || display($event)">
              <span class="trunc">{{ range === null ? 'several' : range ? 'Own range' : '0.1 to 99.9 %' }}</span><Icon n="down" />
            </Menu>
            <template v-if="range">
              <span></span>
              <span class="hstack" @focusout="setRange">
                <span class="field s"><input v-model="texts.low" inputmode="decimal" aria-label="Shown as black" :disabled="locked"
                    @keydown.enter.prevent="setRange()" @keydown.esc.stop="reset(['low', 'high'])"></span>
                <span class="dim">to</span>
                <span class="field s"><input v-model="texts.high" inputmode="decimal" aria-label="Shown as white" :disabled="locked"
                    @keydown.enter.prevent="setRange()" @keydown.esc.stop="reset(['low', 'high'])"></span>
              </span>
            </template>
            <span>Storage</span>
            <Menu v-if="!locked && !copying" name="Storage" :text="storageText" kind="field s select" :items="storages" right @choose="store">
              <span class="trunc">{{ storageText }}</span><Icon n="down" />
            </Menu>
            <span v-else-if="copying" class="hstack" role="status">
              <span class="prog grow"><i :style="{ width: share + '%' }"></i></span>
              <span class="fg">{{ share }} %</span>
              <button type="button" class="btn-quiet fg" :data-tip="'Copying ' + copying.name + '; nothing changes when it is stopped'" @click="stop">Stop</button>
            </span>
            <span v-else class="fg">{{ storageText }}</span>
            <span>Level</span>
            <Menu v-if="levels.length && !locked" name="Level" :text="level" kind="field s select" :items="levels" @choose="setLevel">
              <span class="trunc">{{ level }}</span><Icon n="down" />
            </Menu>
            <span v-else class="fg">{{ level }}</span>
            <template v-if="one && own[0].inner">
              <span>Dataset</span>
              <span class="hstack">
                <span class="fg trunc grow" :data-tip="own[0].inner">{{ own[0].inner }}</span>
                <button v-if="!locked && own[0].container" type="button" class="btn-quiet fg" data-tip="Another image of the same file"
                    @click="otherDataset">
                  Change
                </button>
              </span>
            </template>
            <label for="p-flat">Pixel size</label>
            <span class="hstack">
              <span class="field s grow" :class="{ off: locked }">
                <input id="p-flat" v-model="sizeTexts.flat" inputmode="decimal" :disabled="locked" aria-label="Size of a pixel along x and y"
                    :placeholder="pixels.flat === null ? 'several' : 'not known'" maxlength="40"
                    data-tip="Along x and y; two numbers where they differ" @change="setSize('flat')" @keydown.enter.prevent="setSize('flat')"
                    @keydown.esc.stop="resetSize">
              </span>
              <Menu v-if="!locked" name="Unit of the pixel size" :text="unit" kind="btn s" :items="units" right @choose="setUnit">
                <span>{{ unit }}</span><Icon n="down" />
              </Menu>
              <span v-else class="fg">{{ unit }}</span>
            </span>
            <template v-if="volumes">
              <label for="p-deep">Slices apart</label>
              <span class="hstack">
                <span class="field s grow" :class="{ off: locked }">
                  <input id="p-deep" v-model="sizeTexts.deep" inputmode="decimal" :disabled="locked" aria-label="Distance of slices, along z"
                      :placeholder="pixels.deep === null ? 'several' : 'not known'" maxlength="40" data-tip="From one slice to the next, along z"
                      @change="setSize('deep')" @keydown.enter.prevent="setSize('deep')" @keydown.esc.stop="resetSize">
                </span>
                <span class="fg">{{ unit }}</span>
              </span>
            </template>
            <template v-if="!locked && own.some((fact) => fact.sized)">
              <span></span>
              <button type="button" class="btn-quiet fg asfile" data-tip="Forget what was typed here" @click="asInFile">As in the file</button>
            </template>
            <template v-if="one">
              <span>Channels</span>
              <span class="fg trunc" :data-tip="one.channels.join(', ')">
                {{ one.channels.length ? one.channels.join(', ') : one.shape[1] > 1 ? one.shape[1] + ', without names' : 'one' }}
              </span>
            </template>
          </div>
          <div v-if="asking" class="callout" style="margin: 12px 0" role="group" aria-label="Embed">
            <div class="grow">
              <p class="below">Copy {{ bytes(asking) }} into the project? It grows by as much, and each save writes all of it.</p>
              <div class="hstack">
                <button type="button" class="btn s primary" @click="embed(true)">Copy</button>
                <button type="button" class="btn s" @click="asking = 0">Leave the link</button>
              </div>
            </div>
          </div>
          <p class="note below2">Changing axes keeps the strokes where they still fit.</p>
          <p v-if="parked" class="note">
            {{ counted(parked, 'labelled pixel') }} {{ parked === 1 ? 'has' : 'have' }} no place in these axes and
            {{ parked === 1 ? 'comes' : 'come' }} back when they are changed back.
          </p>
        </section>
        <section class="sec">
          <div class="sec-h"><h3>{{ lanes.length > 1 ? 'Masks' : 'Mask' }}</h3></div>
          <p v-if="masks.length && one" class="fg below trunc" :data-tip="masks[0].mask">{{ masks[0].mask }}</p>
          <p v-else-if="masks.length" class="fg below">{{ masks.length }} of {{ lanes.length }} have one.</p>
          <div v-if="!locked" class="hstack">
            <button type="button" class="btn s grow" @click="mask"
                :data-tip="one ? 'Results are 0 where the mask is 0' : 'Choose as many files as images, in the same order'">
              <Icon n="plus" />{{ masks.length ? 'Replace' : one ? 'Add a mask' : 'Add masks' }}
            </button>
            <button v-if="masks.length" type="button" class="btn s grow" @click="unmask">Remove</button>
          </div>
        </section>
      </template>
    </div>
  `,
};
