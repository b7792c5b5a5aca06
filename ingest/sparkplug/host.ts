import type { Device } from "../../domain/reading.ts";
import type { DevicePublish } from "../../platform/device-publish.ts";
import type { Records } from "../../platform/log/port.ts";
import { problemOf } from "../formats/binary-problem.ts";
import type { OnSample, PayloadProblem, ReadSamples } from "../formats/format.ts";
import { flatten } from "./metric-values.ts";
import { NodeRecords } from "./node-records.ts";
import { METRICS_PER_NODE_MAX, type RebirthReason, SparkplugNode } from "./node-state.ts";
import { readPayload, rebirthCommand, type SparkplugMetric, type SparkplugPayload } from "./payload.ts";
import { Rebirths } from "./rebirths.ts";
import { parseSparkplugTopic, type SparkplugTopic } from "./topic.ts";

export interface SparkplugEvents {
  rebirthAsked(node: string, reason: RebirthReason): void;
  nodeDied(node: string, devices: number): void;
  nodesNotKept(error: unknown): void;
}

export interface SparkplugOptions {
  readonly records: Records;
  readonly events: SparkplugEvents;
  readonly nowMs: () => number;
  /** The name of this host application, for its STATE. Undefined: it has none. */
  readonly hostId: string | undefined;
}

const NODES_MAX = 20_000;
const TURN_MS = 20;

/**
 * The host application of Sparkplug B: it knows what each edge node's births said, and reads data by alias with it.
 * What it cannot know (a birth that it missed, a gap in a node's sequence, an alias) it asks the node for, with a
 * rebirth command. A node's death makes the devices that it feeds gone. Births survive a restart in the records of the
 * log; since a node may have been born again meanwhile, it is asked then as well.
 */
export class SparkplugHost {
  readonly #options: SparkplugOptions;
  readonly #nodes = new Map<string, SparkplugNode>();
  readonly #loading = new Map<string, Promise<void>>();
  readonly #records: NodeRecords;
  readonly #rebirths = new Rebirths();
  readonly #reasons = new Map<string, RebirthReason>();
  #gone: Device[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Undefined: devices cannot be reached. */
  #publish: ((message: DevicePublish) => void) | undefined;

  constructor(options: SparkplugOptions) {
    this.#options = options;
    this.#records = new NodeRecords(options.records, options.events.nodesNotKept);
  }

  /** Gives the way to devices, or takes it away. Tells the nodes whether this host application is there. */
  reach(publish: ((message: DevicePublish) => void) | undefined): void {
    if (publish === undefined) this.#sendState(false);
    this.#publish = publish;
    if (publish !== undefined) this.#sendState(true);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#records.drain();
  }

  /** The samples of a message. Its topic says which node and device it is from. */
  readonly read: ReadSamples = (message, onSample) => {
    this.#gone = [];
    const topic = parseSparkplugTopic(message.topic);
    if (typeof topic === "string") return { reason: "bad-payload", detail: topic };
    if (topic.kind === "other") return undefined;
    const node = this.#nodes.get(topic.key) ?? (topic.kind === "NBIRTH" ? this.#add(topic.key) : undefined);
    if (node === undefined) return this.#load(topic.key);
    let payload: SparkplugPayload;
    try {
      payload = readPayload(message.payload);
    } catch (error) {
      return problemOf(error, "Sparkplug B");
    }
    if (payload.isCompressed) return { reason: "bad-payload", detail: COMPRESSED };
    return this.#take({ topic, node, payload }, onSample);
  };

  /** The node of a topic is known, though no birth was heard. */
  know(topicText: string): void {
    const topic = parseSparkplugTopic(topicText);
    if (typeof topic !== "string" && topic.kind !== "other" && !this.#nodes.has(topic.key)) this.#add(topic.key);
  }

  /** Notes which devices the readings of a message went to: they are gone when the node dies. */
  fed(topicText: string, devices: readonly Device[]): void {
    const topic = parseSparkplugTopic(topicText);
    if (typeof topic === "string" || topic.kind === "other") return;
    const node = this.#nodes.get(topic.key);
    if (node === undefined || !node.isBorn) return;
    let isNew = false;
    for (const device of devices) isNew = node.feeds(topic.device ?? "", device) || isNew;
    if (isNew) this.#save(topic.key, node);
  }

  /** The devices that the last message says are gone. */
  takeGone(): readonly Device[] {
    const gone = this.#gone;
    this.#gone = [];
    return gone;
  }

  #take(from: Taken, onSample: OnSample): PayloadProblem | undefined {
    const { topic, node, payload } = from;
    switch (topic.kind) {
      case "NBIRTH":
        return this.#born(from, node.birth(payload), onSample);
      case "DBIRTH":
        this.#checkSequence(from);
        return this.#born(from, node.deviceBirth(topic.device ?? "", payload), onSample);
      case "NDATA":
      case "DDATA":
        this.#checkSequence(from);
        return this.#emit(from, onSample);
      case "NDEATH":
        if (!node.death(payload)) return undefined;
        this.#rebirths.settle(topic.key);
        return this.#leave(topic.key, node.fedBy());
      default:
        node.follows(payload);
        node.devices.delete(topic.device ?? "");
        return this.#leave(topic.key, node.fedBy(topic.device ?? ""));
    }
  }

