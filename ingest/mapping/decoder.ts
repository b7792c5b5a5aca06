import { US_PER_MS } from "../../domain/time.ts";
import type { FormatContext, Parse, PayloadLimits, SchemaUse } from "../formats/format.ts";
import type { Walk } from "./fields.ts";
import { readFields, readValue } from "./plain.ts";
import type { Decode, Decoded, MappedMessage, Readings } from "./rules.ts";
import { SampleMapping } from "./sample-mapping.ts";
import type { SourceConfig } from "./source-fields.ts";
import type { SourcePlan } from "./source-plan.ts";
import { TreeMapping } from "./tree-mapping.ts";

/** Makes readings of a parsed payload. */
type ReadTree = (tree: unknown, message: MappedMessage, walk: Walk) => Decoded;

/** Decodes the messages of one source. */
export function decoderOf(plan: SourcePlan, limits: PayloadLimits, shared: SharedState = {}): Decode {
  const { entry, options } = plan.format;
  const context = { limits, options, schema: schemaOf(plan.config), ...shared };
  if (entry.kind === "samples") {
    if (plan.config.ignore) return ignoring(plan, () => ({}));
    const read = entry.reader(context);
    const mapping = new SampleMapping(plan);
    return (message, readings) => mapping.read(message, begin(plan, message, readings), read);
  }
  const parse = entry.parser(context);
  if (plan.config.ignore) return ignoring(plan, parse);
  return treeDecoder(plan, readerOf(plan, entry.valueField), { parse, exactly: entry.exactParser?.(context) });
}

/** What the sources share. */
export type SharedState = Pick<FormatContext, "schemas" | "sparkplug">;

function schemaOf({ schema }: SourceConfig): SchemaUse | undefined {
  return typeof schema === "string" ? { subject: schema, header: "auto" } : schema;
}

function readerOf(plan: SourcePlan, field: string | undefined): ReadTree {
  if (!plan.isPlain) {
    const mapping = new TreeMapping(plan, field);
    return (tree, message, walk) => mapping.read(tree, message, walk);
  }
  if (field === undefined) return (tree, _message, walk) => readFields(tree, walk);
  return (tree, { captured }, walk) => readValue(tree, walk, { metric: captured.metric ?? "", field });
}

interface Parsers {
  readonly parse: Parse;
  readonly exactly: Parse | undefined;
}

function treeDecoder(plan: SourcePlan, read: ReadTree, { parse, exactly }: Parsers): Decode {
  return (message, readings) => {
    const parser = message.isExact && exactly !== undefined ? exactly : parse;
    const { value, problem } = parser(message.payload);
    if (value === undefined || value === null) return takes(plan, message, null) ? problem : "not-mine";
    const walk = begin(plan, message, readings);
    const found = read(value, message, walk);
    if (walk.isInexact && !message.isExact && exactly !== undefined && found !== "not-mine") return "again-exactly";
    return found === "not-mine" ? found : (problem ?? found);
  };
}

function ignoring(plan: SourcePlan, parse: Parse): Decode {
  return (message) => {
    if (plan.when === undefined) return "ignored";
    return takes(plan, message, parse(message.payload).value) ? "ignored" : "not-mine";
  };
}

/** Whether the source's condition holds for a message. */
function takes({ when }: SourcePlan, { topic, captured, receivedAtUs }: MappedMessage, payload: unknown): boolean {
  if (when === undefined) return true;
  const received = receivedAtUs / US_PER_MS;
  return when.evaluate({ topic, captured, payload, item: payload, index: 0, received }) === true;
}

function begin(plan: SourcePlan, message: MappedMessage, readings: Readings): Walk {
  const { rules } = plan;
  if (rules.times.isLocal) {
    const { number, attempt, receivedAtUs, topic } = message;
    rules.times.begin({ name: topic, message: number, attempt, receivedAtUs });
  }
  return { rules, readings, count: 0, isInexact: false };
}
