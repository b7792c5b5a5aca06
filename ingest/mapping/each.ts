import type { PayloadProblem } from "../formats/format.ts";
import { NotJson, parseLenientJson } from "../formats/lenient-json.ts";
import { kindName, shownName } from "../names/names.ts";
import type { Scope } from "./scope.ts";

type Step =
  | { readonly kind: "field"; readonly name: string }
  /** Every element of an array, or every member of an object. */
  | { readonly kind: "all"; readonly capture: string | undefined }
  /** Every position of the arrays inside an object. */
  | { readonly kind: "positions" };

/** Which parts of a payload are read one by one. */
export interface Each {
  readonly text: string;
  readonly keys: readonly string[];
  readonly steps: readonly Step[];
}

const KEY = /^\{([a-z][a-z0-9_]*)\}$/;

/**
 * `data.*` stands for each element of the array, or each member of the object, in the field `data`; `data.{name}` also
 * keeps its key, or its position. `data` alone descends into it, and `data.[*]` stands for each position of the arrays
 * inside. Returns what is wrong with a text that is none.
 */
export function parseEach(text: string): Each | string {
  const steps: Step[] = [];
  for (const part of text.split(".")) {
    const capture = KEY.exec(part)?.[1];
    if (part === "") return `"${text}" has an empty name`;
    if (part === "[*]") steps.push({ kind: "positions" });
    else if (part === "*") steps.push({ kind: "all", capture: undefined });
    else if (capture !== undefined) steps.push({ kind: "all", capture });
    else if (/[{}*[\]]/.test(part)) {
      return `"${part}" is neither a field's name nor *, {name} (small letters, digits and _) or [*]`;
    } else steps.push({ kind: "field", name: part });
  }
  const keys = steps.flatMap((step) => (step.kind === "all" && step.capture !== undefined ? [step.capture] : []));
  const twice = keys.find((name, i) => keys.indexOf(name) < i);
  if (twice !== undefined) return `{${twice}} is captured twice`;
  return { text, keys, steps };
}

type Visit = (scope: Scope, where: string) => PayloadProblem | undefined;

/** Calls `visit` for each part, at most `elementsMax` times. Returns the first problem. */
export function forEachPart(
  each: Each,
  scope: Scope,
  { visit, elementsMax }: { readonly visit: Visit; readonly elementsMax: number },
): PayloadProblem | undefined {
  let visited = 0;
  let problem: PayloadProblem | undefined;
  function note(found: PayloadProblem | undefined): void {
    problem ??= found;
  }
  function go(at: Scope, step: number, where: string): boolean {
    const next = each.steps[step];
    const value = at.chain.at(-1);
    if (next === undefined) {
      if (visited++ === elementsMax) {
        note({ reason: "too-large", detail: `more than ${elementsMax} elements in one message` });
        return false;
      }
      note(visit(at, where === "" ? "" : `${where}: `));
      return true;
    }
    const opened = typeof value === "string" ? openedText(value) : undefined;
    if (opened !== undefined) return go({ ...at, chain: [...at.chain, opened] }, step, where);
    if (typeof value !== "object" || value === null) {
      note(missing(each, next, { where, value }));
      return true;
    }
    if (next.kind === "field") {
      const inner = innerOf(value, next.name);
      if (inner !== undefined) return go({ ...at, chain: [...at.chain, inner] }, step + 1, joined(where, next.name));
      note(missing(each, next, { where, value }));
      return true;
    }
    if (next.kind === "positions") return positions(at, value, { step, where });
    return all(at, value, { capture: next.capture, step, where });
  }
  function all(
    at: Scope,
    value: object,
    { capture, step, where }: { readonly capture: string | undefined; readonly step: number; readonly where: string },
  ): boolean {
    const names = Object.keys(value);
    const isArray = Array.isArray(value);
    for (const [index, key] of names.entries()) {
      const inner = (value as Readonly<Record<string, unknown>>)[key];
      const keys = capture === undefined ? at.keys : { ...at.keys, [capture]: key };
      const name = joined(where, isArray ? `element ${key}` : key);
      const position = isArray ? { index, count: names.length } : at.position;
      if (!go({ ...at, keys, position, chain: [...at.chain, inner] }, step + 1, name)) return false;
    }
    return true;
  }
  function positions(at: Scope, value: object, { step, where }: { readonly step: number; readonly where: string }) {
    const columns = columnsOf(value);
    if (typeof columns === "string") {
      note({ reason: "bad-payload", detail: `each: "${each.text}" does not fit: ${columns}` });
      return true;
    }
    const [[, { length: count }] = ["", []]] = columns;
    for (let index = 0; index < count; index++) {
      const row = Object.fromEntries(columns.map(([name, cells]) => [name, cells[index]]));
      const inside = { ...at, position: { index, count }, chain: [...at.chain, row] };
      if (!go(inside, step + 1, joined(where, `position ${index}`))) return false;
    }
    return true;
  }
  go(scope, 0, "");
  return problem;
}

/** What a field holds, opened if it is JSON in a text. Null is nothing. */
function innerOf(value: object, name: string): unknown {
  const inner = Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
  return typeof inner === "string" ? (openedText(inner) ?? inner) : (inner ?? undefined);
}

type Column = readonly [name: string, cells: readonly unknown[]];

/** The arrays inside, or why they do not fit together. */
function columnsOf(value: object): readonly Column[] | string {
  const columns = Object.entries(value).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  const [[first = "", { length }] = ["", []]] = columns;
  const odd = columns.find(([, cells]) => cells.length !== length);
  return odd === undefined
    ? columns
    : `${shownName(first)} has ${length} elements, ${shownName(odd[0])} has ${odd[1].length}`;
}

/** A text that is JSON itself, as some gateways put the device's payload into theirs. */
function openedText(text: string): object | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  const parsed = parseLenientJson(text);
  if (parsed instanceof NotJson || parsed.flaw !== undefined) return undefined;
  return typeof parsed.value === "object" && parsed.value !== null ? parsed.value : undefined;
}

function joined(where: string, name: string): string {
  return where === "" ? name.slice(0, 60) : `${where}.${name}`.slice(0, 120);
}

function missing(
  each: Each,
  step: Step,
  { where, value }: { readonly where: string; readonly value: unknown },
): PayloadProblem {
  const place = where === "" ? "the payload" : where;
  const isObject = typeof value === "object" && value !== null;
  const what =
    step.kind === "field" && isObject
      ? `has no ${shownName(step.name)}`
      : `is ${kindName(value)}, not ${step.kind === "field" ? "an object" : "an array or an object"}`;
  return { reason: "bad-payload", detail: `each: "${each.text}" does not fit: ${place} ${what}` };
}
