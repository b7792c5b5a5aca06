import type { z } from "zod";
import { closest } from "./closest.ts";
import { suggestAggregate, suggestCondition, suggestDuration, suggestId, suggestWord } from "./mend-value.ts";
import type { ErrorCode } from "./problem.ts";
import { keysAt, kindOf } from "./rule-fields.ts";

/** An issue of the schema in words that say how to mend it. */
export interface MendedIssue {
  readonly code: ErrorCode;
  /** Below the rule. */
  readonly path: readonly PropertyKey[];
  readonly part: "key" | "value";
  readonly message: string;
  readonly help: string | undefined;
}

const MEANT_KEYS: Readonly<Record<string, string>> = {
  alert: "id",
  name: "id",
  rule: "id",
  expr: "when",
  condition: "when",
  threshold: "when",
  trigger: "when",
  if: "when",
  until: "clear",
  reset: "clear",
  resolve: "clear",
  filter: "where",
  match: "where",
  selector: "where",
  by: "group_by",
  hold: "for",
  duration: "for",
  function: "aggregate",
  agg: "aggregate",
  level: "severity",
  priority: "severity",
  receivers: "notify",
  to: "notify",
  tags: "labels",
  grace: "lateness",
  timeout: "absent",
  silence: "absent",
  deadman: "absent",
};

/** All issues of a rule; not those that are only the shadow of another. */
export function mendIssues(issues: readonly z.core.$ZodIssue[], rule: unknown): MendedIssue[] {
  const all = issues.flatMap((issue) => mendIssue(issue, rule));
  const unknown = all.filter(({ code }) => code === "E002");
  // A misspelt key is unknown, and then its right name is missing.
  const meant = new Set(unknown.map(({ help = "" }) => /did you mean `(\w+)`/.exec(help)?.[1]));
  const inWindow = unknown.some(({ path }) => path.length > 1 && path[0] === "window");
  return all.filter(({ code, path, message }) => {
    if (code === "E006") return !meant.has(/^`(\w+)` is missing/.exec(message)?.[1]);
    return !(inWindow && path.length === 1 && path[0] === "window" && code === "E004");
  });
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

function unknownKey(key: string, path: readonly PropertyKey[]): MendedIssue {
  const known = keysAt(path) ?? [];
  const base = { code: "E002", path: [...path, key], part: "key" } as const;
  const glued = /^(\w+)\s*:?\s*(\S.*)$/.exec(key);
  if (glued?.[1] !== undefined && glued[1] !== key && known.includes(glued[1])) {
    const message = `${show(key)} is read as one word`;
    return {
      ...base,
      message,
      help: `a key ends with a colon and a space: ${glued[1]}: ${glued[2]?.replace(/^:\s*/, "")}`,
    };
  }
  const elsewhere = otherPlace(key, path);
  const meant = elsewhere === undefined ? wordFor(key, known) : undefined;
  const help = elsewhere ?? (meant ? `did you mean \`${meant}\`?` : `known here: ${known.join(", ")}`);
  return { ...base, message: `unknown key \`${key}\``, help };
}

function wordFor(key: string, known: readonly string[]): string | undefined {
  const meant = MEANT_KEYS[key.toLowerCase()];
  return meant !== undefined && known.includes(meant) ? meant : closest(key, known);
}

/** Keys that are right, at another place. */
function otherPlace(key: string, path: readonly PropertyKey[]): string | undefined {
  if (path.length > 0) {
    const isOfRule = (keysAt([]) ?? []).includes(key);
    return isOfRule ? `\`${key}\` belongs to the rule: indent it less` : undefined;
  }
  if (["metric", "device", "site"].includes(key))
    return `it belongs into \`where\`, on its line or indented below it: where: { ${key}: ... }`;
  if ((keysAt(["window"]) ?? []).includes(key)) return `it belongs into \`window\`: window: { ${key}: ... }`;
  if (["summary", "description", "message", "runbook"].includes(key))
    return `texts stand in \`annotations\`: annotations: { ${key}: ... }`;
  return undefined;
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
  if (field === "where" && path.length === 1) {
    return {
      message: `\`where\` cannot be ${show(value)}`,
      help: "say which label must be what: where: { metric: temperature }",
    };
  }
  if (issue.code === "invalid_type" && issue.expected === "array") {
    return { message: `\`${field}\` is a list`, help: `write ${field}: [${isSimple(value) ? String(value) : "..."}]` };
  }
  if (issue.code === "invalid_type" && (issue.expected === "object" || issue.expected === "record")) {
    return { message: `\`${field}\` holds keys and values`, help: `write for example ${field}: { team: facilities }` };
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

function isSimple(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number";
}

function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map";
  return typeof value === "string" ? `"${value.length > 60 ? `${value.slice(0, 60)}...` : value}"` : String(value);
}