  #born(from: Taken, hasRoom: boolean, onSample: OnSample): PayloadProblem | undefined {
    const { topic, node } = from;
    if (topic.kind === "NBIRTH") this.#rebirths.settle(topic.key);
    this.#save(topic.key, node);
    const problem = this.#emit(from, onSample);
    if (hasRoom) return problem;
    return { reason: "too-large", detail: `node ${topic.key} has more than ${METRICS_PER_NODE_MAX} metrics` };
  }

  #leave(key: string, devices: Device[]): undefined {
    this.#gone = devices;
    this.#options.events.nodeDied(key, devices.length);
  }

  #checkSequence({ topic, node, payload }: Taken): void {
    const follows = node.follows(payload);
    if (!node.isBorn) this.#want(topic.key, "no birth");
    else if (node.isRestored) this.#want(topic.key, "a restart");
    else if (!follows) this.#want(topic.key, "a gap in its sequence");
    else if (topic.kind === "DDATA" && !node.devices.has(topic.device ?? "")) {
      this.#want(topic.key, "an unknown device");
    }
  }

  /** Each metric is a sample, or several; the first problem is returned. */
  #emit({ topic, node, payload }: Taken, onSample: OnSample): PayloadProblem | undefined {
    let problem: PayloadProblem | undefined;
    for (const metric of payload.metrics) {
      const born = node.find(metric, topic.device);
      const name = born?.name ?? metric.name;
      if (name === undefined) {
        this.#want(topic.key, "an unknown alias");
        problem ??= unknownAlias(metric, topic);
      } else if (!isControl(name) && !metric.isNull && !isBad(metric)) {
        const ms = metric.timestamp ?? payload.timestamp;
        const unit = born?.unit;
        const sample = {
          atUs: ms === undefined ? undefined : ms * 1_000,
          device: topic.device ?? topic.node,
          tags: unit === undefined ? undefined : { unit },
        };
        const { value } = metric;
        flatten(name, { value, datatype: metric.datatype ?? born?.datatype }, (each, scalar) => {
          onSample({ ...sample, metric: each, value: scalar });
        });
      }
    }
    return problem;
  }

  #add(key: string): SparkplugNode {
    // Bounded: a client that invents nodes must not fill the memory. The oldest are loaded again when they send.
    if (this.#nodes.size >= NODES_MAX) {
      const [oldest] = this.#nodes.keys();
      if (oldest !== undefined) this.#nodes.delete(oldest);
    }
    const node = new SparkplugNode();
    this.#nodes.set(key, node);
    return node;
  }

  /** The message waits until the node's record is read. */
  #load(key: string): PayloadProblem {
    const until = this.#loading.get(key) ?? this.#startLoading(key);
    return { reason: "bad-payload", detail: `what node ${key} said at its birth cannot be loaded`, until };
  }

  #startLoading(key: string): Promise<void> {
    const loading = this.#records
      .load(key)
      .then((kept) => {
        if (this.#nodes.has(key)) return;
        const node = this.#add(key);
        if (kept !== undefined) node.restore(kept);
      })
      .finally(() => this.#loading.delete(key));
    this.#loading.set(key, loading);
    return loading;
  }

  #save(key: string, node: SparkplugNode): void {
    this.#records.save(key, () => node.kept());
  }

  #want(key: string, reason: RebirthReason): void {
    if (this.#publish === undefined || !this.#rebirths.want(key, this.#options.nowMs())) return;
    this.#reasons.set(key, reason);
    this.#timer ??= setInterval(() => this.#askNext(), TURN_MS).unref();
  }

  #askNext(): void {
    const { nowMs, events } = this.#options;
    const key = this.#rebirths.next(nowMs());
    if (key === undefined) {
      if (this.#rebirths.waiting > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#reasons.clear();
      return;
    }
    const [group, node] = JSON.parse(key) as readonly [string, string];
    const payload = rebirthCommand(Math.round(nowMs()));
    this.#publish?.({ topic: `spBv1.0/${group}/NCMD/${node}`, payload, qos: 0, retain: false });
    events.rebirthAsked(key, this.#reasons.get(key) ?? "no birth");
  }

  #sendState(online: boolean): void {
    const { hostId, nowMs } = this.#options;
    if (hostId === undefined) return;
    const payload = new TextEncoder().encode(JSON.stringify({ online, timestamp: Math.round(nowMs()) }));
    this.#publish?.({ topic: `spBv1.0/STATE/${hostId}`, payload, qos: 1, retain: true });
  }
}

/** Reads a message of a node of which nothing is known: for trials of a source without a gateway. */
export const readUnknownNode: ReadSamples = (message, onSample) => {
  const records: Records = { get: async () => undefined, set: async () => 0 };
  const events = { rebirthAsked() {}, nodeDied() {}, nodesNotKept() {} };
  const host = new SparkplugHost({ records, events, nowMs: () => 0, hostId: undefined });
  host.know(message.topic);
  return host.read(message, onSample);
};

interface Taken {
  readonly topic: Exclude<SparkplugTopic, { kind: "other" }>;
  readonly node: SparkplugNode;
  readonly payload: SparkplugPayload;
}

const COMPRESSED =
  "the payload is compressed, which Sparkplug B does not know: switch compression off in the edge node";

/** Metrics about the session itself, and commands. */
function isControl(name: string): boolean {
  return name === "bdSeq" || name.startsWith("Node Control/") || name.startsWith("Device Control/");
}

const GOOD = 192;

/** Sparkplug 3.0: 0 is bad, 192 good, 500 stale. */
function isBad({ properties }: SparkplugMetric): boolean {
  const quality = properties?.Quality;
  return (typeof quality === "number" || typeof quality === "bigint") && Number(quality) !== GOOD;
}

function unknownAlias({ alias }: SparkplugMetric, { key }: { readonly key: string }): PayloadProblem {
  const what = alias === undefined ? "a metric has neither name nor alias" : `the alias ${alias} is in no birth`;
  const detail = `${what} of node ${key}; the node is asked for its births. Retry this message after them`;
  return { reason: "bad-payload", detail };
}
