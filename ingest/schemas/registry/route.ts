import type { Registry } from "./registry.ts";

/** A request with its path matched. */
export interface RegistryCall {
  readonly registry: Registry;
  /** The parts of the path that stand for `*` of the pattern, in order. */
  readonly names: readonly string[];
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface RegistryRoute {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `*` is any part. */
  readonly path: string;
  readonly handle: (call: RegistryCall) => Promise<unknown>;
}
