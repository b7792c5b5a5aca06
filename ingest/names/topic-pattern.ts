/** What a topic holds, by the name of its captures. */
export type Captured = Readonly<Record<string, string>>;

type Level =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" }
  | { readonly kind: "capture"; readonly name: string }
  /** Captures inside a level, between texts: one text more than there are names. */
  | { readonly kind: "parts"; readonly names: readonly string[]; readonly texts: readonly string[] }
  /** One or more levels. */
  | { readonly kind: "many"; readonly name: string };

/**
 * The topics of a source. `{name}` captures a level, `{model}-{id}` parts of one, `{name...}` one or more levels; `+`
 * skips a level, and `#` at the end skips the rest.
 */
export interface TopicPattern {
  readonly text: string;
  readonly levels: readonly Level[];
  /** Ends with `#`. */
  readonly isOpen: boolean;
  /** The place of the level that captures several; -1 if there is none. */
  readonly manyAt: number;
  readonly names: readonly string[];
}

const CAPTURE = /\{([^{}]*)\}/;
const NAME = /^[a-z][a-z0-9_]*$/;

/** The pattern, or what is wrong with it. */
export function parseTopicPattern(text: string): TopicPattern | string {
  const parts = text.split("/");
  const isOpen = parts.at(-1) === "#";
  if (isOpen) parts.pop();
  const levels: Level[] = [];
  for (const part of parts) {
    const level = parseLevel(part);
    if (typeof level === "string") return level;
    levels.push(level);
  }
  const names = levels.flatMap(namesOf);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) return `{${twice}} is captured twice: a name is captured once`;
  if (levels.filter(({ kind }) => kind === "many").length > 1) return "only one capture may span several levels";
  const manyAt = levels.findIndex(({ kind }) => kind === "many");
  if (isOpen && manyAt >= 0) return "# and a capture of several levels do not go together: leave out #";
  if (levels[0]?.kind === "text" && levels[0].text.startsWith("$")) {
    return "topics that begin with $ belong to the broker and carry no readings";
  }
  return { text, levels, isOpen, manyAt, names };
}

