/** What the viewer's `mount` gives (docs/design/viewer.md), and what the panels keep of it. */

export interface Answer { ok: boolean; number: number; revision?: number; sequence?: number; title?: string; sentence: string }
export interface ClassState { id: number; value: number; name: string; colour: [number, number, number]; locked: boolean }
export interface LaneState {
  id: string; nickname: string; axes: string; shape: [number, number, number, number, number]; dtype: string; rgb: boolean;
  v: string; levels: number; pixel_size: Record<string, [number, string]>; channels: string[];
  first: number[]; missing: string | null;
  strokes: Record<string, [number, number]>; range: [number, number] | null; location?: string; slices?: [string, number, number][];
  mask?: { v: string; missing?: string } | null; display?: string;
}
export interface State {
  project: string; name: string; revision: number; read_only: string | null; save: Save; lanes: LaneState[]; classes: ClassState[];
  features: any; undo: string | null; redo: string | null; live: boolean; training: any; classifiers: any[];
  foreign?: boolean; settings?: { n_trees: number; seed: number; balance: boolean; channels: number[] | null };
}
export interface Save { state: string; sentence: string }
export interface KeyRow { group: string; action: string; title: string; keys: string[][]; note?: string; conflict?: boolean; own: string[]; usual: string[]; hold: boolean }
export interface Channel { visible?: boolean; colour?: [number, number, number] | null; low?: number; high?: number; gamma?: number }
export interface Layer { visible?: boolean; opacity?: number; style?: string; eyes?: Record<string, boolean>; mode?: string; channel?: number; channels?: Record<string, Channel> }

export interface App {
  client: string;
  on(name: string, heard: (payload: any) => void): () => void;
  command(json: Record<string, unknown>, deed?: number): Promise<Answer>;
  undo(): void; redo(): void; setTool(name: string): void; setBrushSize(n: number): void; setClass(id: number): void;
  setFill(fill: { by: string; tolerance: number }): void;
  setLane(id: string): void; setSlice(z: number): void; setTime(t: number): void; setPlane(plane: string): void;
  setPosition(position: { t?: number; z?: number; y?: number; x?: number }): void; maximise(plane: string | null): void;
  setCrosshair(on: boolean): void; featureRange(): [number, number] | null;
  goTo(lane: string, t: number, z: number, y: number, x: number): void; back(): void;
  fit(): void; zoomTo(factor: number): void; zoomBy(factor: number): void; centre(): void;
  setLayer(name: string, props: Layer): void; layers(): Record<string, Layer>; setRawOnly(on: boolean): void;
  setKeys(preset: string, changes: Record<string, string[]>): unknown; setWheel(plain: string, shifted: string): void;
  nameKey(event: KeyboardEvent, action: string): { key: string; caps: string[]; refusal: string } | null;
  setSwipe(fraction: number | null): void; copyPicture(): Promise<void>;
  setLive(on: boolean): void; update(): void; keyTable(): KeyRow[]; do(action: string): void; snapshot(): any;
  focus(): void; unmount(): void;
}

export interface Link {
  prefix: string; project: string; state: State | null;
  connection: { state: string; sentence: string; banner: boolean; unsent: number };
  unsent: { count: number; oldest: number }; storage: { durable: boolean; sentence: string };
  save: Save | null; training: any; progress: any;
  tool: { tool: string; size: number; class: number; erasing: boolean; hint: string; fill?: any };
  cursor: any; position: { lane: string; t: number; z: number; y: number; x: number; plane: string; slice: number; canBack: boolean; crosshair?: boolean; maximised?: string | null; turned?: string };
  zoom: { zoom: number; level: number }; layers: Record<string, Layer>; keys: KeyRow[];
  step: number; panels: boolean; rightOpen: boolean | null; dialog: string;
  toast: { text: string; undo: boolean; level: string } | null; hint: string; live: boolean | null;
  hand: { on: boolean; down: boolean }; swipe: { fraction: number | null };
}
