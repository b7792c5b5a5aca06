/**
 * What each folder at the top may import, besides itself. The one list of directions; `imports.ts` enforces it.
 * gateway -> services -> (rule-tools -> engine -> rule-language) -> platform -> contracts -> domain
 */
const BASE = ["platform", "contracts", "domain"] as const;

export const DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  contracts: ["domain"],
  platform: ["contracts", "domain"],
  "rule-language": ["platform", "domain"],
  engine: ["rule-language", "domain"],
  "rule-tools": ["engine", "rule-language", ...BASE],
  broker: BASE,
  // Sources have the rules' expressions and time zones.
  ingest: ["rule-language", ...BASE],
  bridge: BASE,
  processors: ["rule-tools", "engine", "rule-language", ...BASE],
  storage: BASE,
  // Messages are written in the rules' template language.
  notifier: ["rule-language", ...BASE],
  // The rule language says which series a rule watches.
  "dashboard-feed": ["rule-language", ...BASE],
  simulators: BASE,
  dashboard: ["contracts", "domain"],
  gateway: [
    ...["broker", "ingest", "bridge", "processors", "storage", "notifier", "dashboard-feed", "simulators"],
    ...["rule-tools", "engine", "rule-language"],
    ...BASE,
  ],
};

/** Not part of the product: they may import all of it, and nothing of the product imports them. */
export const AROUND: readonly string[] = ["test", "bench", "scripts"];

/** Compute from their arguments alone. Packages listed are pure, too. */
export const PURE: Readonly<Record<string, readonly string[]>> = {
  domain: ["pbf"],
  contracts: ["zod"],
  engine: [],
};

/** Test kits live in folders of this name; only tests and other kits import them. */
export const KITS = "testing";
