import type { z } from "zod";
import type { ReadingValue } from "../../domain/reading.ts";

/** Why a payload, or a part of it, has no readings. */
export interface PayloadProblem {
  readonly reason:
    | "bad-payload"
    | "bad-timestamp"
    | "bad-name"
    | "too-large"
    | "too-many-devices"
    | "too-many-series"
    | "unknown-schema"
    | "reading-failed";
  readonly detail: string;
  /** The first bad byte, if known. */
  readonly position?: number;
  /** What the payload needs is being loaded: read it again after this. */
  readonly until?: Promise<unknown>;
}

/** How much one message may hold. */
export interface PayloadLimits {
  readonly readingsMax: number;
  readonly nestingMax: number;
  readonly textBytesMax: number;
  /** The longest metric name. A longer one is not passed to `onReading`. */
  readonly nameBytesMax: number;
}

/**
 * What a format makes of bytes: plain data. Keys that are not text become text; times become ISO 8601 text; whole
 * numbers that a double cannot hold become bigint. `null`, `undefined` and NaN are no value.
 */
export type Tree =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Tree[]
  | { readonly [name: string]: Tree };

/** `value` is a `Tree`. A problem beside a value means that a part of the payload is readable. */
export interface Parsed {
  readonly value?: unknown;
  readonly problem?: PayloadProblem;
}

export type Parse = (payload: Uint8Array) => Parsed;

/** A value that a payload names itself. The reader may reuse the object. */
export interface Sample {
  readonly metric: string;
  /** A scalar. */
  readonly value: Tree;
  /** Undefined: the payload has no time for it. */
  readonly atUs?: number | undefined;
  readonly device?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

export type OnSample = (sample: Sample) => void;

/** Returns the first problem; the samples beside it still count. */
export type ReadSamples = (message: SampledMessage, onSample: OnSample) => PayloadProblem | undefined;

export interface SampledMessage {
  readonly payload: Uint8Array;
  readonly topic: string;
  readonly receivedAtUs: number;
}

/** The schema that a source names. */
export interface SchemaUse {
  readonly subject: string;
  /** Which version the readings are of; the newest by default. */
  readonly version?: number | undefined;
  /** The message of a .proto file. */
  readonly message?: string | undefined;
  /** Whether payloads begin with a zero byte and the id of their schema. */
  readonly header: "auto" | "none";
}

/** Reads payloads by a schema. */
export interface SchemaParsers {
  parser(use: SchemaUse, type: "AVRO" | "JSON" | "PROTOBUF", options: SchemaOptions): Parse;
}

export interface SchemaOptions {
  readonly nestingMax: number;
  /** Whole numbers that a double cannot hold become bigint. */
  readonly isExact: boolean;
}

/** What a format gets for one source. */
export interface FormatContext {
  readonly limits: PayloadLimits;
  /** The output of the format's `options`. */
  readonly options: unknown;
  readonly schema?: SchemaUse | undefined;
  readonly schemas?: SchemaParsers | undefined;
  /** Reads messages of Sparkplug, with what it knows of their nodes. */
  readonly sparkplug?: ReadSamples | undefined;
}

/**
 * One payload format: an entry of the table in `formats.ts`. It only reads bytes. Names, times, filters and the
 * conversion of values are the mapping's, and work the same for every format.
 */
export type Format = {
  /** A description of the payload for the reference of `weir.yaml`: a phrase that follows the format's name. */
  readonly doc: string;
  /** A payload that shows everything the format can express, and its readings for the metric `metric`. */
  readonly example: {
    readonly payload: string | Uint8Array;
    readonly readings: readonly (readonly [string, ReadingValue])[];
  };
  /** The payload does not name its metric, so the topic must, with `{metric}`. */
  readonly needsMetric: boolean;
  /** Settings, all with defaults, for formats that have any: `format: { csv: { separator: ";" } }`. */
  readonly options?: z.ZodObject;
  /** Whether a source can name a `schema`, or must. */
  readonly schema?: "optional" | "needed";
} & (
  | {
      readonly kind: "tree";
      /** Where an object holds the value of the topic's metric. Undefined: its fields name their metrics. */
      readonly valueField?: string;
      /** A payload may also be a bare value, whose metric the topic names. */
      readonly mayBeBare?: boolean;
      /** Called once for each source. */
      parser(context: FormatContext): Parse;
      /** Slower: whole numbers that a double cannot hold become bigint. Undefined: `parser` gives them so. */
      exactParser?(context: FormatContext): Parse;
    }
  | {
      readonly kind: "samples";
      /** Called once for each source. */
      reader(context: FormatContext): ReadSamples;
    }
);
