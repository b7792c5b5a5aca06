import type { Library, Transport, Version } from "../common/port.ts";
import { MESSAGES } from "./messages.ts";
import { SESSIONS } from "./sessions.ts";
import { SUBSCRIPTIONS } from "./subscriptions.ts";
import type { Scenario } from "./trial.ts";

export const SCENARIOS: readonly Scenario[] = [...SESSIONS, ...MESSAGES, ...SUBSCRIPTIONS];

export interface Way {
  readonly library: Library;
  readonly version: Version;
  readonly transport: Transport;
}

/** Each version and transport of each library. */
export function waysOf(libraries: readonly Library[]): Way[] {
  return libraries.flatMap((library) =>
    library.versions.flatMap((version) => library.transports.map((transport) => ({ library, version, transport }))),
  );
}

/** Whether the library and this version of the protocol can do what the scenario needs. */
export function fits({ versions, needs = [] }: Scenario, { library, version }: Way): boolean {
  return versions.includes(version) && needs.every((need) => library.features.has(need));
}
