/** Step 4: results of the project's images. */
import { computed } from "vue";
import { Icon, Menu } from "./basics.js";
import { anyBusy, busy, cancel, choose, copyText, held, openFolder, reset, retry, start, which } from "./export_store.js";
import {
  axesReason,
  FORMATS,
  freeAxes,
  isShare,
  jobText,
  leftText,
  marked,
  nameOf,
  orders,
  RESULTS,
  same,
  scalings,
  sizeText,
  spaced,
  STATES,
  timeText,
  totalBytes,
  typesOf,
  wholeOrNull,
} from "./export_words.js";
import { DeleteResults } from "./export_results.js";
import { link, shownLane } from "./link.js";
import { ObjectClasses } from "./object_classes.js";
import { ResultPicture } from "./result_picture.js";
import { TypedField } from "./typed_field.js";
import { bytes, capital, counted, dayAndTime, pixelSize } from "./words.js";

/** A field that opens a list. Options: `{id, text, off?}`; `value` is the id of the chosen one. */
export const Select = {
  components: { Icon, Menu },
  props: { name: String, options: Array, value: {}, off: Boolean, text: { type: String, default: "" } },
  emits: ["choose"],
  setup(/** @type {any} */ props) {
    const items = computed(() => props.options.map((/** @type {any} */ one) => ({ ...one, on: same(one.id, props.value) })));
    const shown = computed(() => props.text || items.value.find((/** @type {any} */ one) => one.on)?.text || "");
    return { items, shown };
  },
  template: `
    <span v-if="off" class="field select off" :aria-label="name" aria-disabled="true"><span class="trunc grow">{{ shown }}</span></span>
    <Menu v-else :name="name + ': ' + shown" kind="field select" :items="items" :tip="name" @choose="$emit('choose', $event)">
      <span class="trunc grow">{{ shown }}</span><Icon n="down" />
    </Menu>
  `,
};

/** One of several, as a column of circles: arrows move. Options: `{id, text, tip?, off?}`. */
export const Choices = {
  props: { name: String, options: Array, value: {} },
  emits: ["choose"],
  setup(/** @type {any} */ _props, /** @type {any} */ { emit }) {
    const key = (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 })[event.key];
      if (!by) return;
      const all = /** @type {HTMLElement[]} */ ([
        .../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("button:not(:disabled)"),
      ]);
      const next = all[(all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by + all.length) % all.length];
      next?.focus();
      next?.click();
      event.preventDefault();
      event.stopPropagation();
    };
    return { key, emit, same };
  },
  template: `
    <div class="vstack radios" role="radiogroup" :aria-label="name" @keydown="key">
      <button v-for="one in options" type="button" class="check radio" :class="{ on: same(one.id, value) }" role="radio"
          :aria-checked="same(one.id, value) ? 'true' : 'false'" :tabindex="same(one.id, value) ? 0 : -1" :disabled="one.off"
          :data-tip="one.tip || null" @click="emit('choose', one.id)">
        <i></i>
        <span class="grow trunc">{{ one.text }}</span>
      </button>
    </div>
  `,
};

/** Which classifier: the current one, or a kept one. */
export const WhichClassifier = {
  components: { Select },
  setup: () => ({
    held,
    choose,
    options: computed(() => [{ id: null, text: "Current" }, ...held.classifiers.map((name) => ({ id: name, text: name }))]),
  }),
  template: `
    <section class="sec">
      <div class="sec-h"><h3>Classifier</h3></div>
      <Select name="Classifier" :options="options" :value="held.wish.classifier" @choose="choose({ classifier: $event })" />
    </section>
  `,
};

/** The left panel. */
export const ExportChoice = {
  components: { Choices, WhichClassifier },
  setup() {
    const lanes = computed(() => link.state?.lanes || []);
    const results = Object.entries(RESULTS).map(([id, text]) => ({ id, text }));
    const images = computed(() => [
      { id: false, text: `${shownLane()?.nickname || "The image"}, in view` },
      { id: true, text: `All ${counted(lanes.value.length, "image")}` },
    ]);
    const result = (/** @type {string} */ id) => choose({ result: id, dtype: null, rescale: null, axes: null });
    return { held, lanes, results, images, result, which };
  },
  template: `
    <div>
      <section class="sec">
        <div class="sec-h"><h3>What</h3></div>
        <Choices name="What" :options="results" :value="held.wish.result" @choose="result" />
      </section>
      <section class="sec">
        <div class="sec-h"><h3>Which images</h3></div>
        <p v-if="lanes.length === 1" class="fg">{{ lanes[0].nickname }}</p>
        <Choices v-else-if="lanes.length" name="Which images" :options="images" :value="held.all" @choose="which" />
        <p v-else class="note">There are no images yet; add some in step 1.</p>
      </section>
      <WhichClassifier v-if="held.wish.result !== 'labels'" />
    </div>
  `,
};

