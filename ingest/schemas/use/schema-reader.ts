import { SCHEMAS_CHANGED } from "../../../contracts/schemas.ts";
import type { Log } from "../../../platform/log/port.ts";
import { problemOf } from "../../formats/binary-problem.ts";
import type { Parse, Parsed, PayloadProblem, SchemaOptions, SchemaParsers, SchemaUse } from "../../formats/format.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";
import { liveVersions } from "../registry/registry-index.ts";
import type { KnownSchema, SchemaRecords } from "../registry/schema-records.ts";
import { readHeader, readMessageIndexes } from "./wire-header.ts";

type SchemaType = "AVRO" | "JSON" | "PROTOBUF";

/** How long an id or a subject that does not exist is not looked up again. */
const UNKNOWN_MS = 2_000;
const UNKNOWN_MAX = 1_000;
const PARSERS_MAX = 1_000;
/** A notice of a change can be lost: the index is read again after this. */
const REFRESH_MS = 30_000;

/**
 * Reads payloads by the schemas of the registry. A payload that begins with the id of a schema was written with it, and
 * is read as the version that the source names, or the newest: so old and new devices run side by side. Schemas that
 * are not loaded yet are loaded while the message waits.
 */
export class SchemaReader implements SchemaParsers {
  readonly #records: SchemaRecords;
  readonly #unknown = new Map<string, number>();
  readonly #loading = new Map<string, Promise<void>>();

  constructor(records: SchemaRecords) {
    this.#records = records;
  }

  /** Follows changes that other gateways make. Returns a function that stops it. */
  follow(log: Log, onFailed: (error: unknown) => void): () => void {
    const refresh = () => {
      this.#records.refresh().catch(onFailed);
    };
    const timer = setInterval(refresh, REFRESH_MS);
    timer.unref();
    const stop = log.bus.subscribe(SCHEMAS_CHANGED, () => {
      this.#unknown.clear();
      refresh();
    });
    return () => {
      clearInterval(timer);
      stop();
    };
  }

  parser(use: SchemaUse, type: SchemaType, options: SchemaOptions): Parse {
    const parsers = new Map<string, Parse>();
    return (payload) => {
      const header = use.header === "none" ? undefined : readHeader(payload);
      if (header === undefined && type === "AVRO" && use.header !== "none") return { problem: NO_HEADER };
      const reader = this.#readerOf(use);
      if ("problem" in reader) return reader;
      if (reader.type !== type) return { problem: wrongType(use, reader, type) };
      const writer = header === undefined ? reader : this.#writerOf(use, header.schemaId);
      if ("problem" in writer) return writer;
      try {
        const read = (message: SchemaUse["message"] | readonly number[], body: Uint8Array) =>
          parserFor(parsers, { reader, writer, message, options })(body);
        if (header === undefined) return read(use.message, payload);
        if (type !== "PROTOBUF") return read(undefined, header.body);
        const { indexes, message } = readMessageIndexes(header.body);
        return read(indexes, message);
      } catch (error) {
        if (!(error instanceof BadSchemaError)) return { problem: problemOf(error, "Protobuf with its message") };
        return { problem: { reason: "unknown-schema", detail: error.message } };
      }
    };
  }

  /** The schema that readings are of. */
  #readerOf({ subject, version }: SchemaUse): KnownSchema | { readonly problem: PayloadProblem } {
    const live = liveVersions(this.#records.index, subject);
    const found = version === undefined ? live.at(-1) : live.find((each) => each.version === version);
    const what = version === undefined ? `no version of ${subject}` : `no version ${version} of ${subject}`;
    if (found === undefined) {
      const problem = unknown(`the registry has ${what}: add it with \`weir schemas register\``);
      return this.#orAfter(`${subject} ${version}`, problem, async () => {
        await this.#records.refresh();
      });
    }
    return this.#load(found.id);
  }

  /** The schema that the payload was written with. */
  #writerOf({ subject }: SchemaUse, id: number): KnownSchema | { readonly problem: PayloadProblem } {
    const isVersion = this.#records.index.versions[subject]?.some((each) => each.id === id) ?? false;
    if (isVersion) return this.#load(id);
    // Another subject's schema can look alike and mean something else.
    const problem = unknown(`the payload's schema ${id} is no version of ${subject}`);
    return this.#orAfter(`${subject} id ${id}`, problem, async () => {
      await this.#records.refresh();
      await this.#records.load(id);
    });
  }

  #load(id: number): KnownSchema | { readonly problem: PayloadProblem } {
    const known = this.#records.loaded(id);
    if (known !== undefined) return known;
    return this.#orAfter(`id ${id}`, unknown(`schema ${id} cannot be loaded`), async () => {
      await this.#records.load(id);
    });
  }

  /** The problem, and with it the look-up that may solve it, unless that was in vain a moment ago. */
  #orAfter(what: string, problem: PayloadProblem, load: () => Promise<void>): { readonly problem: PayloadProblem } {
    // Messages that come while it is looked up wait for the same.
    const loading = this.#loading.get(what);
    if (loading !== undefined) return { problem: { ...problem, until: loading } };
    const untilMs = this.#unknown.get(what);
    if (untilMs !== undefined && performance.now() < untilMs) return { problem };
    if (this.#unknown.size >= UNKNOWN_MAX) this.#unknown.clear();
    this.#unknown.set(what, performance.now() + UNKNOWN_MS);
    return { problem: { ...problem, until: this.#once(what, load) } };
  }

  #once(what: string, load: () => Promise<void>): Promise<void> {
    const loading = load().finally(() => this.#loading.delete(what));
    this.#loading.set(what, loading);
    return loading;
  }
}

interface Pair {
  readonly reader: KnownSchema;
  readonly writer: KnownSchema;
  readonly message: string | readonly number[] | undefined;
  readonly options: SchemaOptions;
}

function parserFor(
  parsers: Map<string, Parse>,
  { reader, writer, message, options }: Pair,
): (body: Uint8Array) => Parsed {
  const key = `${writer.id} ${reader.id} ${String(message)}`;
  const known = parsers.get(key);
  if (known !== undefined) return known;
  const parse = reader.schema.parserOf(writer.schema, { ...options, message });
  if (parsers.size >= PARSERS_MAX) parsers.clear();
  parsers.set(key, parse);
  return parse;
}

const NO_HEADER: PayloadProblem = {
  reason: "bad-payload",
  detail:
    "the payload does not begin with a zero byte and the id of its schema. If devices send bare Avro, write header: none in `schema` of the source",
};

function unknown(detail: string): PayloadProblem {
  return { reason: "unknown-schema", detail };
}

function wrongType({ subject }: SchemaUse, { type }: KnownSchema, wanted: SchemaType): PayloadProblem {
  return unknown(`${subject} is a schema of type ${type}, and the source's format wants ${wanted}`);
}
