import { formatOf } from "../formats/formats.ts";
import { parseTopicPattern, type TopicPattern } from "../names/topic-pattern.ts";
import { type Each, parseEach } from "./each.ts";
import type { SourceConfig } from "./source-fields.ts";
import { namesIn } from "./template.ts";

/** A setting of a source that cannot work with the others. */
export interface SourceProblem {
  readonly path: readonly string[];
  readonly message: string;
}

export function sourceProblems(source: SourceConfig): readonly SourceProblem[] {
  const parsed = (typeof source.topic === "string" ? [source.topic] : source.topic).map(parseTopicPattern);
  const bad = parsed.filter((pattern) => typeof pattern === "string");
  if (bad.length > 0) return bad.map((message) => ({ path: ["topic"], message }));
  const patterns = parsed.filter((pattern) => typeof pattern !== "string");
  if (source.ignore) return ignoreProblems(source);
  const each = source.each === undefined ? undefined : parseEach(source.each);
  if (typeof each === "string") return [];
  return [
    ...patterns.flatMap((pattern) => captureProblems(source, pattern, each)),
    ...tagProblems(source),
    ...schemaProblems(source),
    ...timeProblems(source),
    ...sampleProblems(source),
    ...conversionProblems(source),
    ...metricProblems(source, patterns, each),
  ];
}

/** What a source that reads nothing cannot use. */
const READING_KEYS = ["each", "names", "skip", "device", "metric", "value", "interval"] as const;

function ignoreProblems(source: SourceConfig): SourceProblem[] {
  return READING_KEYS.filter((key) => source[key] !== undefined).map((key) => ({
    path: [key],
    message: `a source with ignore: true reads nothing, so ${key} has no effect`,
  }));
}

function captureProblems(source: SourceConfig, { names }: TopicPattern, each: Each | undefined): SourceProblem[] {
  const { entry } = formatOf(source.format);
  const problems: SourceProblem[] = [];
  const keys = each?.keys ?? [];
  const twice = keys.find((name) => names.includes(name));
  if (twice !== undefined) {
    problems.push({ path: ["each"], message: `{${twice}} is captured twice, by the topic and by each` });
  }
  if (source.device === undefined && entry.kind === "tree" && !names.includes("device") && !keys.includes("device")) {
    const message =
      "{device} is missing: it says which sensor a reading is from. Or write `device`: a template over fields";
    problems.push({ path: ["topic"], message });
  }
  if (entry.needsMetric && source.metric === undefined && !names.includes("metric") && !keys.includes("metric")) {
    problems.push({ path: ["topic"], message: "{metric} is missing: a bare value has no other name" });
  }
  return problems;
}

function timeProblems({ timestamp, format }: SourceConfig): SourceProblem[] {
  if (timestamp === "received") return [];
  if (timestamp.format !== undefined && timestamp.unit !== "auto") {
    return [{ path: ["timestamp", "unit"], message: "`format` says how the time is written, so `unit` has no effect" }];
  }
  if (timestamp.compute === undefined) return [];
  const path = ["timestamp", "compute"];
  if (timestamp.field !== undefined) return [{ path, message: "give either `field` or `compute`" }];
  const { entry } = formatOf(format);
  if (entry.kind === "tree") return [];
  return [{ path, message: "the samples of this format have times of their own: nothing is computed" }];
}

/** What walks through a tree: samples are not one. */
const TREE_KEYS = ["each", "names", "skip", "value", "interval"] as const;
const TREE_TIME_KEYS = ["field", "format", "timezone"] as const;

/** Settings that formats without fields of their own would ignore. */
function sampleProblems(source: SourceConfig): SourceProblem[] {
  const { format, timestamp, compute, when } = source;
  if (formatOf(format).entry.kind === "tree") return [];
  const paths: (readonly string[])[] = TREE_KEYS.filter((key) => source[key] !== undefined).map((key) => [key]);
  if (Object.keys(compute).length > 0) paths.push(["compute"]);
  if (timestamp !== "received") {
    paths.push(...TREE_TIME_KEYS.filter((key) => timestamp[key] !== undefined).map((key) => ["timestamp", key]));
    if (timestamp.unit !== "auto") paths.push(["timestamp", "unit"]);
  }
  const problems = paths.map((path) => {
    const message = `the samples of this format have metrics, values and times of their own, so ${path.at(-1)} has no effect: remove it`;
    return { path, message };
  });
  if (when !== undefined && /\b(?:payload|item)\b/.test(when)) {
    const message = "the samples of this format are not in `payload`: `when` can use topic, captured and received";
    problems.push({ path: ["when"], message });
  }
  return problems;
}

function conversionProblems({ convert }: SourceConfig): SourceProblem[] {
  return Object.entries(convert).flatMap(([metric, { as, scale, offset }]) => {
    if (as === undefined || as === "number" || (scale === undefined && offset === undefined)) return [];
    const message = `a ${as} has no scale or offset: remove as: ${as}, or them`;
    return [{ path: ["convert", metric, "as"], message }];
  });
}

function tagProblems({ tags }: SourceConfig): SourceProblem[] {
  return ["device", "metric"]
    .filter((name) => Object.hasOwn(tags, name))
    .map((name) => {
      const message = `a tag cannot have the name ${name}, which every series has; choose another name`;
      return { path: ["tags", name], message };
    });
}

/** `{metric}` of the topic that nothing uses. */
function metricProblems(
  source: SourceConfig,
  patterns: readonly TopicPattern[],
  each: Each | undefined,
): SourceProblem[] {
  const { entry } = formatOf(source.format);
  if (!patterns.some(({ names }) => names.includes("metric")) || each?.keys.includes("metric")) return [];
  const isUsed = entry.kind === "tree" && (entry.needsMetric || entry.mayBeBare === true);
  const texts = [source.metric ?? "", source.device ?? "", source.value ?? "", ...Object.values(source.tags)];
  if (isUsed && source.metric === undefined) return [];
  if (texts.flatMap(namesIn).includes("metric") || (source.value !== undefined && source.metric === undefined))
    return [];
  const message =
    source.metric === undefined
      ? 'the topic captures {metric}, but the payload names its metrics: write metric: "{metric}.{field}" to use both, or + instead of {metric}'
      : `the topic captures {metric}, but metric: "${source.metric}" does not use it: write + instead`;
  return [{ path: ["topic"], message }];
}

function schemaProblems({ format, schema }: SourceConfig): SourceProblem[] {
  const { entry } = formatOf(format);
  if (schema === undefined && entry.schema === "needed") {
    return [{ path: ["format"], message: "this format needs `schema`: the subject of its schema in the registry" }];
  }
  if (schema !== undefined && entry.schema === undefined) {
    return [{ path: ["schema"], message: "the format of this source has no schema: use json, avro or protobuf" }];
  }
  return [];
}
