import { deviceKey, kindOf, type ReadingValue, type Tags } from "../../domain/reading.ts";
import { US_PER_MS, US_PER_SECOND } from "../../domain/time.ts";
import { clash } from "../formats/clash.ts";
import type { PayloadLimits, PayloadProblem } from "../formats/format.ts";
import { decoderOf, type SharedState } from "../mapping/decoder.ts";
import type { MappedMessage, Readings } from "../mapping/rules.ts";
import type { SourceConfig } from "../mapping/source-fields.ts";
import { compileSource, type SourcePlan, topicsOf } from "../mapping/source-plan.ts";
import { deviceOfTopic } from "../mapping/tree-mapping.ts";
import { type Captured, matchTopic, mismatchOf, parseTopicPattern } from "../names/topic-pattern.ts";
import { readUnknownNode } from "../sparkplug/host.ts";

export interface TriedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly receivedAtUs: number;
}

export interface TriedReading {
  readonly device: string;
  readonly tags: Tags;
  readonly metric: string;
  readonly value: ReadingValue;
  /** As in `Readings.add`. */
  readonly atUs: number | undefined;
}

/** What one source makes of a message, if no earlier one takes it. */
export type Trial =
  | { readonly kind: "other-topic"; readonly why: string }
  | { readonly kind: "condition"; readonly when: string }
  | { readonly kind: "ignored" }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "read"; readonly readings: readonly TriedReading[]; readonly problem: PayloadProblem | undefined };

const NOT_BEFORE_US = Date.parse("2001-01-01") * US_PER_MS;
const AHEAD_US_MAX = 60 * US_PER_SECOND;

export const TRIAL_LIMITS: PayloadLimits = {
  readingsMax: 5_000,
  nestingMax: 8,
  textBytesMax: 4_096,
  nameBytesMax: 256,
};

/** Tries a message on one source, without a log. `shared`: the schemas that are at hand. */
export function tryMessage(config: SourceConfig, message: TriedMessage, shared?: SharedState): Trial {
  try {
    const levels = message.topic.split("/");
    const patterns = topicsOf(config).flatMap((topic) => {
      const pattern = parseTopicPattern(topic);
      return typeof pattern === "string" ? [] : [pattern];
    });
    const captured = patterns.map((pattern) => matchTopic(pattern, levels)).find((found) => found !== undefined);
    if (captured === undefined) {
      return { kind: "other-topic", why: patterns.map((pattern) => mismatchOf(pattern, levels)).join("; ") };
    }
    return decodeOnce(compileSource(config, TRIAL_LIMITS), { message, captured, shared });
  } catch (error) {
    return { kind: "failed", why: error instanceof Error ? error.message : String(error) };
  }
}

let messages = 0;

function decodeOnce(
  plan: SourcePlan,
  {
    message,
    captured,
    shared,
  }: { readonly message: TriedMessage; readonly captured: Captured; readonly shared: SharedState | undefined },
): Trial {
  // Never with the nodes of the live messages: a trial must not change what is known about them.
  const decode = decoderOf(plan, TRIAL_LIMITS, { ...shared, sparkplug: readUnknownNode });
  const view: MappedMessage = { ...message, captured, number: ++messages, attempt: 0, isExact: false };
  for (const isExact of [false, true]) {
    const readings: TriedReading[] = [];
    const decoded = decode({ ...view, isExact }, collector(plan, captured, readings));
    if (decoded === "again-exactly") continue;
    if (decoded === "ignored") return { kind: "ignored" };
    if (decoded === "not-mine") return { kind: "condition", when: plan.config.when ?? "" };
    const timed = readings.map((reading) => ({ ...reading, atUs: rightTime(plan, reading.atUs, message) }));
    const clash = clashIn(timed);
    // Nothing of it is stored then.
    return clash === undefined
      ? { kind: "read", readings: timed, problem: decoded }
      : { kind: "read", readings: [], problem: clash };
  }
  return { kind: "failed", why: "the payload could not be read exactly" };
}

/** A time that cannot be right is NaN, as by the standard settings of `clock`. */
function rightTime(plan: SourcePlan, atUs: number | undefined, { receivedAtUs }: TriedMessage): number | undefined {
  if (atUs === undefined || Number.isNaN(atUs)) return atUs;
  const { timestamp } = plan.config;
  const behindUs = timestamp === "received" ? undefined : timestamp.max_behind;
  const oldestUs = Math.max(NOT_BEFORE_US, receivedAtUs - (behindUs ?? Number.POSITIVE_INFINITY));
  return atUs >= oldestUs && atUs <= receivedAtUs + AHEAD_US_MAX ? atUs : Number.NaN;
}

/** Two samples of a series that share a time, as the ingest refuses them. */
function clashIn(readings: readonly TriedReading[]): PayloadProblem | undefined {
  const seen = new Set<string>();
  for (const { device, tags, metric, value, atUs } of readings) {
    const isReceived = atUs === undefined || Number.isNaN(atUs);
    const key = JSON.stringify([deviceKey({ device, tags }), metric, kindOf(value), isReceived ? null : atUs]);
    if (seen.has(key)) return clash(metric, isReceived);
    seen.add(key);
  }
  return undefined;
}

function collector(plan: SourcePlan, captured: Captured, readings: TriedReading[]): Readings {
  const ofTopic = plan.isDynamic ? undefined : deviceOfTopic(plan, captured);
  let target = typeof ofTopic === "object" ? ofTopic : { device: captured.device ?? "", tags: {} };
  return {
    device(device, tags) {
      target = { device, tags };
      return undefined;
    },
    add(metric, value, atUs, unit) {
      const tags = unit === undefined ? target.tags : { ...target.tags, unit };
      return readings.push({ device: target.device, tags, metric, value, atUs }) > 0;
    },
  };
}