function parseLevel(part: string): Level | string {
  if (part === "+") return { kind: "any" };
  if (part === "#") return "# may only be the last level";
  if (/[+#]/.test(part)) return `"${part}" mixes + or # with text: a wildcard is a level of its own`;
  if (!/[{}]/.test(part)) return { kind: "text", text: part };
  const pieces = part.split(CAPTURE);
  const names = pieces.filter((_, i) => i % 2 === 1);
  const texts = pieces.filter((_, i) => i % 2 === 0);
  const many = names.length === 1 && /^(.*)\.\.\.$/.exec(names[0] ?? "")?.[1];
  if (many && NAME.test(many)) {
    if (texts.some((text) => text !== "")) return `"${part}": a capture of several levels takes whole levels`;
    return { kind: "many", name: many };
  }
  if (texts.some((text) => /[{}]/.test(text)) || !names.every((name) => NAME.test(name)) || names.length === 0) {
    return `"${part}" is neither a plain level nor {name} (small letters, digits and _), {name...}, + or #`;
  }
  const [name = ""] = names;
  if (names.length === 1 && texts.every((text) => text === "")) return { kind: "capture", name };
  if (texts.slice(1, -1).includes("")) return `"${part}": there must be a text between two captures`;
  return { kind: "parts", names, texts };
}

function namesOf(level: Level): readonly string[] {
  if (level.kind === "parts") return level.names;
  return level.kind === "capture" || level.kind === "many" ? [level.name] : [];
}

/** What the topic's levels hold; undefined if the pattern does not match. Takes time in proportion to the topic. */
export function matchTopic(pattern: TopicPattern, actual: readonly string[]): Record<string, string> | undefined {
  const { levels, isOpen, manyAt } = pattern;
  const least = levels.length;
  const isAnyLength = isOpen || manyAt >= 0;
  if (isAnyLength ? actual.length < least : actual.length !== least) return undefined;
  const captured: Record<string, string> = {};
  const extra = manyAt >= 0 ? actual.length - least : 0;
  for (const [i, level] of levels.entries()) {
    if (level.kind === "many") {
      const joint = level.name === "metric" ? "." : "/";
      captured[level.name] = actual.slice(i, i + 1 + extra).join(joint);
    } else if (!matchLevel(level, actual[manyAt >= 0 && i > manyAt ? i + extra : i] ?? "", captured)) {
      return undefined;
    }
  }
  return captured;
}

function matchLevel(level: Exclude<Level, { kind: "many" }>, text: string, captured: Record<string, string>): boolean {
  switch (level.kind) {
    case "any":
      return true;
    case "text":
      return level.text === text;
    case "capture":
      captured[level.name] = text;
      return true;
    case "parts":
      return matchParts(level, text, captured);
  }
}

/** From the end: the last capture is as short as possible, so `{model}-{id}` splits at the last dash. */
function matchParts(
  { names, texts }: Extract<Level, { kind: "parts" }>,
  text: string,
  captured: Record<string, string>,
): boolean {
  const first = texts[0] ?? "";
  const last = texts.at(-1) ?? "";
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let end = text.length - last.length;
  for (let i = names.length - 1; i >= 0; i--) {
    // A capture has one character at least.
    const before = texts[i] ?? "";
    const start = i === 0 ? first.length : text.lastIndexOf(before, end - 1 - before.length) + before.length;
    if (start < before.length + (i === 0 ? 0 : first.length) || start >= end) return false;
    captured[names[i] ?? ""] = text.slice(start, end);
    end = start - before.length;
  }
  return true;
}

/** Whether every topic of `later` is one of `earlier`. Where that is not certain, false. */
export function covers(earlier: TopicPattern, later: TopicPattern): boolean {
  if (earlier.manyAt >= 0 || later.manyAt >= 0) return coversMany(earlier, later);
  if (earlier.isOpen ? later.levels.length < earlier.levels.length : later.isOpen) return false;
  if (!earlier.isOpen && later.levels.length !== earlier.levels.length) return false;
  return earlier.levels.every((level, i) => coversLevel(level, later.levels[i]));
}

function coversMany(earlier: TopicPattern, later: TopicPattern): boolean {
  // A shorter topic of `later` must not escape, nor a longer one.
  if (later.levels.length < earlier.levels.length) return false;
  if (earlier.manyAt < 0) {
    return (
      earlier.isOpen && earlier.levels.every((level, i) => i !== later.manyAt && coversLevel(level, later.levels[i]))
    );
  }
  const { manyAt, levels } = earlier;
  const tail = levels.length - manyAt - 1;
  if (later.isOpen && tail > 0) return false;
  const head = levels.slice(0, manyAt).every((level, i) => i !== later.manyAt && coversLevel(level, later.levels[i]));
  const ends = levels.slice(manyAt + 1).every((level, i) => {
    const at = later.levels.length - tail + i;
    return at !== later.manyAt && coversLevel(level, later.levels[at]);
  });
  return head && ends;
}

function coversLevel(earlier: Level, later: Level | undefined): boolean {
  if (later === undefined || later.kind === "many") return false;
  if (earlier.kind === "any" || earlier.kind === "capture") return true;
  if (earlier.kind === "text") return later.kind === "text" && later.text === earlier.text;
  if (earlier.kind === "many") return false;
  if (later.kind === "parts") return JSON.stringify(later.texts) === JSON.stringify(earlier.texts);
  return later.kind === "text" && matchParts(earlier, later.text, {});
}

/** Why a pattern does not match a topic. */
export function mismatchOf({ levels, isOpen, manyAt, text }: TopicPattern, actual: readonly string[]): string {
  const isAnyLength = isOpen || manyAt >= 0;
  if (isAnyLength ? actual.length < levels.length : actual.length !== levels.length) {
    const least = isAnyLength ? "at least " : "";
    return `${text} has ${least}${levels.length} levels, the topic ${actual.length}`;
  }
  const extra = manyAt >= 0 ? actual.length - levels.length : 0;
  for (const [i, level] of levels.entries()) {
    const at = manyAt >= 0 && i > manyAt ? i + extra : i;
    if (level.kind === "many" || matchLevel(level, actual[at] ?? "", {})) continue;
    return `level ${at + 1} of ${text} is not ${JSON.stringify((actual[at] ?? "").slice(0, 60))}`;
  }
  return `${text} matches`;
}
