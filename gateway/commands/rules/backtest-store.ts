import { stat } from "node:fs/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import { HISTORY_EXTENT, HISTORY_READINGS, type ReadingsQuery } from "../../../contracts/history.ts";
import type { Question } from "../../../contracts/question.ts";
import { reasonOf } from "../../../domain/reason.ts";
import { type Bus, NoAnswerError } from "../../../platform/log/port.ts";
import type { StoredReadings } from "../../../rule-tools/backtest/pages-source.ts";
import { influxdbSchema } from "../../../storage/influx/config.ts";
import { SETTINGS } from "../../settings/settings.ts";
import { UsageError } from "../common/failures.ts";

/** The largest page of a kind of store. */
type PageSize = Pick<ReadingsQuery, "limit" | "bytesMax">;

export interface OpenedStore {
  readonly store: StoredReadings;
  readonly page: PageSize;
  close(): Promise<void>;
}

const MIB = 1_048_576;
/** The storage service gives up after 20 s. */
const ANSWER_MS_MAX = 30_000;
const INFLUX_REQUEST_US = 60_000_000;

export type InfluxFlags = Readonly<Partial<Record<"influxUrl" | "influxToken" | "influxOrg" | "influxBucket", string>>>;
const INFLUX_FLAGS = ["influxUrl", "influxToken", "influxOrg", "influxBucket"] as const;

/** The store of the running gateway, of any kind: asks its storage service. */
export function storeOfGateway(bus: Bus): OpenedStore {
  async function ask<Ask, Asked, Answer>(question: Question<Ask, Asked, Answer>, value: Ask): Promise<Answer> {
    try {
      return await bus.request(question, value, { timeoutMs: ANSWER_MS_MAX });
    } catch (error) {
      if (error instanceof NoAnswerError) {
        throw new UsageError("no storage service answers: is it running? (weir run storage)");
      }
      throw error instanceof Error ? new UsageError(`the gateway's store: ${error.message}`) : error;
    }
  }
  return {
    page: { limit: 100_000, bytesMax: 700_000 },
    store: {
      async extent() {
        return (await ask(HISTORY_EXTENT, {})) ?? undefined;
      },
      async readings(query) {
        const { frame, count, next } = await ask(HISTORY_READINGS, query);
        return { frame: frame === "" ? undefined : Buffer.from(frame, "base64"), count, next: next ?? undefined };
      },
    },
    async close() {},
  };
}

/** The file of a DuckDB store that no gateway has open. */
export async function storeOfFile(file: string): Promise<OpenedStore> {
  if ((await stat(file).catch(() => undefined)) === undefined) throw new UsageError(`no such file: ${file}`);
  const { readExtent, readReadings } = await import("../../../storage/duckdb/stored-readings.ts");
  const connection = await openFile(file);
  return {
    page: { limit: 100_000, bytesMax: 8 * MIB },
    store: { extent: () => readExtent(connection), readings: (query) => readReadings(connection, query) },
    async close() {
      connection.closeSync();
    },
  };
}

async function openFile(file: string): Promise<DuckDBConnection> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  try {
    const options = { access_mode: "READ_ONLY", autoinstall_known_extensions: "false" };
    const instance = await DuckDBInstance.create(file, options);
    const connection = await instance.connect();
    await connection.run("SELECT version FROM weir_schema");
    return connection;
  } catch (error) {
    const text = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    if (/could not set lock/i.test(text)) {
      throw new UsageError(`${file} is open in a running gateway; read it through the gateway: --over store`);
    }
    if (/weir_schema/.test(text)) throw new UsageError(`${file} is a DuckDB file, but not a store of Weir`);
    throw new UsageError(`${file} cannot be read: ${text}`);
  }
}

/** The raw readings that a gateway has stored in InfluxDB; the gateway need not run. */
export async function storeOfInflux(flags: InfluxFlags): Promise<OpenedStore> {
  const missing = INFLUX_FLAGS.filter((name) => flags[name] === undefined);
  if (missing.length > 0) {
    const names = missing.map((name) => `${SETTINGS[name].flag} (${SETTINGS[name].variable})`);
    throw new UsageError(`--over influx needs ${names.join(", ")}`);
  }
  const { influxUrl: url, influxToken: token, influxOrg: org, influxBucket: bucket } = flags;
  const config = influxdbSchema.safeParse({ url, token, org, bucket });
  if (!config.success) throw new UsageError(`--influx-url ${url} is not an address like http://127.0.0.1:8086`);
  const { InfluxClient } = await import("../../../storage/influx/influx-client.ts");
  const { readExtent, readReadings } = await import("../../../storage/influx/stored-readings.ts");
  const client = new InfluxClient({ ...config.data, request_timeout: INFLUX_REQUEST_US });
  const explained = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw new UsageError(`InfluxDB at ${url}, bucket ${bucket}: ${reasonOf(error)}`);
    }
  };
  return {
    page: { limit: 50_000, bytesMax: 8 * MIB },
    store: {
      extent: () => explained(readExtent(client)),
      readings: (query) => explained(readReadings(client, query)),
    },
    async close() {
      client.close();
    },
  };
}
