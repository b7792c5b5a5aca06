import type { JSX } from "preact";

/** One screen of the page, as the table in `src/screens.tsx` declares it. */
export interface ScreenKind<Name extends string = string> {
  /** The address after `#/`. A `*` is a name: `rules/*`. */
  readonly path: string;
  /** The text of its link in the header. Without it, the header has no link to this screen. */
  readonly link?: string;
  /** The key that opens it after `g`. */
  readonly key?: string;
  /** Esc and the link at the top lead to this screen. Its link in the header is marked, too. */
  readonly parent?: Name;
  /** A number after its link in the header. */
  readonly badge?: () => JSX.Element;
  /** Undefined when the address does not name an item of this kind. */
  open(address: Address): OpenScreen | undefined;
}

export interface Address {
  /** The text in place of the `*` in the path; empty if the path has no `*`. */
  readonly name: string;
  readonly query: URLSearchParams;
}

export interface OpenScreen {
  /** Names the tab and, for screen readers, the main part of the page. */
  readonly title: string;
  readonly view: JSX.Element;
}

/** What an address shows; `name` is undefined for an unknown address. */
export interface ShownScreen<Name extends string = string> extends OpenScreen {
  readonly name: Name | undefined;
}

export type ScreenTable<Name extends string = string> = Readonly<Record<Name, ScreenKind<Name>>>;

/** Lets the compiler check that each `parent` is a screen of the table. */
export function screenTable<Name extends string>(screens: Record<Name, ScreenKind<NoInfer<Name>>>): ScreenTable<Name> {
  return screens;
}

/** The screens of a table with their names, in its order. */
export function screensOf<Name extends string>(
  table: ScreenTable<Name>,
): readonly (ScreenKind<Name> & { name: Name })[] {
  const names = Object.keys(table).filter((name): name is Name => Object.hasOwn(table, name));
  return names.map((name) => ({ name, ...table[name] }));
}

/** Reads `#/device/<name>?range=7d`; undefined if no screen of the table has this address. */
export function findScreen<Name extends string>(table: ScreenTable<Name>, hash: string): ShownScreen<Name> | undefined {
  const { parts, query } = splitHash(hash);
  for (const { name, path, open } of screensOf(table)) {
    const address = matchPath(path, parts);
    const opened = address === undefined ? undefined : open({ name: address, query });
    if (opened !== undefined) return { name, ...opened };
  }
  return undefined;
}

/** The address of a screen without a name in its path. */
export function hrefOf({ path }: Pick<ScreenKind, "path">): string {
  return `#/${path}`;
}

function splitHash(hash: string): { readonly parts: readonly string[]; readonly query: URLSearchParams } {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  return { parts: path.split("/").filter((part) => part !== ""), query: new URLSearchParams(query) };
}

/** The name in the address, or the empty text for a path without one. */
function matchPath(path: string, parts: readonly string[]): string | undefined {
  const wanted = path.split("/").filter((part) => part !== "");
  if (wanted.length !== parts.length) return undefined;
  let name: string | undefined = "";
  for (const [index, part] of parts.entries()) {
    if (wanted[index] === "*") name = decode(part);
    else if (wanted[index] !== part) return undefined;
  }
  return name;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
