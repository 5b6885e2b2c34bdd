/** One row of the layers: eye, name, opacity, and what belongs to it below. */
import { IconButton, Slider } from "./basics.js";

/** One row: eye, name, opacity. */
export const LayerRow = {
  components: { IconButton, Slider },
  props: {
    name: String,
    layer: Object,
    keyed: String,
    ready: { type: Boolean, default: true },
    opacity: { type: Boolean, default: true },
  },
  emits: ["set"],
  template: `
    <div class="layer" :class="{ hid: !layer.visible }">
      <div class="h">
        <IconButton :icon="layer.visible ? 'eye' : 'eyeoff'" :name="(layer.visible ? 'Hide ' : 'Show ') + name.toLowerCase()"
            :keyed="keyed" :pressed="layer.visible ? 'true' : 'false'" @click="$emit('set', { visible: !layer.visible })" />
        <span class="name trunc"><slot name="name">{{ name }}</slot></span>
        <template v-if="opacity">
          <Slider :value="Math.round((layer.opacity ?? 1) * 100)" :off="!layer.visible" :name="'Opacity of ' + name.toLowerCase()"
              tip="Opacity" :text="Math.round((layer.opacity ?? 1) * 100) + ' %'" :page="20"
              @slide="$emit('set', { opacity: $event / 100 })" />
          <span class="pc">{{ Math.round((layer.opacity ?? 1) * 100) }} %</span>
        </template>
      </div>
      <div v-if="$slots.default" class="sub"><slot></slot></div>
    </div>
  `,
};