/** Format, type, scaling, axes and region: one row each, with the reason where nothing is to be chosen. */
const Form = {
  components: { Select, TypedField },
  setup() {
    const wish = held.wish;
    const lane = computed(() => (link.state?.lanes || []).find((one) => one.id === held.look.lane) || null);
    const formats = computed(() =>
      Object.entries(FORMATS).map(([id, text]) => {
        const why = held.look.formats?.[id];
        return { id, text: why ? `${text}: not for this` : text, off: !!why };
      }),
    );
    const types = computed(() => {
      const [first, ...others] = typesOf(wish.result, wish.dtype);
      return [{ id: null, text: first }, ...others.map((one) => ({ id: one, text: one }))];
    });
    const scales = computed(() => scalings(wish.result, wish.dtype, wish.rescale)?.map((one) => ({ id: one.value, text: one.text })));
    const natural = computed(() => {
      const own = lane.value?.axes || held.axes;
      const several = (held.look.channels || 1) > 1;
      return several ? (own.includes("c") ? own : `${own}c`) : own.replace("c", "");
    });
    const axes = computed(() => [
      { id: null, text: `${spaced(natural.value)}, as the image` },
      ...orders(natural.value)
        .filter((one) => one !== natural.value)
        .concat(wish.axes && !orders(natural.value).includes(wish.axes) ? [wish.axes] : [])
        .map((one) => ({ id: one, text: spaced(one) })),
    ]);
    const part = computed(() => Object.keys(wish.region).length > 0);
    const sizes = computed(() => {
      const shape = lane.value?.shape || [1, 1, 1, 1, 1];
      const of = /** @type {Record<string, number>} */ ({ t: shape[0], z: shape[2], y: shape[3], x: shape[4] });
      return ["t", "z", "y", "x"].filter((axis) => of[axis] > 1 || axis === "y" || axis === "x").map((axis) => ({ axis, n: of[axis] }));
    });
    const region = (/** @type {string} */ id) =>
      choose({ region: id === "whole" ? {} : { y: [0, sizes.value.find((s) => s.axis === "y")?.n || 1] } });
    const end = (/** @type {string} */ axis, /** @type {number} */ side, /** @type {string} */ text) => {
      const value = wholeOrNull(text);
      if (value === undefined) return;
      const ends = [...(wish.region[axis] || [null, null])];
      ends[side] = value;
      const now = { ...wish.region, [axis]: ends };
      if (ends[0] === null && ends[1] === null) delete now[axis];
      choose({ region: now });
    };
    return {
      held, wish, choose, lane, formats, types, scales, axes, part, sizes, region, end, freeAxes, axesReason,
      format: (/** @type {string} */ id) => choose({ format: id }),
      type: (/** @type {string | null} */ id) => choose({ dtype: id, rescale: null }),
      scaleReason: computed(() => (isShare(wish.result) ? "" : `${RESULTS[wish.result]}: values stay as they are.`)),
      formatText: computed(() => FORMATS[wish.format] || wish.format),
    }; // prettier-ignore
  },
  template: `
    <div class="form exp">
      <label>Format</label>
      <Select name="Format" :options="formats" :value="wish.format" :text="formatText" @choose="format" />
      <label>Type</label>
      <Select name="Type" :options="types" :value="wish.dtype" @choose="type" />
      <label>Scaling</label>
      <div class="hstack">
        <Select v-if="scales" name="Scaling" :options="scales" :value="wish.rescale" @choose="choose({ rescale: $event })" />
        <template v-else><Select name="Scaling" :options="[]" text="None" off /><span class="dim">{{ scaleReason }}</span></template>
      </div>
      <label>Axis order</label>
      <div class="hstack">
        <Select v-if="freeAxes(wish.format)" name="Axis order" :options="axes" :value="wish.axes" @choose="choose({ axes: $event })" />
        <template v-else>
          <Select name="Axis order" :options="[]" text="That of the format" off /><span class="dim">{{ axesReason(wish.format) }}</span>
        </template>
      </div>
      <label>Region</label>
      <div class="hstack">
        <Select name="Region" :options="[{ id: 'whole', text: 'Whole image' }, { id: 'part', text: 'A part, in pixels' }]"
            :value="part ? 'part' : 'whole'" @choose="region" />
        <span class="dim">0 outside of a mask</span>
      </div>
      <template v-if="part">
        <label></label>
        <div class="regions">
          <span v-for="size in sizes" class="hstack" :key="size.axis">
            <span class="fg axisname">{{ size.axis }}</span>
            <TypedField :value="String(wish.region[size.axis]?.[0] ?? '')" :of="{ placeholder: '0', inputmode: 'numeric' }"
                :name="size.axis + ' from'" @typed="end(size.axis, 0, $event)" />
            <span class="dim">to</span>
            <TypedField :value="String(wish.region[size.axis]?.[1] ?? '')" :of="{ placeholder: String(size.n), inputmode: 'numeric' }"
                :name="size.axis + ' to, without it'" @typed="end(size.axis, 1, $event)" />
          </span>
        </div>
      </template>
    </div>
  `,
};

