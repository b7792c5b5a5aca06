import type { ReadingValue } from "../../domain/reading.ts";
import { type PayloadExpression, parsePayloadExpression } from "../../rule-language/conditions/payload-expression.ts";
import type { Format, PayloadLimits } from "../formats/format.ts";
import { formatOf } from "../formats/formats.ts";
import { parseTopicPattern, type TopicPattern } from "../names/topic-pattern.ts";
import { type Each, parseEach } from "./each.ts";
import { compileMetricRules } from "./metric-names.ts";
import { PLAIN_NUMBERS } from "./number-words.ts";
import type { PayloadRules } from "./rules.ts";
import { type KnownNames, type Lookup, lookupOf } from "./scope.ts";
import type { SourceConfig } from "./source-fields.ts";
import { alternatives, compileTemplate, MissingName, namesIn, type Template } from "./template.ts";
import { TimeReader } from "./times.ts";
import { type Conversion, type ValueSettings, valueSettings } from "./values.ts";

/** Stands for the name of a field in `metric`. */
export const FIELD = "field";

/** A format, and the options with which a source uses it. */
export interface FormatUse {
  readonly entry: Format;
  readonly options: unknown;
}

/** One source, compiled once. */
export interface SourcePlan {
  readonly config: SourceConfig;
  readonly format: FormatUse;
  readonly patterns: readonly TopicPattern[];
  readonly rules: PayloadRules;
  /** Device and tags depend on the payload, or a condition decides whether the source takes the message. */
  readonly isDynamic: boolean;
  /** Each field is a reading, or the payload is one value: no templates apply. */
  readonly isPlain: boolean;
  readonly when: PayloadExpression | undefined;
  /** Which parts are no readings. */
  readonly skip: PayloadExpression | undefined;
  /** Gives the time, instead of a field. */
  readonly time: PayloadExpression | undefined;
  /** Finds the names of what an array holds. */
  readonly names: Lookup | undefined;
  readonly each: Each | undefined;
  /** Undefined: the payload's samples name their device. */
  readonly device: Template | undefined;
  readonly tags: readonly (readonly [name: string, template: Template])[];
  /** The members of this field become tags. */
  readonly tagsFrom: Lookup | undefined;
  /** Captures of the topic, and keys, that become tags. */
  readonly tagCaptures: readonly string[];
  readonly tagKeys: readonly string[];
  /** Undefined: fields and samples name their metrics. */
  readonly metric: Template | undefined;
  readonly value: Lookup | undefined;
  /** The value's place, for messages. */
  readonly valueText: string;
  readonly computed: readonly (readonly [metric: string, expression: PayloadExpression])[];
  readonly intervalUs: number | undefined;
}

/** Throws RangeError for settings that the schema refuses. */
export function compileSource(
  config: SourceConfig,
  limits: PayloadLimits,
  format: FormatUse = formatOf(config.format),
): SourcePlan {
  const patterns = topicsOf(config).map((topic) => checked(parseTopicPattern(topic)));
  const each = config.each === undefined ? undefined : checked(parseEach(config.each));
  const known: KnownNames = {
    captured: [...new Set(patterns.flatMap(({ names }) => names))],
    keys: each?.keys ?? [],
  };
  const { entry } = format;
  const deviceText = config.device ?? (isKnown("device", known) ? "{device}" : undefined);
  const names = templateNames(config, deviceText);
  const metricText = metricTextOf(config, known, entry);
  const device = deviceText === undefined ? undefined : compileTemplate(deviceText, known);
  const tags = Object.entries(config.tags).map(([name, text]) => [name, compileTemplate(text, known)] as const);
  const when = config.when === undefined ? undefined : expressionOf(config.when, true);
  const skip = config.skip === undefined ? undefined : expressionOf(config.skip, true);
  const time = computedTime(config);
  const computed = Object.entries(config.compute).map(([name, text]) => [name, expressionOf(text, false)] as const);
  const isFromTopic = (name: string) => known.captured.includes(name) && !known.keys.includes(name);
  const targetNames = [...(device?.names ?? []), ...tags.flatMap(([, { names: inTag }]) => inTag)];
  const tagKeys = known.keys.filter((name) => !names.has(name) && name !== "metric");
  const isDynamic =
    when !== undefined ||
    device === undefined ||
    entry.kind === "samples" ||
    tagKeys.length > 0 ||
    config.tags_from !== undefined ||
    !targetNames.every(isFromTopic);
  const consumed = [...names].filter((name) => !isKnown(name, known) && !name.startsWith("$"));
  // What is computed replaces a field of its name.
  const rules = rulesOf(config, { limits, known, consumed: [...consumed, ...Object.keys(config.compute)] });
  const isPlain =
    !rules.times.needsScope &&
    !isDynamic &&
    each === undefined &&
    skip === undefined &&
    time === undefined &&
    config.names === undefined &&
    config.value === undefined &&
    computed.length === 0 &&
    config.interval === undefined;
  return {
    ...{ config, patterns, isDynamic, when, skip, time, each, device, tags, computed, format },
    names: namesLookup(config.names, known),
    isPlain: isPlain && (metricText === undefined || (entry.needsMetric && config.metric === undefined)),
    rules,
    tagsFrom: config.tags_from === undefined ? undefined : lookupOf(config.tags_from, { captured: [], keys: [] }),
    tagCaptures: known.captured.filter((name) => !names.has(name) && name !== "metric"),
    tagKeys,
    metric: metricText === undefined ? undefined : compileTemplate(metricText, withField(known)),
    value: config.value === undefined ? undefined : valueLookup(config.value, known),
    valueText: config.value ?? "",
    intervalUs: config.interval,
  };
}

