/** Fills the placeholders `{user}` and `{client}` of a pattern. */
export interface Identity {
  readonly user: string;
  readonly client: string;
}

/** The topics that a client may publish and subscribe to. */
export interface Permission {
  mayPublish(topic: string): boolean;
  maySubscribe(filter: string): boolean;
}

export interface TopicPatterns {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export const EVERYTHING: Permission = { mayPublish: () => true, maySubscribe: () => true };

/** Compiles patterns for one client. A pattern allows nothing if its placeholder cannot be filled in safely. */
export function permissionFor(patterns: TopicPatterns, identity: Identity): Permission {
  const publish = fillAll(patterns.publish, identity);
  const subscribe = fillAll(patterns.subscribe, identity);
  return {
    mayPublish: (topic) => covered(publish, topic),
    maySubscribe: (filter) => covered(subscribe, filter),
  };
}

/** The fault of a pattern; undefined if it is valid. */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length === 0) return "is empty";
  const levels = pattern.split("/");
  for (const [index, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || index !== levels.length - 1)) {
      return "has `#` in another place than alone in the last level";
    }
    if (level.includes("+") && level !== "+") return "has `+` next to other characters in a level";
  }
  const unknown = pattern
    .replaceAll("{user}", "")
    .replaceAll("{client}", "")
    .match(/\{[^}]*\}?|\}/);
  if (unknown !== null) return `has \`${unknown[0]}\`; placeholders are {user} and {client}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern searches for control characters.
  if (/[\u0000-\u001f\u007f]/.test(pattern)) return "has a control character";
  return undefined;
}

/** Whether a pattern matches every topic that the filter (or plain topic) matches. Levels: MQTT 3.1.1, section 4.7. */
export function covers(pattern: readonly string[], filter: readonly string[]): boolean {
  // A pattern allows topics that begin with `$` only if it names that level.
  const first = filter[0] ?? "";
  if (first.startsWith("$") && first !== pattern[0]) return false;
  for (let i = 0; ; i++) {
    const allowed = pattern[i];
    const asked = filter[i];
    if (allowed === "#") return true;
    if (asked === undefined) return allowed === undefined;
    // `a/+/#` also asks for the levels below `a/+`, which the pattern `a/+` does not allow.
    if (allowed === undefined || asked === "#") return false;
    if (allowed !== "+" && allowed !== asked) return false;
    if (asked === "+" && allowed !== "+") return false;
  }
}

function covered(patterns: readonly (readonly string[])[], filter: string): boolean {
  const levels = filter.split("/");
  return patterns.some((pattern) => covers(pattern, levels));
}

function fillAll(patterns: readonly string[], identity: Identity): string[][] {
  return patterns.flatMap((pattern) => {
    const filled = fill(pattern, identity);
    return filled === undefined ? [] : [filled];
  });
}

/** Clients choose their ids themselves: `+`, `#` or `a/b` must not widen a pattern. */
function fill(pattern: string, identity: Identity): string[] | undefined {
  if (pattern.includes("{user}") && !isPlain(identity.user)) return undefined;
  if (pattern.includes("{client}") && !isPlain(identity.client)) return undefined;
  return pattern
    .split("/")
    .map((level) =>
      level.replaceAll(/\{user\}|\{client\}/g, (name) => (name === "{user}" ? identity.user : identity.client)),
    );
}

function isPlain(name: string): boolean {
  return name.length > 0 && !/[/+#$]/.test(name);
}
