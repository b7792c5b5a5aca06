import { type KnownNames, type Lookup, lookupOf, type Scope } from "./scope.ts";

/** A text with names in braces: `{model}-{id}`. */
export interface Template {
  readonly text: string;
  /** All names in it, alternatives included. */
  readonly names: readonly string[];
  readonly isFixed: boolean;
  /** The text; or, if the payload has none of the alternatives of a name, that name. */
  render(scope: Scope): string | MissingName;
}

export class MissingName {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const PLACE = /\{([^{}]*)\}/;

/** Why a text is not a template; undefined if it is. */
export function templateProblem(text: string): string | undefined {
  const pieces = text.split(PLACE);
  if (pieces.some((piece, i) => i % 2 === 0 && /[{}]/.test(piece))) {
    return `"${text}" has a { or } without its partner: write {name} for a capture or a field`;
  }
  if (pieces.some((piece, i) => i % 2 === 1 && piece === "")) return `"${text}" has {} without a name`;
  return undefined;
}

export function namesIn(text: string): string[] {
  return text
    .split(PLACE)
    .filter((_, i) => i % 2 === 1)
    .flatMap((place) => place.split("|").filter((name) => name !== ""));
}

/**
 * `{name}` stands for what `lookupOf` finds, `{a|b}` for the first of several that has a value, and `{a|}` for nothing
 * where there is none.
 */
export function compileTemplate(text: string, known: KnownNames): Template {
  const pieces = text.split(PLACE);
  const lookups = pieces.map((piece, i) => (i % 2 === 1 ? alternatives(piece, known) : undefined));
  return {
    text,
    names: namesIn(text),
    isFixed: pieces.length === 1,
    render(scope) {
      let rendered = "";
      for (const [i, piece] of pieces.entries()) {
        const lookup = lookups[i];
        if (lookup === undefined) rendered += piece;
        else {
          const found = textOf(lookup(scope));
          if (found === undefined) return new MissingName(piece);
          rendered += found;
        }
      }
      return rendered;
    },
  };
}

/** Finds the first of several names that has a value. */
export function alternatives(place: string, known: KnownNames): Lookup {
  const lookups = place.split("|").map((name): Lookup => (name === "" ? () => "" : lookupOf(name, known)));
  return (scope) => {
    for (const lookup of lookups) {
      const found = lookup(scope);
      if (textOf(found) !== undefined) return found;
    }
    return undefined;
  };
}

/** A scalar as the text of a name. */
export function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      return Number.isFinite(value) ? String(value) : undefined;
    case "bigint":
    case "boolean":
      return String(value);
    default:
      return undefined;
  }
}