export function topicsOf({ topic }: Pick<SourceConfig, "topic">): readonly string[] {
  return typeof topic === "string" ? [topic] : topic;
}

function computedTime({ timestamp }: SourceConfig): PayloadExpression | undefined {
  if (timestamp === "received" || timestamp.compute === undefined) return undefined;
  return expressionOf(timestamp.compute, false);
}

function namesLookup(names: SourceConfig["names"], known: KnownNames): Lookup | undefined {
  if (names === undefined) return undefined;
  return typeof names === "string" ? lookupOf(names, known) : () => names;
}

function isKnown(name: string, { captured, keys }: KnownNames): boolean {
  return captured.includes(name) || keys.includes(name);
}

function withField(known: KnownNames): KnownNames {
  return isKnown(FIELD, known) ? known : { ...known, keys: [...known.keys, FIELD] };
}

/** The names that templates use: they are neither tags nor readings of their own. */
function templateNames(config: SourceConfig, deviceText: string | undefined): ReadonlySet<string> {
  const time = timeFieldOf(config) ?? "";
  const texts = [deviceText ?? "", config.metric ?? "", time, ...Object.values(config.tags)];
  const names = texts.flatMap(namesIn);
  if (config.value !== undefined) names.push(...namesIn(config.value), config.value);
  if (time !== "") names.push(time);
  if (config.tags_from !== undefined) names.push(config.tags_from);
  return new Set(["device", ...names.filter((name) => name !== FIELD)]);
}

function timeFieldOf({ timestamp }: SourceConfig): string | undefined {
  return timestamp === "received" ? undefined : timestamp.field;
}

function metricTextOf(config: SourceConfig, known: KnownNames, entry: Format): string | undefined {
  if (config.metric !== undefined) return config.metric;
  if (!isKnown("metric", known)) return undefined;
  const isUsed = entry.kind === "tree" && (entry.needsMetric || entry.mayBeBare === true);
  return isUsed || config.value !== undefined || known.keys.includes("metric") ? "{metric}" : undefined;
}

function rulesOf(
  config: SourceConfig,
  {
    limits,
    known,
    consumed,
  }: { readonly limits: PayloadLimits; readonly known: KnownNames; readonly consumed: readonly string[] },
): PayloadRules {
  const { timestamp } = config;
  const conversions = Object.entries(config.convert).map(([name, each]) => [name, conversionOf(each)] as const);
  const isEvery =
    config.metrics === "*" &&
    config.drop.length === 0 &&
    config.prefix === "" &&
    Object.keys(config.rename).length === 0 &&
    conversions.length === 0;
  return {
    ...limits,
    times: new TimeReader(timestamp === "received" ? undefined : timestamp, known),
    values: valuesOf(config),
    metricOf: isEvery ? undefined : compileMetricRules({ ...config, conversions }),
    consumed: new Set(consumed),
  };
}

function valuesOf({ coerce, no_value }: SourceConfig): ValueSettings {
  if (coerce === "off") return valueSettings(undefined, no_value);
  return valueSettings(coerce === "auto" ? PLAIN_NUMBERS : { ...coerce, thousands: coerce.thousands }, no_value);
}

function conversionOf({ as, scale, offset, unit, enum: words, no_value }: SourceConfig["convert"][string]): Conversion {
  const map = words && new Map<string, ReadingValue>(Object.entries(words));
  const noValue = no_value && new Set(no_value.map((word) => String(word).toLowerCase()));
  return defined({ as, scale, offset, unit, words: map, noValue });
}

/** Without the keys that are undefined: an earlier conversion's value then remains. */
function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

function expressionOf(text: string, isCondition: boolean): PayloadExpression {
  return checked(parsePayloadExpression(text, { isCondition }));
}

function valueLookup(text: string, known: KnownNames): Lookup {
  if (namesIn(text).length === 0) return lookupOf(text, known);
  // One place alone keeps the kind of its value.
  if (/^\{[^{}]+\}$/.test(text)) return alternatives(text.slice(1, -1), known);
  const template = compileTemplate(text, known);
  return (scope) => {
    const rendered = template.render(scope);
    return rendered instanceof MissingName ? undefined : rendered;
  };
}

function checked<T>(parsed: T | string): T {
  if (typeof parsed === "string") throw new RangeError(parsed);
  return parsed;
}