/** What is written, beside what is there already. */
const Place = {
  components: { Icon, ObjectClasses, TypedField },
  setup() {
    const wish = held.wish;
    const lane = computed(() => (link.state?.lanes || []).find((one) => one.id === held.look.lane) || null);
    const count = computed(() => (held.all ? link.state?.lanes.length || 0 : 1));
    const path = computed(() => marked(held.look.path || "", lane.value?.nickname || ""));
    return {
      held, wish, choose, lane, count,
      colours: computed(() => (wish.result === "segmentation" || wish.result === "labels" ? link.state?.classes || [] : [])),
      rgb: (/** @type {number[]} */ c) => `rgb(${c.join(" ")})`,
      path,
      /** Lines end behind a slash. */
      folders: computed(() => path.value[0].split(/(?<=[/\\])/)),
      typed: (/** @type {string} */ text) => choose({ pattern: text.trim() || held.usual.pattern }),
      answers: [
        ["replace", "Replace", "What is there is replaced once the new file is complete"],
        ["keep", "Keep both", "The new file gets a number: _2"],
        ["cancel", "Cancel", "Nothing is written where one of the files is there"],
      ],
    }; // prettier-ignore
  },
  template: `
    <div class="form exp">
      <template v-if="colours.length">
        <label>Colours</label>
        <div class="hstack wrap">
          <span v-for="one in colours" :key="one.id" class="hstack colour" :data-tip="one.name.length > 24 ? one.name : null">
            <span class="sw" :style="{ '--c': rgb(one.colour) }"></span><span class="colourname trunc">{{ one.value }} {{ one.name }}</span>
          </span>
        </div>
      </template>
      <ObjectClasses v-else-if="wish.result === 'objects'" />
      <label for="export-path">Path</label>
      <TypedField class="mono" tall :value="wish.pattern" name="Path" :of="{ id: 'export-path', spellcheck: false }"
          tip="{nickname} {result} {project} {dataset_dir} are filled in; the ending comes from the format" @typed="typed" @keydown.stop />
      <label></label>
      <div v-if="held.look.path">
        <p class="dim first">{{ count > 1 ? 'First of ' + count : 'This file' }}, with run.json beside it</p>
        <div class="path"><template v-for="part in folders">{{ part }}<wbr></template><span class="var">{{ path[1] }}</span>{{ path[2] }}</div>
      </div>
      <div v-else class="dim">{{ held.looking ? 'Looking ...' : '' }}</div>
      <label>Existing files</label>
      <div class="seg answers" role="group" aria-label="Existing files">
        <button v-for="[id, text, tip] in answers" type="button" :aria-pressed="wish.existing === id ? 'true' : 'false'" :data-tip="tip"
            @click="choose({ existing: id })">{{ text }}</button>
      </div>
    </div>
  `,
};

