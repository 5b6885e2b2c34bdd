/** The images that are selected in the table of step 1; the panel beside it and the dialogs act on them. */
import { reactive } from "vue";

/** @type {{lanes: string[], anchor: string, axis: string}} */
export const selection = reactive({ lanes: [], anchor: "", axis: "z" });
