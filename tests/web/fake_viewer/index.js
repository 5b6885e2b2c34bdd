// A stand-in for the viewer with the same door (docs/design/viewer.md, Mount): state in memory, no server.
const GROUPS = [
  ["Tools", [["tool:brush", "Brush", [["B"], ["P"]]], ["tool:eraser", "Eraser", [["E"]]], ["tool:navigate", "Navigate", [["N"]]], ["tool:fill", "Fill", [["F"]]], ["tool:lasso", "Lasso", [["O"]]]]],
  ["Edit", [["undo", "Undo", [["Ctrl", "Z"]]], ["redo", "Redo", [["Ctrl", "Y"]]]]],
  ["Result", [["live", "Live", [["L"]]], ["update", "Single update", [["Shift", "L"]]]]],
  ["Overlays", [["layer:labels", "Labels", [["0"]]], ["layer:segmentation", "Segmentation", [["S"]]], ["layer:probability", "Probability", [["Shift", "P"]]], ["layer:uncertainty", "Uncertainty", [["U"]]], ["contrast", "Automatic contrast", [["A"]]]]],
  ["View", [["fit", "Fit", [["K"]]], ["zoom:100", "100 %", [["W"]]], ["zoom:in", "Zoom in", [["+"]]], ["zoom:out", "Zoom out", [["-"]]]]],
];

export async function mount(element, { project, prefix }) {
  const heard = {};
  const emit = (name, payload) => (heard[name] || []).forEach((fn) => fn(structuredClone(payload)));
  const state = await (await fetch(`${prefix}/api/p/${project}/state`)).json();
  const tool = { tool: "brush", size: 3, class: 2, erasing: false, fill: { by: "label", tolerance: 10 }, hint: "" };
  const position = { lane: state.lanes[0]?.id || "", t: 0, z: 0, y: 0, x: 0, plane: "xy", slice: 0, canBack: false };
  let zoom = { zoom: 2, level: 0 }, number = 0;
  const layers = { raw: { visible: true, opacity: 1, mode: null, channel: 0, channels: {} }, labels: { visible: true, opacity: 1 }, segmentation: { visible: true, opacity: 0.35, style: "fill", eyes: {} }, uncertainty: { visible: false, opacity: 0.5 } };
  const log = [];
  const merge = (into, props) => { for (const [k, v] of Object.entries(props)) into[k] = v && typeof v === "object" && !Array.isArray(v) ? merge({ ...(into[k] || {}) }, v) : v; return into; };
  const renumber = () => state.classes.forEach((one, at) => (one.value = at + 1));
  const find = (id) => state.classes.findIndex((one) => one.id === id);
  const done = {
    add_class: (c) => { const id = Math.max(...state.classes.map((c) => c.id)) + 1; state.classes.push({ id, value: 0, name: c.name || `Class ${id}`, colour: [245, 130, 49], locked: false }); },
    edit_class: (c) => Object.assign(state.classes[find(c.id)], Object.fromEntries(Object.entries(c).filter(([k]) => ["name", "colour", "locked"].includes(k)))),
    move_class: (c) => { const [one] = state.classes.splice(find(c.id), 1); state.classes.splice(c.place, 0, one); },
    delete_class: (c) => state.classes.splice(find(c.id), 1), merge_class: (c) => state.classes.splice(find(c.id), 1),
    remove_lane: (c) => state.lanes.splice(state.lanes.findIndex((l) => l.id === c.id), 1),
  };
  const app = {
    client: "fake", log,
    on: (name, fn) => { (heard[name] ||= []).push(fn); return () => heard[name].splice(heard[name].indexOf(fn), 1); },
    command: async (json) => {
      log.push(json);
      if (json.name === "refused") return { ok: false, number: ++number, sentence: "There is a class of this name already; choose another." };
      done[json.type]?.(json);
      renumber();
      state.undo = json.type;
      emit("state", state);
      return { ok: true, number: ++number, revision: number, sequence: number, title: json.type };
    },
    undo: () => log.push({ type: "undo" }), redo: () => log.push({ type: "redo" }),
    setTool: (name) => { tool.tool = name; emit("tool", tool); }, setBrushSize: (n) => { tool.size = n; emit("tool", tool); }, setFill: (fill) => { tool.fill = fill; emit("tool", tool); },
    setClass: (id) => { tool.class = id; emit("tool", tool); }, setLane: (id) => { position.lane = id; emit("position", position); },
    setSlice: (n) => { position.slice = position.z = n; emit("position", position); }, setTime: (n) => { position.t = n; emit("position", position); }, setPlane: () => {},
    setPosition: (at) => { Object.assign(position, at); emit("position", position); }, maximise: () => {}, setCrosshair: (on) => { position.crosshair = on; emit("position", position); }, featureRange: () => null,
    goTo: () => {}, back: () => {}, fit: () => {}, zoomTo: (f) => { zoom = { zoom: f, level: 0 }; emit("zoom", zoom); }, zoomBy: () => {}, centre: () => {},
    setLayer: (name, props) => { layers[name] = merge(layers[name] || { visible: false, opacity: 0.5 }, props); emit("layers", layers); }, layers: () => layers, setRawOnly: () => {},
    setLive: (on) => { state.live = on; emit("state", state); }, update: () => log.push({ type: "update" }),
    keyTable: () => GROUPS.flatMap(([group, rows]) => rows.map(([action, title, keys]) => ({ group, action, title, keys, own: keys.map((one) => one.join("+")), usual: keys.map((one) => one.join("+")) }))), setKeys: () => ({ conflicts: [] }), setWheel: () => {}, nameKey: () => null, setSwipe: () => {}, copyPicture: () => {},
    do: (action) => log.push({ type: "do", action }),
    snapshot: () => ({ tool, position, zoom, layers, connection: { state: "online", sentence: "", banner: false, unsent: 0 }, unsent: { count: 0, oldest: 0 }, state }),
    focus: () => {}, unmount: () => {}, emit, state,
  };
  const canvas = document.createElement("canvas");
  canvas.width = 696; canvas.height = 520;
  canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%;object-fit:cover";
  const draw = canvas.getContext("2d");
  draw.fillRect(0, 0, 696, 520);
  for (let n = 0; n < 40; n++) { draw.fillStyle = `rgb(${90 + n * 3},${90 + n * 3},${90 + n * 3})`; draw.beginPath(); draw.ellipse((n * 167) % 696, (n * 241) % 520, 18, 26, n, 0, 7); draw.fill(); }
  element.append(canvas);
  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, [role=menu], [role=dialog]")) return;
    if (event.key === "Tab" && !event.target.closest?.("button, [tabindex]")) { event.preventDefault(); emit("action", { action: "sidePanels" }); }
    if (event.key === "?") emit("action", { action: "keys" });
    if (event.key === "e") app.setTool("eraser");
    if (event.key === "b") app.setTool("brush");
  });
  canvas.addEventListener("pointermove", (event) => emit("cursor", { lane: position.lane, t: 0, z: 0, y: event.offsetY, x: event.offsetX, inside: true, values: [52], probabilities: state.classes.map(() => 1 / state.classes.length), label: 0 }));
  window.fakeViewer = app;
  return app;
}
