import type { z } from "zod";
import { suggestDate, suggestDays, suggestHours } from "../calendar/active-texts.ts";
import { kindOf } from "../spec/rule-fields.ts";
import { unknownKey } from "./mend-key.ts";
import { suggestAggregate, suggestCondition, suggestDuration, suggestId, suggestWord } from "./mend-value.ts";
import type { MendedIssue } from "./mended-issue.ts";

/** All issues of a rule; not those that are only the shadow of another. */
export function mendIssues(issues: readonly z.core.$ZodIssue[], rule: unknown): MendedIssue[] {
  const all = issues.flatMap((issue) => mendIssue(issue, rule));
  const unknown = all.filter(({ code }) => code === "E002");
  // A misspelt key is unknown, and then its right name is missing.
  const meant = new Set(unknown.map(({ help = "" }) => /did you mean `(\w+)`/.exec(help)?.[1]));
  const isOverSeries = typeof rule === "object" && rule !== null && "let" in rule;
  const inWindow = unknown.some(({ path }) => path.length > 1 && path[0] === "window");
  return all.filter(({ code, path, message }) => {
    // What is no plain condition is one in CEL there, and told of as such.
    if (code === "E003" && isOverSeries && (path[0] === "when" || path[0] === "clear")) return false;
    if (code === "E006") return !meant.has(/^`(\w+)` is missing/.exec(message)?.[1]);
    // A misspelt key is also what makes it say nothing.
    if (code === "E004" && path[0] === "active") return !unknown.some((other) => isBelow(other.path, path));
    return !(inWindow && path.length === 1 && path[0] === "window" && code === "E004");
  });
}

function isBelow(path: readonly PropertyKey[], above: readonly PropertyKey[]): boolean {
  return path.length > above.length && above.every((step, i) => step === path[i]);
}

/** One zod issue of a rule; unknown keys are told one by one. */
function mendIssue(issue: z.core.$ZodIssue, rule: unknown): MendedIssue[] {
  const { path } = issue;
  const field = String(path.findLast((step) => typeof step === "string") ?? "");
  const value = valueAt(rule, path);
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(key, path));
  if (value === undefined && issue.code === "invalid_type") {
    return [
      {
        code: "E006",
        path: path.slice(0, -1),
        part: "value",
        message: `\`${field}\` is missing`,
        help: missingHelp(field),
      },
    ];
  }
  const base = { path, part: "value" } as const;
  if (issue.code === "custom" && typeof issue.params?.help === "string") {
    const { help, code, fragment } = issue.params;
    const part = path[0] === "let" && path.length < 3 ? "key" : "value";
    const exact = typeof fragment === "string" ? { fragment } : {};
    return [{ ...base, ...exact, part, code: code === "E003" ? "E003" : "E004", message: issue.message, help }];
  }
  if (value === null || value === undefined) {
    if (issue.code === "custom") return [{ ...base, ...custom(issue.message, field, value) }];
    const help = "give it a value, or remove it; what belongs to it stands on the next lines, indented further";
    return [
      {
        ...base,
        code: "E003",
        message: `nothing stands behind ${path.length === 0 ? "the dash" : `\`${field}:\``}`,
        help,
      },
    ];
  }
  if (issue.code === "invalid_key") {
    const message = "a name before a colon is empty";
    return [{ ...base, path: path.slice(0, -1), code: "E003", message, help: "write the name, or remove the entry" }];
  }
  if (issue.code === "invalid_union" && path[0] === "active" && typeof value === "object") {
    const own = issue.errors[Array.isArray(value) ? 1 : 0] ?? [];
    return own.flatMap((inner) => mendIssue({ ...inner, path: [...path, ...inner.path] }, rule));
  }
  if (issue.code === "invalid_type" || issue.code === "invalid_union") {
    return [{ ...base, code: "E003", ...wrongType(issue, path, value) }];
  }
  if (issue.code === "invalid_value") {
    const allowed = issue.values.map(String);
    const meant = suggestWord(String(value), allowed);
    const message = `\`${field}\` cannot be ${show(value)}`;
    return [
      {
        ...base,
        code: "E003",
        message,
        help: `${meant ? `did you mean ${meant}? ` : ""}it is one of ${allowed.join(", ")}`,
      },
    ];
  }
  if (issue.code === "too_small" && Array.isArray(value)) {
    return [
      { ...base, code: "E003", message: `\`${field}\` is an empty list`, help: "put something into it, or remove it" },
    ];
  }
  if (issue.code === "too_small" || issue.code === "too_big") {
    const bound = issue.code === "too_small" ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
    const message = value === "" ? `an empty text in \`${field}\`` : `\`${field}\` cannot be ${show(value)}`;
    return [{ ...base, code: "E003", message, help: value === "" ? "write a name, or remove it" : `it is ${bound}` }];
  }
  if (kindOf(field) === "id") {
    const id = suggestId(String(value));
    return [
      {
        ...base,
        code: "E003",
        message: `${show(value)} ${issue.message.replace(/^must be/, "is no id: an id is made of")}`,
        help: id && `write id: ${id}`,
      },
    ];
  }
  return [{ ...base, ...custom(issue.message, field, value) }];
}

