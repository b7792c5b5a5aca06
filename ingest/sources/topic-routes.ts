import { partitionOf } from "../../domain/partition.ts";
import { type Device, deviceKey, type Tags } from "../../domain/reading.ts";
import type { IngestConfig } from "../common/config.ts";
import type { DeviceCounts, DeviceLedger } from "../common/device-ledger.ts";
import type { SharedState } from "../mapping/decoder.ts";
import type { SourceConfig } from "../mapping/source-fields.ts";
import type { SourcePlan } from "../mapping/source-plan.ts";
import { deviceOfTopic } from "../mapping/tree-mapping.ts";
import { copiedText, hasControlCharacter, nameFault, shownName } from "../names/names.ts";
import { type Captured, matchTopic } from "../names/topic-pattern.ts";
import { compileSources, type Source } from "./compiled-source.ts";
import { type KnownDevice, KnownSeries, type Refused } from "./known-series.ts";
import { whyUnknown } from "./nearest-source.ts";
import { SeriesCache } from "./series-cache.ts";

/** A device that readings are from. It caches the device's series. */
export class Target {
  readonly device: string;
  readonly tags: Tags;
  readonly partition: number;
  readonly series: SeriesCache;
  readonly known: KnownDevice;
  /** Counts what happens to the device's messages. */
  readonly counts: DeviceCounts;
  /** The last message with readings of it, and how many it has so far. */
  inMessage = 0;
  readings = 0;
  clockAhead = 0;
  clockBehind = 0;

  constructor(known: KnownDevice, partition: number, series: SeriesCache) {
    this.device = known.device.device;
    this.tags = known.device.tags;
    this.partition = partition;
    this.series = series;
    this.known = known;
    this.counts = known.counts;
  }
}

/** How the messages of a topic are read. One object per topic. */
export interface Route extends Pick<Source, "plan" | "decode" | "usage"> {
  readonly captured: Captured;
  /** Undefined: the payload says which device, or whether the source takes the message. */
  readonly target: Target | undefined;
  /** The source that is next, for messages that this one does not take. */
  readonly next: Route | undefined;
}

export interface RouteProblem {
  readonly problem: "bad-topic" | "bad-name" | "unknown-topic" | "reading-failed" | "too-many-devices";
  readonly detail: string;
  /** The topic of the source that was tried. */
  readonly source?: string;
}

/** Estimate of what the cache holds for a topic, or for a device, besides their names. */
const TOPIC_BYTES = 1_024;
/** The cache is cleared above this: a topic or name may be as long as it likes, up to its own limit. */
const CACHE_BYTES_MAX = 128 * 1_048_576;
/** Longer topics are matched each time: no real device uses them, and they would fill the cache. */
const REMEMBERED_CHARACTERS_MAX = 1_024;

/** Who is charged for a new device, and when. */
export interface Sent {
  readonly sender: string;
  readonly atUs: number;
}

interface RouteSettings {
  readonly sources: readonly SourceConfig[];
  readonly limits: IngestConfig["limits"];
}

/** Finds the source of a topic, and caches up to `topicsMax` topics. */
export class TopicRoutes {
  readonly #partitions: number;
  readonly #shared: SharedState | undefined;
  #sources: readonly Source[] = [];
  #topicsMax = 0;
  #nameBytesMax = 0;
  readonly #knownSeries: KnownSeries;
  readonly #known = new Map<string, Route | RouteProblem>();
  /** Devices that payloads name. */
  readonly #targets = new Map<string, Target>();
  readonly #cacheBytesMax: number;
  #cachedBytes = 0;

  constructor(
    options: RouteSettings & {
      readonly partitions: number;
      readonly ledger: DeviceLedger;
      readonly cacheBytesMax?: number;
      readonly shared?: SharedState;
    },
  ) {
    this.#shared = options.shared;
    this.#knownSeries = new KnownSeries(options.limits, options.ledger);
    this.#partitions = options.partitions;
    this.#cacheBytesMax = options.cacheBytesMax ?? CACHE_BYTES_MAX;
    this.use(options);
  }

  /**
   * Reads all further messages by these sources and limits. Devices and series that are known stay known. Throws
   * RangeError for a source that cannot be compiled, and then changes nothing.
   */
  use({ sources, limits }: RouteSettings): void {
    const payloadLimits = {
      readingsMax: limits.readings_per_message_max,
      nestingMax: limits.nesting_max,
      textBytesMax: limits.text_size_max,
      nameBytesMax: limits.name_size_max,
    };
    this.#sources = compileSources(sources, { limits: payloadLimits, shared: this.#shared, before: this.#sources });
    this.#topicsMax = limits.topics_max;
    this.#nameBytesMax = limits.name_size_max;
    this.#knownSeries.limits = limits;
    this.#forget();
  }

  /** In the order in which messages find them. */
  get sources(): readonly Source[] {
    return this.#sources;
  }

  get cachedBytes(): number {
    return this.#cachedBytes;
  }

  /**
   * The meaning of the topic, or why it has none. `sender` is who is charged for a new device: a user, or an address.
   */
  find(topic: string, sender = "", atUs = 0): Route | RouteProblem {
    const known = this.#known.get(topic);
    if (known !== undefined) {
      if ("problem" in known) return known;
      const { target } = known;
      if (target === undefined) return known;
      target.known.seenAtUs = atUs;
      if (!target.known.isForgotten) return known;
    }
    const found = this.#resolve(topic, { sender, atUs });
    // A device may be refused now and accepted later.
    const isFinal = !("problem" in found) || found.problem !== "too-many-devices";
    if (topic.length <= REMEMBERED_CHARACTERS_MAX && isFinal) this.#remember(topic, found);
    return found;
  }

