import { reasonOf } from "../../domain/reason.ts";
import { problemOf } from "./binary-problem.ts";
import { cborTree } from "./cbor-tree.ts";
import type { Format, FormatContext, OnSample, PayloadProblem, ReadSamples } from "./format.ts";
import { decodeUtf8 } from "./payload-text.ts";
import { BadPack, BadRecord, RELATIVE_BELOW, SenmlPack, type SenmlRecord } from "./senml-record.ts";

export const SENML_FORMAT = {
  kind: "samples",
  doc: "SenML in JSON or CBOR (RFC 8428); the device is the base name, and the unit is the tag `unit`",
  example: {
    payload:
      '[{"bn":"urn:dev:ops:32473-silo-4:","bt":1763769600,"bu":"Cel","n":"inlet","v":18.5},' +
      '{"n":"open","u":"","vb":true},{"n":"mode","vs":"eco"}]',
    readings: [
      ["inlet", 18.5],
      ["open", true],
      ["mode", "eco"],
    ],
  },
  needsMetric: false,
  reader: (context) => readerOf(context),
} as const satisfies Format;

const NESTING_MAX = 8;
const CBOR_ARRAY = 4;

function readerOf({ limits }: FormatContext): ReadSamples {
  return ({ payload, receivedAtUs }, onSample) => {
    const parsed = parsePack(payload);
    if (parsed.problem !== undefined) return parsed.problem;
    if (!Array.isArray(parsed.value)) return { reason: "bad-payload", detail: "a SenML pack is an array of records" };
    return readPack(parsed.value, { readingsMax: limits.readingsMax, receivedAtUs }, onSample);
  };
}

/** A pack is an array, whose first byte tells CBOR from JSON. */
function parsePack(payload: Uint8Array): { readonly value?: unknown; readonly problem?: PayloadProblem } {
  if ((payload[0] ?? 0) >> 5 === CBOR_ARRAY) {
    try {
      return { value: cborTree(payload, NESTING_MAX) };
    } catch (error) {
      return { problem: problemOf(error, "CBOR") };
    }
  }
  const text = decodeUtf8(payload);
  if (text === undefined) return { problem: { reason: "bad-payload", detail: "the payload is not UTF-8 text" } };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: { reason: "bad-payload", detail: `not JSON: ${reasonOf(error)}` } };
  }
}

/** A bad record costs itself; the first one is the problem. */
function readPack(
  records: readonly unknown[],
  { readingsMax, receivedAtUs }: { readonly readingsMax: number; readonly receivedAtUs: number },
  onSample: OnSample,
): PayloadProblem | undefined {
  const pack = new SenmlPack();
  let problem: PayloadProblem | undefined;
  for (let i = 0; i < records.length; i++) {
    if (i === readingsMax) {
      return problem ?? { reason: "too-large", detail: `more than ${readingsMax} records in one message` };
    }
    try {
      const record = pack.resolve(records[i]);
      if (record !== undefined) emit(record, receivedAtUs, onSample);
    } catch (error) {
      if (!(error instanceof BadRecord || error instanceof BadPack)) throw error;
      problem ??= { reason: "bad-payload", detail: `record ${i + 1}: ${error.message}` };
      if (error instanceof BadPack) return problem;
    }
  }
  return problem;
}

function emit(record: SenmlRecord, receivedAtUs: number, onSample: OnSample): void {
  const { device, metric, unit, value, sum, seconds } = record;
  const atUs = seconds < RELATIVE_BELOW ? relativeUs(seconds, receivedAtUs) : Math.round(seconds * 1e6);
  const sample = {
    atUs,
    device: device === "" ? undefined : device,
    tags: unit === undefined || unit === "" ? undefined : { unit },
  };
  if (value !== undefined) onSample({ ...sample, metric, value });
  if (sum !== undefined) onSample({ ...sample, metric: `${metric}.sum`, value: sum });
}

/** Undefined means now. */
function relativeUs(seconds: number, receivedAtUs: number): number | undefined {
  return seconds === 0 ? undefined : receivedAtUs + Math.round(seconds * 1e6);
}
