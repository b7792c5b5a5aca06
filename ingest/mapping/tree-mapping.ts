import type { Device, Tags } from "../../domain/reading.ts";
import { US_PER_MS } from "../../domain/time.ts";
import type { MessageValues } from "../../rule-language/conditions/payload-expression.ts";
import type { PayloadProblem } from "../formats/format.ts";
import { hasControlCharacter, kindName, shownName } from "../names/names.ts";
import { forEachPart } from "./each.ts";
import { badTime, decodeFields, type Fields, isObject, type Place, takeReading, type Walk } from "./fields.ts";
import type { MappedMessage } from "./rules.ts";
import { fieldAt, type Lookup, pathOf, type Scope } from "./scope.ts";
import { FIELD, type SourcePlan } from "./source-plan.ts";
import { MissingName, type Template, textOf } from "./template.ts";
import { UnreadableTime } from "./times.ts";

/** Makes readings of a tree by the templates of one source. */
export class TreeMapping {
  readonly #plan: SourcePlan;
  /** Where an object must hold the value. */
  readonly #valueField: string | undefined;

  constructor(plan: SourcePlan, valueField: string | undefined) {
    this.#plan = plan;
    this.#valueField = plan.value === undefined && plan.each === undefined ? valueField : undefined;
  }

  read(tree: unknown, message: MappedMessage, walk: Walk): PayloadProblem | "not-mine" | undefined {
    const { when, each, rules } = this.#plan;
    const scope: Scope = { captured: message.captured, keys: {}, chain: [tree], position: undefined };
    if (when !== undefined && when.evaluate(valuesOf(scope, message)) !== true) return "not-mine";
    const visit = (part: Scope, where: string) => this.#readPart(part, { walk, where, message });
    const elementsMax = rules.readingsMax;
    if (each !== undefined) return forEachPart(each, scope, { visit, elementsMax });
    if (!Array.isArray(tree) || isRow(this.#plan, tree)) return visit(scope, "");
    return forEachPart(ELEMENTS, scope, { visit, elementsMax });
  }

  #readPart(scope: Scope, { walk, where, message }: PartContext): PayloadProblem | undefined {
    const plan = this.#plan;
    const named = plan.names === undefined ? scope : withNames(scope, plan.names);
    if ("reason" in named) return { ...named, detail: where + named.detail };
    return this.#readNamed(named, { walk, where, message });
  }

  #readNamed(scope: Scope, { walk, where, message }: PartContext): PayloadProblem | undefined {
    const plan = this.#plan;
    const element = scope.chain.at(-1);
    if (element === null || element === undefined) return undefined;
    if (plan.skip?.evaluate(valuesOf(scope, message)) === true) return undefined;
    if (plan.isDynamic) {
      const problem = enterDevice(plan, scope, { walk, where });
      if (problem !== undefined) return problem;
    }
    const atUs = this.#timeOf(scope, message);
    if (atUs.problem !== undefined) return badTime(atUs.problem, atUs.field, where);
    const place: Place = { walk, where, atUs: atUs.atUs, nameOf: undefined };
    const problem = this.#readElement(element, scope, { place, timeField: atUs.field });
    return this.#compute(scope, { place, message }) ?? problem;
  }