function custom(text: string, field: string, value: unknown): Pick<MendedIssue, "code" | "message" | "help"> {
  const [message = text, advice] = text.split(/; (?=write )/);
  if (typeof value !== "string" || /stands twice|needs a tumbling/.test(text)) {
    const help = /are there$/.test(text) ? "keep one of them" : (advice ?? HELP[field]);
    return { code: value === undefined || value === null ? "E006" : "E004", message: named(message, field), help };
  }
  switch (kindOf(field)) {
    case "duration": {
      const meant = suggestDuration(value);
      const isDuration = advice === undefined;
      if (isDuration) {
        const isBound = /^must/.test(message);
        return {
          code: isBound ? "E003" : "E004",
          message: isBound ? `${show(value)} ${message}` : message,
          help: isBound ? "write a duration in that range" : HELP[field],
        };
      }
      return { code: "E003", message, help: meant ? `write ${meant}` : advice };
    }
    case "condition": {
      const meant = suggestCondition(value);
      const isCondition = /means nothing/.test(message);
      if (isCondition) return { code: "E004", message, help: HELP[field] };
      return {
        code: "E003",
        message,
        help: meant ? `write ${show(meant)}` : (advice ?? "the smaller number comes first"),
      };
    }
    case "aggregate": {
      const meant = suggestAggregate(value);
      return { code: "E003", message, help: meant ? `did you mean ${meant}?` : advice };
    }
    default:
      return { code: "E004", message: named(message, field), help: HELP[field] ?? advice };
  }
}

const HELP: Readonly<Record<string, string>> = {
  window: "add for example window: { tumbling: 1m }, or absent: 5m",
  absent: "keep one of the two; two questions are two rules",
  when: "remove it; `absent` is the whole condition",
  clear: "remove it, or add `when`",
  for: "remove it, and make `absent` that much longer",
  keep_firing_for: "remove it; an absence ends with the next reading",
  fill: "use window: { tumbling: 1m }, or remove `fill`",
  every: "write for example { hopping: 5m, every: 30s }; 5m is ten times 30s",
  aggregate: "name each aggregate once; duration(...) goes with window: { tumbling: 1h }",
};

function named(message: string, field: string): string {
  return /^(is|must)\b/.test(message) ? `\`${field}\` ${message}` : message;
}

function missingHelp(field: string): string {
  return field === "id" ? "name the rule, for example id: cold-room-warm" : `add \`${field}\``;
}

