import { mqttRetainedSubject } from "../../../domain/subjects.ts";
import { type Follower, follow } from "../../../platform/log/follow.ts";
import type { Log, LogMessage } from "../../../platform/log/port.ts";
import { readNewest } from "../../../platform/log/read-range.ts";
import { decodeRetained, encodeRetained } from "../codec/record-codec.ts";
import type { Message, StoreLimits } from "../port.ts";
import { RetainedTree } from "../retained-tree.ts";
import { subjectTokenOf } from "../tokens.ts";
import { GroupCommit } from "./group-commit.ts";
import { Position } from "./position.ts";
import { TOMBSTONE_US } from "./records.ts";

const STREAM = "MQTT_RETAINED";
const GATHER_MS = 2;
const GROUP_BYTES_MAX = 8 * 1_048_576;

interface Item {
  readonly topic: string;
  readonly payload: Uint8Array;
}

export interface RetainedLogOptions {
  readonly log: Log;
  readonly limits: StoreLimits;
  readonly onFailed: (what: string, error: unknown) => void;
}

/** The retained messages of all edges: written to the log, and read from it into memory. */
export class RetainedLog {
  readonly #options: RetainedLogOptions;
  readonly tree: RetainedTree;
  readonly #position = new Position();
  readonly #group: GroupCommit<Item, number>;
  /** Deleted topics in the log, with the sequence and time of their deletion. */
  readonly #deleted = new Map<string, { readonly sequence: number; readonly atUs: number }>();
  /** Writes under way, by topic. */
  readonly #underWay = new Map<string, number>();
  #follower: Follower | undefined;

  constructor(options: RetainedLogOptions) {
    this.#options = options;
    this.tree = new RetainedTree(options.limits);
    this.#group = new GroupCommit<Item, number>({
      gatherMs: GATHER_MS,
      weightMax: GROUP_BYTES_MAX,
      weightOf: ({ payload }) => payload.length,
      commit: (items) => this.#commit(items),
    });
  }

  async start(): Promise<void> {
    const { log, onFailed } = this.#options;
    const from = await readNewest(log, { stream: STREAM }, (message) => this.#apply(message));
    this.#position.reached(from - 1);
    this.#follower = follow({
      log,
      stream: STREAM,
      from,
      apply: (message) => {
        this.#apply(message);
        this.#position.reached(message.sequence);
      },
      onFailed: (error) => onFailed("following the retained messages", error),
    });
  }

  async stop(error: Error): Promise<void> {
    this.#group.close(error);
    await this.#follower?.stop();
    this.#position.end();
  }

  /** Resolves once it is stored and in memory. False: beyond a bound, and the topic has none now. */
  async retain(topic: string, message: Message | null): Promise<boolean> {
    const isKept = message !== null && this.tree.hasRoomFor(message);
    // The earlier message of the topic would be wrong from now on.
    if (isKept || this.tree.get(topic) !== undefined || this.#underWay.has(topic)) {
      await this.#write({ topic, payload: encodeRetained(topic, isKept ? message : null) });
    }
    return isKept || message === null;
  }

  async #write(item: Item): Promise<void> {
    const { topic } = item;
    this.#underWay.set(topic, (this.#underWay.get(topic) ?? 0) + 1);
    try {
      await this.#position.wait(await this.#group.add(item));
    } finally {
      const left = (this.#underWay.get(topic) ?? 1) - 1;
      if (left > 0) this.#underWay.set(topic, left);
      else this.#underWay.delete(topic);
    }
  }

  async expire(nowUs: number): Promise<void> {
    const expired = [...this.tree.all()].filter(({ expiresAtUs = Number.POSITIVE_INFINITY }) => expiresAtUs <= nowUs);
    await Promise.all(expired.map(({ topic }) => this.retain(topic, null)));
    for (const [topic, { sequence, atUs }] of [...this.#deleted]) {
      if (atUs + TOMBSTONE_US > nowUs && this.#deleted.size <= this.#options.limits.retainedMax) continue;
      await this.#options.log.purge(STREAM, mqttRetainedSubject(subjectTokenOf(topic)), sequence + 1);
      this.#deleted.delete(topic);
    }
  }

  async #commit(items: readonly Item[]): Promise<readonly PromiseSettledResult<number>[]> {
    // Of a topic, the newest is enough.
    const newest = new Map(items.map((item) => [item.topic, item]));
    const stored = [...newest.values()];
    const appended = await this.#options.log.appendAll(
      stored.map(({ topic, payload }) => ({ subject: mqttRetainedSubject(subjectTokenOf(topic)), payload })),
    );
    const sequences = new Map(stored.map(({ topic }, i) => [topic, appended[i]?.sequence ?? 0]));
    return items.map(({ topic }) => ({ status: "fulfilled", value: sequences.get(topic) ?? 0 }));
  }

  #apply({ payload, sequence, storedAtUs }: LogMessage): void {
    try {
      const { topic, message } = decodeRetained(payload);
      if (message !== null) {
        this.#deleted.delete(topic);
        this.tree.set(message);
        return;
      }
      this.tree.delete(topic);
      // The newest last.
      this.#deleted.delete(topic);
      this.#deleted.set(topic, { sequence, atUs: storedAtUs });
    } catch (error) {
      this.#options.onFailed(`reading the message at sequence ${sequence} of ${STREAM}`, error);
    }
  }
}