/** The page. */
export const ExportPage = {
  components: { DeleteResults, Form, Icon, Place },
  setup() {
    const wish = held.wish;
    const count = computed(() => (held.all ? link.state?.lanes.length || 0 : 1));
    const shapes = computed(() => {
      const all = link.state?.lanes || [];
      return (held.all ? all : all.filter((one) => one.id === held.look.lane)).map((one) => one.shape);
    });
    const size = computed(() => {
      const one = (link.state?.lanes || []).find((lane) => lane.id === held.look.lane);
      return one && held.look.bytes ? sizeText(totalBytes(held.look.bytes, one.shape, shapes.value), wish.format) : "";
    });
    const job = computed(() => held.jobs.export || null);
    const rows = computed(() => job.value?.rows || []);
    return {
      held, wish, link, count, size, job, rows, reset, start, cancel, retry, copyText, openFolder, anyBusy, busy,
      capital, counted, bytes, nameOf, dayAndTime, jobText, leftText, timeText, STATES, RESULTS,
      running: computed(() => busy("export")),
      usualFormat: computed(() => FORMATS[held.usual.format] || held.usual.format),
      blocked: computed(() => !count.value || !!held.look.refusal || !held.look.path),
      folder: computed(() => job.value?.folders[0] || ""),
      over: computed(() => !!job.value && !busy("export") && rows.value.length > 0 && job.value.state !== "ready"),
      now: () => new Date(),
      failed: computed(() => rows.value.filter((/** @type {any} */ row) => row.state === "failed" || row.state === "cancelled").length),
      percent: computed(() => Math.round(100 * (job.value?.share || 0))),
    }; // prettier-ignore
  },
  template: `
    <div class="page">
      <div class="bar">
        <h2>Export</h2>
        <span class="grow"></span>
        <template v-if="running">
          <button type="button" class="btn s danger" data-tip="The file in hand is given up; finished ones stay" @click="cancel">Cancel</button>
        </template>
        <template v-else>
          <span class="dim">{{ size }}</span>
          <button v-if="failed" type="button" class="btn s" data-tip="Those that failed or were cancelled" @click="retry('export')">
            <Icon n="refresh" />Try the others again
          </button>
          <button type="button" class="btn-quiet" :data-tip="'Back to the segmentation as ' + usualFormat" @click="reset">Reset</button>
          <button type="button" class="btn s primary" :disabled="blocked || !!anyBusy()" @click="start('export')">
            Export {{ counted(count, 'image') }}
          </button>
        </template>
      </div>
      <div v-if="running" class="jobline" role="status">
        <div class="hstack">
          <span class="fg">{{ running.state === 'running' ? jobText(running, 'image') : 'Saving the project and looking at the images' }}</span>
          <span class="grow"></span>
          <span class="dim">{{ leftText(running.left) }}</span>
        </div>
        <div class="prog"><i :style="{ width: percent + '%' }"></i></div>
      </div>
      <div v-else-if="over" class="jobline hstack" role="status">
        <Icon :n="failed ? 'warn' : 'check'" :class="{ warned: failed }" />
        <span class="fg">{{ jobText(job, 'image') }}</span>
        <span class="dim trunc grow">{{ folder ? 'in ' + folder : '' }}</span>
        <button v-if="folder" type="button" class="btn-quiet fg tight" @click="openFolder(folder)"><Icon n="folder" />Open folder</button>
      </div>
      <div class="scroll" tabindex="-1">
        <div class="expform">
          <Form />
          <Place />
          <div v-if="held.look.refusal" class="callout" role="alert"><Icon n="warn" /><p>{{ capital(held.look.refusal) }}</p></div>
          <div v-else-if="held.elsewhere && held.wish.pattern === held.stored?.pattern" class="callout"><Icon n="warn" />
            <p class="anywhere">The path that the project keeps is of another computer: {{ held.elsewhere }}. Results go to the path above instead.</p>
          </div>
          <div v-else-if="held.unusual" class="callout"><Icon n="warn" /><p class="anywhere">{{ held.unusual }}</p></div>
          <div v-else class="callout info"><Icon n="info" />
            <p>Nothing is written until you press Export. The project is saved first; you can go on painting meanwhile.</p>
          </div>
        </div>
        <div class="results">
          <div class="bar flat">
            <h2>Results</h2>
            <span class="grow"></span>
            <button type="button" class="btn s" :disabled="blocked || wish.result === 'labels'" @click="copyText('export', 'command')"
                :data-tip="wish.result === 'labels' ? 'Labels are written from the window only' : 'Writes the same files from a shell'">
              <Icon n="copy" />Copy command
            </button>
            <button type="button" class="btn s" :disabled="blocked || wish.result === 'labels'" @click="copyText('export', 'python')"
                :data-tip="wish.result === 'labels' ? 'Labels are written from the window only' : 'Writes the same files from Python'">
              <Icon n="copy" />Copy Python
            </button>
            <button type="button" class="btn s" :disabled="!held.methods" data-tip="Versions, features, strokes and seed, for a paper"
                @click="copyText('export', 'methods')">
              <Icon n="copy" />Copy methods text
            </button>
            <DeleteResults />
          </div>
          <div v-if="job?.sentence" class="callout inset" :class="{ err: job.state === 'failed', info: job.state === 'cancelled' }" role="alert">
            <Icon :n="job.state === 'cancelled' ? 'info' : 'error'" /><p>{{ job.sentence }}</p>
          </div>
          <table v-if="rows.length" class="tbl">
            <thead>
              <tr><th>File</th><th>State</th><th>What</th><th>Classifier</th><th class="num">Size</th><th class="num">Written</th></tr>
            </thead>
            <tbody>
              <tr v-for="row in rows" class="row" :key="row.lane">
                <td class="nm" :data-tip="row.output">{{ row.output ? nameOf(row.output) : row.name }}</td>
                <td>
                  <span v-if="row.state === 'running'" class="hstack"><span class="prog w96"><i :style="{ width: 100 * row.share + '%' }"></i></span>{{ Math.round(100 * row.share) }} %</span>
                  <span v-else class="badge" :class="{ err: row.state === 'failed' }">
                    <Icon v-if="row.state === 'done'" n="check" /><Icon v-else-if="row.state === 'failed'" n="error" />{{ STATES[row.state] }}<template v-if="row.state === 'done'">, {{ timeText(row.seconds) }}</template>
                  </span>
                </td>
                <td v-if="row.sentence" colspan="4" class="said">{{ row.sentence }}</td>
                <template v-else>
                  <td>{{ RESULTS[job.wish.result] }}</td>
                  <td>{{ job.wish.result === 'labels' ? '' : job.wish.classifier || 'Current' }}</td>
                  <td class="num">{{ row.bytes ? bytes(row.bytes) : '' }}</td>
                  <td class="num">{{ row.written ? dayAndTime(row.written, now()) : '' }}</td>
                </template>
              </tr>
            </tbody>
          </table>
          <div v-else class="empty middle"><p>Results are listed here once they are written.</p></div>
        </div>
      </div>
    </div>
  `,
};

