/** Where names of a source's templates are looked up, for one element of a payload. */
export interface Scope {
  /** From the topic. */
  readonly captured: Readonly<Record<string, string>>;
  /** From `each`: keys of objects, and positions in arrays. */
  readonly keys: Readonly<Record<string, string>>;
  /** The element, and before it the objects and arrays around it; the payload is first. */
  readonly chain: readonly unknown[];
  /** Of the element in the array around it, if there is one. */
  readonly position: Position | undefined;
}

export interface Position {
  readonly index: number;
  readonly count: number;
}

/** Finds what a name stands for. */
export type Lookup = (scope: Scope) => unknown;

export interface KnownNames {
  readonly captured: readonly string[];
  readonly keys: readonly string[];
}

/**
 * `name` stands for a capture of the topic or of `each`; else for a field of the element, nested names joined with a
 * dot, or else of the objects around it. `$.name` is a field of the payload.
 */
export function lookupOf(name: string, { captured, keys }: KnownNames): Lookup {
  if (keys.includes(name)) return (scope) => scope.keys[name];
  if (captured.includes(name)) return (scope) => scope.captured[name];
  if (name === "$") return ({ chain }) => chain[0];
  if (name.startsWith("$.")) {
    const path = pathOf(name.slice(2));
    return ({ chain }) => fieldAt(chain[0], path);
  }
  const path = pathOf(name);
  return ({ chain }) => {
    for (let i = chain.length - 1; i >= 0; i--) {
      const found = fieldAt(chain[i], path);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

export interface Path {
  readonly text: string;
  readonly names: readonly string[];
}

export function pathOf(text: string): Path {
  return { text, names: text.split(".") };
}

/** The value at a path. A field whose own name has the dots wins. */
export function fieldAt(tree: unknown, { text, names }: Path): unknown {
  if (typeof tree !== "object" || tree === null) return undefined;
  if (Object.hasOwn(tree, text)) return (tree as Readonly<Record<string, unknown>>)[text];
  if (names.length === 1) return undefined;
  let value: unknown = tree;
  for (const name of names) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}