  #timeOf(scope: Scope, message: MappedMessage): PartTime {
    const { intervalUs, rules, time } = this.#plan;
    const { receivedAtUs } = message;
    const found =
      time === undefined
        ? rules.times.find(scope)
        : { value: time.evaluate(valuesOf(scope, message)), field: undefined, isOwn: true };
    const read = rules.times.read(found.value);
    if (read instanceof UnreadableTime) return { atUs: undefined, field: found.field, problem: read };
    const field = found.isOwn ? found.field : undefined;
    const { position } = scope;
    if (intervalUs === undefined || position === undefined || (found.isOwn && read !== undefined)) {
      return { atUs: read, field };
    }
    // Samples after the time of their message, or up to its arrival.
    if (read !== undefined && !Number.isNaN(read)) return { atUs: read + position.index * intervalUs, field };
    return { atUs: receivedAtUs - (position.count - 1 - position.index) * intervalUs, field };
  }

  #readElement(
    element: unknown,
    scope: Scope,
    { place, timeField }: { readonly place: Place; readonly timeField: string | undefined },
  ): PayloadProblem | undefined {
    const { metric, value, valueText } = this.#plan;
    const { where } = place;
    if (typeof element !== "object" || element instanceof Uint8Array) {
      const isTemplate = valueText.includes("{");
      return this.#readScalar(isTemplate ? value?.(scope) : element, scope, place);
    }
    if (value !== undefined) {
      const found = value(scope);
      if (found === undefined) return { reason: "bad-payload", detail: `${where}there is no ${shownName(valueText)}` };
      return this.#readValue(found, scope, { place, name: valueText });
    }
    if (this.#valueField !== undefined) {
      const found = fieldAt(element, pathOf(this.#valueField));
      if (found === undefined || !isObject(element)) {
        const detail = `${where}expected a bare value or {"${this.#valueField}": 21.5}: there is no "${this.#valueField}"`;
        return { reason: "bad-payload", detail };
      }
      return this.#readValue(found, scope, { place, name: this.#valueField });
    }
    const nameOf = metric === undefined ? undefined : fieldNames(metric, scope);
    if (nameOf instanceof MissingName) return missing("metric", nameOf, where);
    return decodeFields(element as Fields, { ...place, nameOf }, timeField);
  }

  #readValue(
    value: unknown,
    scope: Scope,
    { place, name }: { readonly place: Place; readonly name: string },
  ): PayloadProblem | undefined {
    if (value === null) return undefined;
    if (typeof value !== "object") return this.#readScalar(value, scope, place);
    const { metric } = this.#plan;
    if (this.#valueField !== undefined || metric === undefined) {
      return { reason: "bad-payload", detail: `${place.where}"${name}" is ${kindName(value)}` };
    }
    const nameOf = fieldNames(metric, scope);
    if (nameOf instanceof MissingName) return missing("metric", nameOf, place.where);
    return decodeFields(value as Fields, { ...place, nameOf }, undefined);
  }

  #readScalar(value: unknown, scope: Scope, place: Place): PayloadProblem | undefined {
    const { metric, valueText } = this.#plan;
    const { where } = place;
    if (metric === undefined) {
      // A field that is named as the value also names it.
      if (valueText !== "" && !valueText.includes("{")) return takeReading(valueText, value, place);
      const expected = `expected an object like {"temperature": 21.5}, got ${kindName(value)}`;
      return {
        reason: "bad-payload",
        detail: `${where}${expected}; \`metric\` or {metric} in the topic would name it`,
      };
    }
    if (typeof value === "string" && hasControlCharacter(value)) {
      return { reason: "bad-payload", detail: `${where}the value has control characters` };
    }
    const name = metric.render({ ...scope, keys: { ...scope.keys, [FIELD]: valueText } });
    if (name instanceof MissingName) return missing("metric", name, where);
    if (name === "") return { reason: "bad-name", detail: `${where}the metric's name is empty` };
    return takeReading(name, value, place);
  }

  #compute(
    scope: Scope,
    { place, message }: { readonly place: Place; readonly message: MappedMessage },
  ): PayloadProblem | undefined {
    let problem: PayloadProblem | undefined;
    for (const [metric, expression] of this.#plan.computed) {
      const found = takeReading(metric, expression.evaluate(valuesOf(scope, message)), place);
      problem ??= found;
    }
    return problem;
  }
}

/**
 * An array of scalars is one row if its places have names, or if the topic names the metric: `nrg.0`, `nrg.1`. With an
 * interval its elements are samples.
 */
function isRow({ names, metric, intervalUs }: SourcePlan, tree: readonly unknown[]): boolean {
  if (names === undefined && (metric === undefined || intervalUs !== undefined)) return false;
  return tree.every((cell) => typeof cell !== "object" || cell === null);
}

const ELEMENTS = { text: "*", keys: [], steps: [{ kind: "all", capture: undefined }] } as const;

interface PartContext {
  readonly walk: Walk;
  readonly where: string;
  readonly message: MappedMessage;
}

interface PartTime {
  readonly atUs: number | undefined;
  readonly field: string | undefined;
  readonly problem?: UnreadableTime;
}