  partitionOf({ device }: Device): number {
    return partitionOf(device, this.#partitions);
  }

  /** The device that a payload names, or why it may not send. */
  target(device: Device, sent: Sent): Target | RouteProblem {
    const key = deviceKey(device);
    const known = this.#targets.get(key);
    if (known !== undefined && !known.known.isForgotten) {
      known.known.seenAtUs = sent.atUs;
      return known;
    }
    const fault = this.#faultOf(device);
    if (fault !== undefined) return { problem: "bad-name", detail: fault };
    const target = this.#newTarget(copyOf(device), sent);
    if ("problem" in target) return target;
    this.#makeRoom();
    this.#targets.set(key, target);
    this.#cachedBytes += TOPIC_BYTES + 2 * key.length;
    return target;
  }

  #remember(topic: string, found: Route | RouteProblem): void {
    this.#makeRoom();
    this.#known.set(topic, found);
    this.#cachedBytes += TOPIC_BYTES + 2 * topic.length;
  }

  #makeRoom(): void {
    if (this.#known.size + this.#targets.size < this.#topicsMax && this.#cachedBytes <= this.#cacheBytesMax) return;
    this.#forget();
  }

  #forget(): void {
    this.#known.clear();
    this.#targets.clear();
    this.#cachedBytes = 0;
  }

  #resolve(topic: string, sent: Sent): Route | RouteProblem {
    if (hasControlCharacter(topic)) return { problem: "bad-topic", detail: "the topic has a control character" };
    return this.#resolveFrom(0, { topic, levels: topic.split("/"), sent });
  }

  #resolveFrom(first: number, message: MatchedTopic): Route | RouteProblem {
    for (let i = first; i < this.#sources.length; i++) {
      const source = this.#sources[i] as Source;
      const captured = capturedBy(source.plan, message.levels);
      if (captured === undefined) continue;
      const fault = this.#captureFault(source.plan, captured);
      if (fault !== undefined) return { ...fault, source: sourceText(source.plan) };
      const { plan, decode, usage } = source;
      const route: Route = { plan, decode, usage, captured, target: undefined, next: undefined };
      if (plan.config.ignore && plan.when === undefined) return route;
      if (plan.when !== undefined) {
        const next = this.#resolveFrom(i + 1, message);
        if ("problem" in next) return next.problem === "unknown-topic" ? route : next;
        return { ...route, next };
      }
      if (plan.isDynamic) return route;
      const target = this.#topicTarget(plan, captured, message);
      if ("problem" in target) return { ...target, source: sourceText(plan) };
      return { ...route, target };
    }
    const patterns = this.#sources.flatMap(({ plan }) => plan.patterns);
    return { problem: "unknown-topic", detail: whyUnknown(patterns, message.levels) };
  }

  #topicTarget(plan: SourcePlan, captured: Captured, { topic, sent }: MatchedTopic): Target | RouteProblem {
    const device = deviceOfTopic(plan, captured);
    if (typeof device === "string") return { problem: "bad-topic", detail: device };
    const fault = this.#faultOf(device);
    if (fault !== undefined) return { problem: "bad-name", detail: fault };
    // A copy, because a slice of a string keeps the whole string in memory.
    return this.#newTarget(topic.length > REMEMBERED_CHARACTERS_MAX ? copyOf(device) : device, sent);
  }

  #newTarget(device: Device, { sender, atUs }: Sent): Target | RouteProblem {
    const known = this.#knownSeries.device(device, sender, atUs);
    if ("reason" in known) return refusal(known);
    const series = new SeriesCache({
      known,
      knownSeries: this.#knownSeries,
      nameBytesMax: this.#nameBytesMax,
      onCached: (bytes) => {
        this.#cachedBytes += bytes;
      },
    });
    return new Target(known, partitionOf(known.device.device, this.#partitions), series);
  }

  #captureFault(plan: SourcePlan, captured: Captured): RouteProblem | undefined {
    if (plan.config.ignore) return undefined;
    for (const [level, name] of Object.entries(captured)) {
      const fault = nameFault(name, this.#nameBytesMax);
      if (fault !== undefined) {
        return { problem: "bad-name", detail: `{${level}} of the topic, ${shownName(name)}, ${fault}` };
      }
    }
    if (captured.device !== "" && captured.metric !== "") return undefined;
    return { problem: "bad-topic", detail: "an empty level names no device" };
  }

  #faultOf({ device, tags }: Device): string | undefined {
    if (device === "") return "the device's name is empty";
    const fault = nameFault(device, this.#nameBytesMax);
    if (fault !== undefined) return `the device's name ${shownName(device)} ${fault}`;
    for (const [name, text] of Object.entries(tags)) {
      const inTag = nameFault(text, this.#nameBytesMax) ?? nameFault(name, this.#nameBytesMax);
      if (inTag !== undefined) return `the tag ${shownName(name)}, ${shownName(text)}, ${inTag}`;
    }
    return undefined;
  }
}

interface MatchedTopic {
  readonly topic: string;
  readonly levels: readonly string[];
  readonly sent: Sent;
}

/** Names a source by its topics. */
export function sourceText({ patterns }: SourcePlan): string {
  return patterns.map(({ text }) => text).join(", ");
}

function refusal({ reason, detail }: Refused<"too-many-devices">): RouteProblem {
  return { problem: reason, detail };
}

function capturedBy({ patterns }: SourcePlan, levels: readonly string[]): Captured | undefined {
  for (const pattern of patterns) {
    const captured = matchTopic(pattern, levels);
    if (captured !== undefined) return captured;
  }
  return undefined;
}

function copyOf({ device, tags }: Device): Device {
  return {
    device: copiedText(device),
    tags: Object.fromEntries(Object.entries(tags).map(([name, text]) => [name, copiedText(text)])),
  };
}
