import type { Tags } from "../../domain/reading.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { makeProduction } from "./production.ts";
import { Random } from "./random.ts";
import { editRules, makeRules } from "./rules.ts";
import { BEGIN_US, type Departure, PARTITIONS, PROCESSORS, type Production } from "./vocabulary.ts";

/** Departures have random numbers of their own: a seed's readings and faults stay the same without them. */
const DEPARTURES = 0x5eed;

/** A fault and its time. Processors and consumers are identified by index. */
export type Fault =
  | {
      readonly kind: "kill";
      readonly atUs: number;
      readonly processor: number;
      readonly backAfterUs: number;
      readonly how: "silent" | "failing";
      /** The number of operations that succeed before the one at which it dies. */
      readonly afterOperations: number;
      readonly takesEffect: boolean;
    }
  | { readonly kind: "pause"; readonly atUs: number; readonly processor: number; readonly forUs: number }
  | { readonly kind: "restart"; readonly atUs: number; readonly processor: number; readonly backAfterUs: number }
  | { readonly kind: "second-runner"; readonly atUs: number; readonly task: number; readonly forUs: number }
  | { readonly kind: "outage"; readonly atUs: number; readonly forUs: number }
  | { readonly kind: "harm"; readonly atUs: number; readonly what: "record-lost" | "blob-lost" | "blob-damaged" }
  | { readonly kind: "consumer-dies"; readonly atUs: number; readonly consumer: number };

export interface RuleEdit {
  readonly atUs: number;
  readonly what: string;
  readonly specs: readonly RuleSpec[];
}

/** Everything that happens in a world, as data, so that removing parts gives a smaller world. */
export interface Scenario {
  readonly seed: number;
  readonly endUs: number;
  readonly rules: readonly RuleSpec[];
  readonly production: readonly Production[];
  readonly departures: readonly Departure[];
  readonly edits: readonly RuleEdit[];
  readonly faults: readonly Fault[];
  /** Whether some operations are slow and some bus messages are lost. */
  readonly slow: boolean;
}

export function scenarioOf(seed: number): Scenario {
  const random = new Random(seed);
  const endUs = BEGIN_US + random.whole(10, 35) * 1e6;
  const rules = makeRules(random);
  const edits: RuleEdit[] = [];
  let specs: readonly RuleSpec[] = rules;
  for (; random.chance(0.6) && edits.length < 3; specs = edits.at(-1)?.specs ?? specs) {
    edits.push({ atUs: random.whole(BEGIN_US, endUs), ...editRules(specs, random) });
  }
  const atUs = edits.map((edit) => edit.atUs).sort((a, b) => a - b);
  return {
    seed,
    endUs,
    rules,
    production: makeProduction(random, endUs),
    departures: makeDepartures(new Random(seed ^ DEPARTURES), endUs),
    edits: edits.map((edit, i) => ({ ...edit, atUs: atUs[i] ?? edit.atUs })),
    faults: makeFaults(random, endUs),
    slow: random.chance(0.7),
  };
}

/** Devices of `makeProduction` say that they are gone, now and then. Often they send on anyway. */
function makeDepartures(random: Random, endUs: number): Departure[] {
  const departures: Departure[] = [];
  while (random.chance(0.5) && departures.length < 4) {
    const device = `d${random.whole(0, 3)}`;
    const tags = random.pick<Tags>([{}, { site: "north" }, { site: "south" }]);
    departures.push({ atUs: random.whole(BEGIN_US, endUs), devices: [{ device, tags }] });
  }
  return departures;
}

function makeFaults(random: Random, endUs: number): Fault[] {
  const faults: Fault[] = [];
  const count = random.whole(0, 7);
  for (let i = 0; i < count; i++) faults.push(makeFault(random, random.whole(BEGIN_US, endUs)));
  return faults.sort((a, b) => a.atUs - b.atUs);
}

function makeFault(random: Random, atUs: number): Fault {
  const processor = random.whole(0, PROCESSORS - 1);
  const backAfterUs = random.whole(0, 10_000_000);
  const kinds = [
    "kill",
    "kill",
    "kill",
    "pause",
    "restart",
    "second-runner",
    "outage",
    "harm",
    "consumer-dies",
  ] as const;
  const kind = random.pick(kinds);
  switch (kind) {
    case "kill":
      return {
        kind,
        atUs,
        processor,
        backAfterUs,
        how: random.pick(["silent", "failing"]),
        afterOperations: random.whole(0, 60),
        takesEffect: random.chance(0.5),
      };
    case "pause":
      return { kind, atUs, processor, forUs: random.whole(1_000_000, 20_000_000) };
    case "restart":
      return { kind, atUs, processor, backAfterUs };
    case "second-runner":
      return { kind, atUs, task: random.whole(0, 2 * PARTITIONS - 1), forUs: random.whole(100_000, 8_000_000) };
    case "outage":
      return { kind, atUs, forUs: random.whole(100_000, 15_000_000) };
    case "harm":
      return { kind, atUs, what: random.pick(["record-lost", "blob-lost", "blob-damaged"]) };
    case "consumer-dies":
      return { kind, atUs, consumer: random.whole(0, 1) };
  }
}
