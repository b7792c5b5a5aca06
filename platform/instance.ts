import { hostname } from "node:os";

/** Names one running service among all: `storage-plant-4711`. Part of a subject, so plain. */
export function instanceOf(service: string): string {
  return `${service}-${hostname().replaceAll(/[^A-Za-z0-9_-]/g, "_")}-${process.pid}`;
}

/** The service of an instance, and its process: `storage`, `plant-4711`. */
export function partsOfInstance(instance: string): { readonly service: string; readonly process: string } {
  const at = instance.indexOf("-");
  return at < 0
    ? { service: instance, process: "" }
    : { service: instance.slice(0, at), process: instance.slice(at + 1) };
}
