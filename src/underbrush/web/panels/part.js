// One part of the page. All parts come from one module, so that they share what they know of the viewer.
import { PARTS, app, goOn, link, say, sendAll, startTooltips } from "underbrush-panels";

export default {
  props: { part: String, data: Object },
  emits: ["act"],
  template: `<component :is="view" v-bind="data" @act="$emit('act', $event)" />`,
  computed: {
    view() {
      return PARTS[this.part];
    },
  },
  mounted() {
    startTooltips();
  },
  methods: {
    commands(list, said) {
      return sendAll(list, said);
    },
    goTo(lane, t, z, y, x) {
      link.step = 3;
      app()?.goTo(lane, t, z, y, x);
    },
    goOn(project) {
      return goOn(project);
    },
    say(text, level) {
      say(text, { level });
    },
  },
};
