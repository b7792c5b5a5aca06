/** A level of a pattern or a target. `rest` is the last one only. */
type Level =
  | { readonly kind: "plain"; readonly text: string }
  | { readonly kind: "named"; readonly name: string }
  | { readonly kind: "any" }
  | { readonly kind: "rest" };

export type ParsedMapping =
  | { readonly kind: "mapping"; readonly mapping: TopicMapping }
  | { readonly kind: "bad"; readonly in: "from" | "to"; readonly why: string };

const NAME = /^\{([a-z][a-z0-9_]*)\}$/;

/** Turns topics that match a pattern into other topics. */
export class TopicMapping {
  /** The MQTT filter of the pattern: names are `+`. */
  readonly filter: string;
  readonly #from: readonly Level[];
  readonly #to: readonly Level[] | undefined;

  constructor(from: readonly Level[], to: readonly Level[] | undefined) {
    this.#from = from;
    this.#to = to;
    this.filter = from
      .map((level) => (level.kind === "plain" ? level.text : level.kind === "rest" ? "#" : "+"))
      .join("/");
  }

  /** The other topic; undefined if this one does not match, or if nothing of it would be left. */
  apply(topic: string): string | undefined {
    const levels = topic.split("/");
    // MQTT 4.7.2: a wildcard at the start does not match topics of the broker's own.
    if (topic.startsWith("$") && this.#from[0]?.kind !== "plain") return undefined;
    const named = new Map<string, string>();
    const any: string[] = [];
    let rest: readonly string[] = [];
    for (const [i, level] of this.#from.entries()) {
      const text = levels[i];
      if (level.kind === "rest") {
        rest = levels.slice(i);
        break;
      }
      if (text === undefined || (level.kind === "plain" && level.text !== text)) return undefined;
      if (level.kind === "named") named.set(level.name, text);
      if (level.kind === "any") any.push(text);
    }
    if (this.#from.at(-1)?.kind !== "rest" && levels.length > this.#from.length) return undefined;
    if (this.#to === undefined) return topic;
    const out: string[] = [];
    for (const level of this.#to) {
      if (level.kind === "plain") out.push(level.text);
      else if (level.kind === "named") out.push(named.get(level.name) ?? "");
      else if (level.kind === "any") out.push(any.shift() ?? "");
      else out.push(...rest);
    }
    return out.length === 0 ? undefined : out.join("/");
  }
}

/** `to` undefined: the same topic. */
export function parseMapping(from: string, to: string | undefined): ParsedMapping {
  const source = parseLevels(from);
  if (typeof source === "string") return { kind: "bad", in: "from", why: source };
  const names = source.flatMap((level) => (level.kind === "named" ? [level.name] : []));
  if (new Set(names).size < names.length) return { kind: "bad", in: "from", why: "a name is used twice" };
  if (to === undefined) return { kind: "mapping", mapping: new TopicMapping(source, undefined) };
  const target = parseLevels(to);
  if (typeof target === "string") return { kind: "bad", in: "to", why: target };
  const why = targetProblem(source, target, from);
  return why === undefined
    ? { kind: "mapping", mapping: new TopicMapping(source, target) }
    : { kind: "bad", in: "to", why };
}

function targetProblem(source: readonly Level[], target: readonly Level[], from: string): string | undefined {
  const names = new Set(source.flatMap((level) => (level.kind === "named" ? [level.name] : [])));
  for (const level of target) {
    if (level.kind === "named" && !names.has(level.name)) return `{${level.name}} is not a name of "${from}"`;
  }
  const count = (levels: readonly Level[], kind: Level["kind"]) => levels.filter((level) => level.kind === kind).length;
  if (count(target, "any") > count(source, "any")) return `has more + than "${from}"; each + stands for one of its`;
  if (count(target, "rest") > count(source, "rest")) return `ends with #, but "${from}" does not`;
  return undefined;
}

/** The levels, or what is wrong. */
function parseLevels(text: string): readonly Level[] | string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern searches for control characters.
  if (/[\u0000-\u001f\u007f]/.test(text)) return "must not hold control characters";
  if (Buffer.byteLength(text) > 65_535) return "is longer than MQTT allows";
  const levels: Level[] = [];
  const parts = text.split("/");
  for (const [i, part] of parts.entries()) {
    const name = NAME.exec(part)?.[1];
    if (name !== undefined) levels.push({ kind: "named", name });
    else if (part === "+") levels.push({ kind: "any" });
    else if (part === "#") {
      if (i < parts.length - 1) return "# may only be the last level";
      levels.push({ kind: "rest" });
    } else if (/[{}+#]/.test(part)) {
      return `"${part}" is neither a plain level nor {name} (small letters, digits and _), + or #`;
    } else levels.push({ kind: "plain", text: part });
  }
  return levels;
}

/** Several mappings; the first one that matches applies. */
export class TopicMap<Extra> {
  readonly #entries: readonly { readonly mapping: TopicMapping; readonly extra: Extra }[];

  constructor(entries: readonly { readonly from: string; readonly to: string | undefined; readonly extra: Extra }[]) {
    this.#entries = entries.map(({ from, to, extra }) => {
      const parsed = parseMapping(from, to);
      if (parsed.kind === "bad") throw new Error(`a mapping that the configuration accepted: ${from}: ${parsed.why}`);
      return { mapping: parsed.mapping, extra };
    });
  }

  apply(topic: string): { readonly topic: string; readonly extra: Extra } | undefined {
    for (const { mapping, extra } of this.#entries) {
      const mapped = mapping.apply(topic);
      if (mapped !== undefined) return { topic: mapped, extra };
    }
    return undefined;
  }

  /**
   * The filters to subscribe to, with the extras of the entries behind each. One that another one covers is left out:
   * a broker may send a message once for each subscription that matches.
   */
  filters(): readonly { readonly filter: string; readonly extras: readonly Extra[] }[] {
    const all = [...new Set(this.#entries.map(({ mapping }) => mapping.filter))];
    const widest = all.filter((filter) => !all.some((other) => other !== filter && covers(other, filter)));
    return widest.map((filter) => ({
      filter,
      extras: this.#entries.flatMap(({ mapping, extra }) => (covers(filter, mapping.filter) ? [extra] : [])),
    }));
  }
}

/** Whether each topic that matches the inner filter matches the outer one. */
export function covers(outer: string, inner: string): boolean {
  const [a, b] = [outer.split("/"), inner.split("/")];
  // A wildcard at the start leaves out the broker's own topics.
  if (inner.startsWith("$") && (a[0] === "+" || a[0] === "#")) return false;
  for (let i = 0; ; i++) {
    const [x, y] = [a[i], b[i]];
    if (x === "#") return true;
    if (x === undefined || y === undefined) return x === y;
    if (y === "#" || (x !== y && x !== "+")) return false;
  }
}

/** Whether some topic matches both patterns. */
export function overlaps(left: string, right: string): boolean {
  const [a, b] = [left.split("/"), right.split("/")];
  for (let i = 0; ; i++) {
    const [x, y] = [a[i], b[i]];
    // `a/#` matches `a` as well.
    if (x === "#" || y === "#") return true;
    if (x === undefined || y === undefined) return x === y;
    if (x !== y && !isAny(x) && !isAny(y)) return false;
  }
}

function isAny(level: string): boolean {
  return level === "+" || NAME.test(level);
}