/** The right panel: one file in detail, and the methods text. */
export const ExportFacts = {
  components: { ResultPicture },
  setup() {
    const lane = computed(() => (link.state?.lanes || []).find((one) => one.id === held.look.lane) || null);
    return {
      held,
      lane,
      count: computed(() => (held.all ? link.state?.lanes.length || 0 : 1)),
      bytes,
      pixelSize,
      counted,
      sizeText,
      values: computed(() => {
        const { result } = held.wish;
        const classes = (link.state?.classes || []).map((one) => one.value);
        if (result === "segmentation") return classes.join(", ");
        if (result === "labels") return `0, ${classes.join(", ")}`;
        return held.look.range ? held.look.range.join(" to ") : "";
      }),
    };
  },
  template: `
    <div>
      <section v-if="lane && held.look.path" class="sec">
        <div class="sec-h"><h3>{{ count > 1 ? 'First of ' + count : 'The result' }}</h3></div>
        <ResultPicture />
        <p class="fg below trunc">{{ lane.nickname }}</p>
        <div class="kv">
          <span>Shape</span><span>{{ held.look.shape.join(' × ') }}</span>
          <span>Axes</span><span>{{ [...held.look.axes].join(' ') }}</span>
          <span>Type</span><span>{{ held.look.dtype }}</span>
          <template v-if="values"><span>Values</span><span>{{ values }}</span></template>
          <template v-if="pixelSize(held.look.pixel_size)"><span>Pixel size</span><span>{{ pixelSize(held.look.pixel_size) }}</span></template>
          <span>Size</span><span>{{ sizeText(held.look.bytes, held.wish.format) }}</span>
        </div>
      </section>
      <section v-if="held.methods" class="sec">
        <div class="sec-h"><h3>Methods text</h3></div>
        <p class="methods">{{ held.methods }}</p>
      </section>
    </div>
  `,
};
