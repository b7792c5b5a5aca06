import { createHash } from "node:crypto";
import { z } from "zod";
import { ConflictError, type Records } from "../../platform/log/port.ts";
import type { KeptNode } from "./node-state.ts";

/** A thousand nodes that are born at once are written within a second or two. */
const WRITING_MAX = 64;
const TRIES_MAX = 5;

const metricSchema = z.object({
  name: z.string(),
  datatype: z.int().optional(),
  unit: z.string().optional(),
  device: z.string().optional(),
});

const keptSchema = z.object({
  bdSeq: z.string().optional(),
  metrics: z.array(metricSchema),
  /** Alias, and the index of its metric. */
  aliases: z.array(z.tuple([z.string(), z.int()])),
  devices: z.array(z.string()),
  fed: z.array(z.tuple([z.string(), z.string(), z.record(z.string(), z.string())])),
});

/**
 * What births said, in the records of the log, so that data by alias can be read after a restart. A node that is born
 * again while its record is being written is written once more.
 */
export class NodeRecords {
  readonly #records: Records;
  readonly #onFailed: (error: unknown) => void;
  readonly #wanted = new Map<string, () => KeptNode>();
  #writing = 0;
  #onIdle: (() => void)[] = [];

  constructor(records: Records, onFailed: (error: unknown) => void) {
    this.#records = records;
    this.#onFailed = onFailed;
  }

  /** Undefined if the node was never born here, or a newer Weir wrote its record. */
  async load(node: string): Promise<KeptNode | undefined> {
    const record = await this.#records.get(nameOf(node));
    if (record === undefined) return undefined;
    const kept = keptSchema.safeParse(JSON.parse(new TextDecoder().decode(record.value)));
    if (!kept.success) return undefined;
    const metrics = kept.data.metrics.map(({ name, datatype, unit, device }) => ({ name, datatype, unit, device }));
    return {
      ...{ bdSeq: kept.data.bdSeq, metrics, devices: kept.data.devices },
      aliases: kept.data.aliases.flatMap(([alias, index]) => {
        const metric = metrics[index];
        return metric === undefined ? [] : [[alias, metric] as const];
      }),
      fed: kept.data.fed.map(([where, device, tags]) => [where, { device, tags }] as const),
    };
  }

  /** Writes what `kept` returns at that moment, soon. */
  save(node: string, kept: () => KeptNode): void {
    this.#wanted.set(node, kept);
    // After the message that says it, whose readings show which devices the node feeds.
    setImmediate(() => this.#pump());
  }

  /** Resolves when everything is written. */
  async drain(): Promise<void> {
    this.#pump();
    if (this.#writing > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #pump(): void {
    for (const [node, kept] of this.#wanted) {
      if (this.#writing >= WRITING_MAX) return;
      this.#wanted.delete(node);
      this.#writing++;
      this.#write(node, encoded(kept()))
        .catch(this.#onFailed)
        .finally(() => {
          this.#writing--;
          this.#pump();
          if (this.#writing === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
        });
    }
  }

  /** The newest birth wins, whichever gateway has it. */
  async #write(node: string, value: Uint8Array): Promise<void> {
    for (let i = 1; ; i++) {
      const record = await this.#records.get(nameOf(node));
      try {
        await this.#records.set(nameOf(node), value, record?.revision ?? 0);
        return;
      } catch (error) {
        if (!(error instanceof ConflictError) || i === TRIES_MAX) throw error;
      }
    }
  }
}

function encoded({ bdSeq, metrics, aliases, devices, fed }: KeptNode): Uint8Array {
  const indexes = new Map(metrics.map((metric, i) => [metric, i]));
  const kept: z.input<typeof keptSchema> = {
    ...{ bdSeq, metrics: [...metrics], devices: [...devices] },
    aliases: aliases.map(([alias, metric]) => [alias, indexes.get(metric) ?? -1]),
    fed: fed.map(([where, { device, tags }]) => [where, device, { ...tags }]),
  };
  return new TextEncoder().encode(JSON.stringify(kept));
}

function nameOf(node: string): string {
  return `sparkplug.${createHash("sha256").update(node).digest("base64url").slice(0, 22)}`;
}