function wrongType(
  issue: z.core.$ZodIssue,
  path: readonly PropertyKey[],
  value: unknown,
): { message: string; help: string } {
  const field = String(path.findLast((step) => typeof step === "string") ?? "");
  if (path.length === 0)
    return { message: "a rule is made of keys and values", help: "write for example - id: cold-room-warm" };
  if (field === "window" && path.length === 1) {
    const size = typeof value === "number" ? `${value}s` : (suggestDuration(String(value)) ?? "1m");
    return {
      message: `\`window\` cannot be ${show(value)}`,
      help: `say which kind of window: window: { tumbling: ${size} }`,
    };
  }
  if (field === "flapping" && path.length === 1) {
    const changes = typeof value === "number" && value >= 3 ? value : 6;
    const within = (typeof value === "string" ? suggestDuration(value) : undefined) ?? "1h";
    return {
      message: `\`flapping\` cannot be ${show(value)}`,
      help: `say how many changes in which time: flapping: { changes: ${changes}, within: ${within} }`,
    };
  }
  if (field === "changes")
    return { message: `\`changes\` cannot be ${show(value)}`, help: "write a whole number from 3 on, like changes: 6" };
  if (field === "active") {
    const text = [value].flat().find((part) => typeof part === "string") ?? "";
    const days = suggestDays(text);
    const hours = suggestHours(text);
    const meant = days !== undefined ? `days: [${days}]` : hours !== undefined ? `hours: ["${hours}"]` : undefined;
    return {
      message: `\`active\` cannot be ${show(value)}`,
      help: `say when: active: { ${meant ?? 'days: [mon-fri], hours: ["07:00-18:00"]'} }`,
    };
  }
  if (path[0] === "active" && issue.code === "invalid_type" && issue.expected === "array" && isSimple(value)) {
    const suggest = { days: suggestDays, hours: suggestHours, except: suggestDate }[field];
    return {
      message: `\`${field}\` is a list`,
      help: `write ${field}: ["${suggest?.(String(value)) ?? String(value)}"]`,
    };
  }
  if (field === "where" && path.length === 1) {
    return {
      message: `\`where\` cannot be ${show(value)}`,
      help: "say which label must be what: where: { metric: temperature }",
    };
  }
  if (field === "inhibited_by") {
    const rule = isSimple(value) ? String(value) : "gateway-silent";
    return {
      message: "`inhibited_by` is a list that says which rules, and which labels agree",
      help: `write inhibited_by: [{ rule: ${rule}, equal: [site] }]`,
    };
  }
  if (path[0] === "where" && path.length === 2 && typeof value === "object") {
    const isNegation =
      /^(?:not|exclude|except|unless)$/i.test(field) || valueNames(value).some((name) => NEGATIONS.test(name));
    return {
      message: `\`${field}\` cannot be ${show(value)}`,
      help: isNegation
        ? 'put a ! before what is not wanted, with quotes around both: site: "!lab"'
        : `write one text, or a list of them: ${field}: [north, "south-*"]`,
    };
  }
  if (issue.code === "invalid_type" && issue.expected === "array") {
    return { message: `\`${field}\` is a list`, help: `write ${field}: [${isSimple(value) ? String(value) : "..."}]` };
  }
  if (issue.code === "invalid_type" && (issue.expected === "object" || issue.expected === "record")) {
    const example = path[0] === "let" ? `{ metric: ${isSimple(value) ? value : field} }` : "{ team: facilities }";
    return { message: `\`${field}\` holds keys and values`, help: `write for example ${field}: ${example}` };
  }
  if (field === "count")
    return { message: `\`count\` cannot be ${show(value)}`, help: "write a whole number of readings, like count: 20" };
  if (kindOf(field) === "duration" && typeof value === "number") {
    return {
      message: `${value} has no unit`,
      help: `write ${field}: ${value}s for seconds, ${value}m for minutes, ${value}h for hours`,
    };
  }
  if (kindOf(field) === "condition" && (typeof value === "number" || typeof value === "boolean")) {
    const meant = typeof value === "number" ? `"> ${value}" or "< ${value}"` : `"== ${value}"`;
    return { message: `\`${field}\` is a comparison, and ${value} is none`, help: `write ${field}: ${meant}` };
  }
  if (typeof value === "number" || typeof value === "boolean") {
    const name = path.length > 1 ? path.filter((step) => typeof step === "string").join(".") : field;
    return {
      message: `\`${name}\` is a text, and ${value} is a ${typeof value === "number" ? "number" : "yes or no"}`,
      help: `put it in quotes: "${value}"`,
    };
  }
  const help = Array.isArray(value)
    ? "write one text, without brackets"
    : "write a text; if it has { or : in it, put it in quotes";
  return { message: `\`${field}\` cannot be ${show(value)}`, help };
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const step of path) value = typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined;
  return value;
}

const NEGATIONS = /^(?:not|ne|neq|!|!=|not_in|not_equals?|exclude|except)$/i;

function valueNames(value: unknown): readonly string[] {
  return typeof value === "object" && value !== null ? Object.keys(value) : [];
}

function isSimple(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number";
}

function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map";
  return typeof value === "string" ? `"${value.length > 60 ? `${value.slice(0, 60)}...` : value}"` : String(value);
}
