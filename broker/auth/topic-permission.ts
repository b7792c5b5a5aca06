/** Who asks, for the placeholders `{user}` and `{client}` of a pattern. */
export interface Asker {
  readonly user: string;
  readonly client: string;
}

/** What a client may publish and subscribe to. */
export interface Permission {
  mayPublish(topic: string): boolean;
  maySubscribe(filter: string): boolean;
}

export interface TopicPatterns {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export const EVERYTHING: Permission = { mayPublish: () => true, maySubscribe: () => true };

/** Compiles patterns for one client. A pattern whose placeholder cannot be filled in safely allows nothing. */
export function permissionFor(patterns: TopicPatterns, asker: Asker): Permission {
  const publish = fillAll(patterns.publish, asker);
  const subscribe = fillAll(patterns.subscribe, asker);
  return {
    mayPublish: (topic) => covered(publish, topic),
    maySubscribe: (filter) => covered(subscribe, filter),
  };
}

/** What is wrong with a pattern; undefined when nothing is. */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length === 0) return "is empty";
  const levels = pattern.split("/");
  for (const [index, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || index !== levels.length - 1)) {
      return "has `#` elsewhere than as its whole last level";
    }
    if (level.includes("+") && level !== "+") return "has `+` beside other characters in a level";
  }
  const unknown = pattern
    .replaceAll("{user}", "")
    .replaceAll("{client}", "")
    .match(/\{[^}]*\}?|\}/);
  if (unknown !== null) return `has \`${unknown[0]}\`; placeholders are {user} and {client}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(pattern)) return "has a control character";
  return undefined;
}

/** Whether a pattern matches all that the filter (or plain topic) matches. Levels as in MQTT 3.1.1, section 4.7. */
export function covers(pattern: readonly string[], filter: readonly string[]): boolean {
  // Topics that begin with `$` are only allowed by name.
  const first = filter[0] ?? "";
  if (first.startsWith("$") && first !== pattern[0]) return false;
  for (let i = 0; ; i++) {
    const allowed = pattern[i];
    const asked = filter[i];
    if (allowed === "#") return true;
    if (asked === undefined) return allowed === undefined;
    // `a/+/#` asks for `a/+` as well, which `a/+` alone allows; but what is below it is not.
    if (allowed === undefined || asked === "#") return false;
    if (allowed !== "+" && allowed !== asked) return false;
    if (asked === "+" && allowed !== "+") return false;
  }
}

function covered(patterns: readonly (readonly string[])[], filter: string): boolean {
  const levels = filter.split("/");
  return patterns.some((pattern) => covers(pattern, levels));
}

function fillAll(patterns: readonly string[], asker: Asker): string[][] {
  return patterns.flatMap((pattern) => {
    const filled = fill(pattern, asker);
    return filled === undefined ? [] : [filled];
  });
}

/** Client ids are the client's own choice: `+`, `#` or `a/b` must not widen a pattern. */
function fill(pattern: string, asker: Asker): string[] | undefined {
  if (pattern.includes("{user}") && !isPlain(asker.user)) return undefined;
  if (pattern.includes("{client}") && !isPlain(asker.client)) return undefined;
  return pattern
    .split("/")
    .map((level) =>
      level.replaceAll(/\{user\}|\{client\}/g, (name) => (name === "{user}" ? asker.user : asker.client)),
    );
}

function isPlain(name: string): boolean {
  return name.length > 0 && !/[/+#$]/.test(name);
}
