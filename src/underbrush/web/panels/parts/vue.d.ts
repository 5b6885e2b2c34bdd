declare module "vue" {
  export interface Ref<T> { value: T }
  export function ref<T>(value: T): Ref<T>;
  export function computed<T>(get: () => T): Ref<T>;
  export function reactive<T extends object>(value: T): T;
  export function markRaw<T extends object>(value: T): T;
  export function watch(source: unknown, heard: (now: any, before: any) => void, options?: { immediate?: boolean; deep?: boolean; flush?: string }): () => void;
  export function nextTick(): Promise<void>;
  export function onMounted(run: () => void): void;
  export function onBeforeUnmount(run: () => void): void;
}

declare module "underbrush-viewer" {
  export function mount(element: unknown, options: Record<string, unknown>): Promise<import("./types").App>;
}