function valuesOf({ chain, captured, keys, position }: Scope, message: MappedMessage): MessageValues {
  const { topic, receivedAtUs } = message;
  return {
    ...{ topic, payload: chain[0], item: chain.at(-1), captured: { ...captured, ...keys } },
    ...{ index: position?.index ?? 0, received: receivedAtUs / US_PER_MS },
  };
}

/** An array as an object of the names that the source gives, or the payload has. */
function withNames(scope: Scope, namesOf: Lookup): Scope | PayloadProblem {
  const element = scope.chain.at(-1);
  if (!Array.isArray(element)) return scope;
  const names = namesOf(scope);
  if (!Array.isArray(names)) return { reason: "bad-payload", detail: "there are no names for the array (`names`)" };
  if (names.length !== element.length) {
    const detail = `the array has ${element.length} elements, and there are ${names.length} names`;
    return { reason: "bad-payload", detail };
  }
  const fields = Object.fromEntries(names.map((name, i) => [textOf(name) ?? "", element[i]]));
  return { ...scope, chain: [...scope.chain, fields] };
}

/** `metric` with `{field}` renders each name; without it, it goes before them. */
function fieldNames(metric: Template, scope: Scope): ((field: string) => string) | MissingName {
  const isPrefix = !metric.names.includes(FIELD);
  const before = metric.render({ ...scope, keys: { ...scope.keys, [FIELD]: "" } });
  if (before instanceof MissingName) return before;
  if (isPrefix) return (field) => `${before}.${field}`;
  return (field) => {
    const name = metric.render({ ...scope, keys: { ...scope.keys, [FIELD]: field } });
    return name instanceof MissingName ? field : name;
  };
}

function missing(setting: string, { name }: MissingName, where: string): PayloadProblem {
  return { reason: "bad-payload", detail: `${where}there is no ${shownName(name)}, which \`${setting}\` needs` };
}

/** Says whose readings follow. */
export function enterDevice(
  plan: SourcePlan,
  scope: Scope,
  { walk, where, named }: { readonly walk: Walk; readonly where: string; readonly named?: NamedBySample },
): PayloadProblem | undefined {
  const device = plan.device === undefined ? named?.device : plan.device.render(scope);
  if (device instanceof MissingName) return missing("device", device, where);
  if (device === undefined)
    return { reason: "bad-payload", detail: `${where}neither topic nor payload names a device` };
  if (walk.rules.times.isLocal) walk.rules.times.from(device);
  const problem = walk.readings.device(device, tagsOf(plan, scope, named?.tags));
  return problem === undefined || where === "" ? problem : { ...problem, detail: where + problem.detail };
}

/** `more`: tags that the payload names. */
function tagsOf(plan: SourcePlan, scope: Scope, more: Tags | undefined): Tags {
  const tags: Record<string, string> = {};
  for (const name of plan.tagCaptures) {
    const text = scope.captured[name];
    if (text !== undefined) tags[name] = text;
  }
  for (const name of plan.tagKeys) tags[name] = scope.keys[name] ?? "";
  Object.assign(tags, more);
  if (plan.tagsFrom !== undefined) addMembers(tags, plan.tagsFrom(scope));
  for (const [name, template] of plan.tags) {
    const text = template.render(scope);
    // A reading without the field has no such tag.
    if (!(text instanceof MissingName) && text !== "") tags[name] = text;
  }
  return tags;
}

function addMembers(tags: Record<string, string>, members: unknown): void {
  if (!isObject(members)) return;
  for (const [name, value] of Object.entries(members)) {
    const text = textOf(value);
    if (text !== undefined && text !== "" && name !== "device" && name !== "metric") tags[name] = text;
  }
}

/** The device of a source whose topics alone say it, or why there is none. */
export function deviceOfTopic(plan: SourcePlan, captured: Scope["captured"]): Device | string {
  const scope: Scope = { captured, keys: {}, chain: [], position: undefined };
  const device = plan.device?.render(scope);
  if (typeof device !== "string") return "the topic names no device";
  return { device, tags: tagsOf(plan, scope, undefined) };
}

export interface NamedBySample {
  readonly device: string | undefined;
  readonly tags: Tags | undefined;
}
