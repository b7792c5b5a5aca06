import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { HttpError, InfluxDB } from "@influxdata/influxdb-client";
import type { Tags } from "../../domain/reading.ts";
import type { InfluxdbConfig } from "./config.ts";
import { pauseOf } from "./retry-after.ts";

/** How InfluxDB answered a write. */
export type WriteAnswer =
  | { readonly kind: "stored" }
  /** Some or all lines were refused, and would be again. */
  | { readonly kind: "refused"; readonly detail: string }
  /** The bucket's own retention dropped this many points; the rest is stored. */
  | { readonly kind: "beyond-retention"; readonly dropped: number }
  /** A retry may succeed. */
  | { readonly kind: "failed"; readonly detail: string; readonly pauseMs: number; readonly error: unknown };

type Row = readonly unknown[];

export interface Group {
  /** Has an empty value for each tag that other series have. */
  readonly tags: Tags;
  readonly rows: readonly Row[];
}

/** Makes single HTTP requests, and never buffers, retries or drops anything. */
export class InfluxClient {
  readonly #config: InfluxdbConfig;
  readonly #client: InfluxDB;
  readonly #agent: HttpAgent;
  readonly #closing = new AbortController();

  constructor(config: InfluxdbConfig) {
    this.#config = config;
    const Agent = config.url.startsWith("https:") ? HttpsAgent : HttpAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 32 });
    this.#client = new InfluxDB({
      url: config.url,
      token: config.token,
      timeout: this.#timeoutMs,
      transportOptions: { agent: this.#agent },
    });
  }

  get #timeoutMs(): number {
    return Math.ceil(this.#config.request_timeout / 1000);
  }

  /** Cancels the requests in flight. */
  close(): void {
    this.#closing.abort();
    this.#agent.destroy();
  }

  async write(body: string, precision: "us" | "ns"): Promise<WriteAnswer> {
    const { org, bucket } = this.#config;
    const query = new URLSearchParams({ org, bucket, precision });
    let status: number | undefined;
    try {
      await this.#request(`/api/v2/write?${query}`, body, "POST", (code) => {
        status = code;
      });
    } catch (error) {
      return this.#explain(error);
    }
    // InfluxDB 3 answers 201 when it stored only some lines.
    if (status === 204) return { kind: "stored" };
    return { kind: "refused", detail: `answered ${status} instead of 204` };
  }

  /** The results of InfluxQL statements, in statement order: rows with the columns of the statement, time first. */
  async query(statements: readonly string[]): Promise<readonly (readonly Row[])[]> {
    const results = await this.queryGroups(statements);
    return results.map((groups) => groups.flatMap(({ rows }) => rows));
  }

  /** Like `query`, for statements with `GROUP BY *`: the rows of each series. */
  async queryGroups(statements: readonly string[]): Promise<readonly (readonly Group[])[]> {
    const { bucket } = this.#config;
    const query = new URLSearchParams({ db: bucket, q: statements.join("; "), epoch: "u" });
    const answer: unknown = await this.#request(`/query?${query}`, "", "GET");
    return groupsOf(answer, statements.length);
  }

  /** Sets how long the bucket keeps points. */
  async setRetention(everySeconds: number): Promise<void> {
    const { org, bucket } = this.#config;
    const found = (await this.#request(`/api/v2/buckets?${new URLSearchParams({ org, name: bucket })}`, "", "GET")) as {
      readonly buckets?: readonly {
        readonly id: string;
        readonly retentionRules?: readonly { readonly everySeconds: number }[];
      }[];
    };
    const [known] = found.buckets ?? [];
    if (known === undefined) throw new Error(`cannot set the retention: no bucket ${bucket}`);
    if (known.retentionRules?.[0]?.everySeconds === everySeconds) return;
    const body = JSON.stringify({ retentionRules: [{ type: "expire", everySeconds }] });
    await this.#request(`/api/v2/buckets/${known.id}`, body, "PATCH");
  }

  async #request(path: string, body: string, method: string, onStatus?: (code: number | undefined) => void) {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = AbortSignal.any([timeout, this.#closing.signal]);
    const type = method === "PATCH" ? "application/json" : "text/plain; charset=utf-8";
    const headers = { "content-type": type };
    return this.#client.transport.request(path, body, { method, headers, signal }, (_headers, code) =>
      onStatus?.(code),
    );
  }

  #explain(error: unknown): WriteAnswer {
    if (!(error instanceof HttpError)) {
      // Omits the error's own message, which varies during an outage: each variation would log another line.
      const detail = `InfluxDB at ${this.#config.url} does not answer`;
      return { kind: "failed", detail, pauseMs: 0, error };
    }
    const { statusCode } = error;
    const said = textOf(error);
    const retention = /beyond retention policy|outside retention policy/i.test(said);
    const dropped = Number(/dropped[= ](\d+)/.exec(said)?.[1] ?? 0);
    if (statusCode === 422 && retention && dropped > 0) return { kind: "beyond-retention", dropped };
    if (statusCode === 400 || statusCode === 413 || statusCode === 422) return { kind: "refused", detail: said };
    const pauseMs = pauseOf(error.headers?.["retry-after"], Date.now());
    return { kind: "failed", detail: this.#failure(statusCode, said), pauseMs, error };
  }

  #failure(statusCode: number, said: string): string {
    const { org, bucket, url } = this.#config;
    if (statusCode === 401)
      return `InfluxDB refuses the token (401); check the token: WEIR_INFLUX_TOKEN, or token_env or token_file in weir.yaml`;
    if (statusCode === 403) return `the token may not write to bucket ${bucket} (403); give it write permission`;
    if (statusCode === 404) return `no bucket ${bucket} in organization ${org} at ${url} (404: ${said})`;
    return `InfluxDB answered ${statusCode}: ${said}`;
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return error.message || code || error.name;
}

function groupsOf(answer: unknown, count: number): (readonly Group[])[] {
  const { results = [], error } = answer as {
    readonly results?: readonly {
      readonly statement_id?: number;
      readonly error?: string;
      readonly series?: readonly { readonly tags?: Tags; readonly values?: readonly Row[] }[];
    }[];
    readonly error?: string;
  };
  if (error !== undefined) throw new Error(`InfluxDB refused the query: ${error}`);
  const groups: (readonly Group[])[] = Array.from({ length: count }, () => []);
  for (const [place, result] of results.entries()) {
    if (result.error !== undefined) throw new Error(`InfluxDB refused the query: ${result.error}`);
    const series = result.series ?? [];
    groups[result.statement_id ?? place] = series.map(({ tags = {}, values = [] }) => ({ tags, rows: values }));
  }
  return groups;
}
