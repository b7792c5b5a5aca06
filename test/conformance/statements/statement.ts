/** A normative statement of the specification, in our words. */
export interface Statement {
  readonly text: string;
  /** Why no check covers it; undefined: at least one must. */
  readonly none?: string;
  /** Tested on every packet that a broker sends on any connection of the suite (`wire/read.ts`, `wire/wire-rules.ts`). */
  readonly watched?: true;
}

export type Statements = Readonly<Record<string, Statement>>;

/** Tested by the checks that name it. */
export function tested(text: string): Statement {
  return { text };
}

export function watched(text: string): Statement {
  return { text, watched: true };
}

export function untested(text: string, none: string): Statement {
  return { text, none };
}

/** Says what a client must do; a server need not notice. */
export function client(text: string): Statement {
  return { text, none: "concerns the client" };
}
