import { isNumberText } from "../../domain/number-text.ts";
import type { Tree } from "./format.ts";

/** A text that is no JSON, even with leniency. `at`: the first bad character. */
export class NotJson {
  readonly detail: string;
  readonly at: number;

  constructor(detail: string, at: number) {
    this.detail = detail;
    this.at = at;
  }
}

export interface LenientJson {
  readonly value: Tree;
  /** The first value that could not be read. It is null. */
  readonly flaw: NotJson | undefined;
}

/** No payload that a source can read is deeper. */
const DEPTH_MAX = 128;

/** What small devices write for values; the others are as in JSON. */
const WORDS: Readonly<Record<string, boolean | null>> = {
  ...{ true: true, false: false, null: null, none: null, undefined: null },
  ...{ nan: null, "+nan": null, "-nan": null },
  ...{ inf: null, "+inf": null, "-inf": null, infinity: null, "+infinity": null, "-infinity": null },
};

/**
 * Reads JSON as small devices write it: with nan and inf, True and None, single quotes, names without quotes, a comma
 * too many, line ends in texts, a value left out, and several documents one after the other, which become an array. A
 * value that is none of this costs itself. Whole numbers that a double cannot hold become bigint. Takes time in
 * proportion to the text.
 */
export function parseLenientJson(text: string): LenientJson | NotJson {
  const parser = new Parser(text);
  try {
    const value = parser.documents();
    return { value, flaw: parser.flaw };
  } catch (error) {
    if (error instanceof Stop) return error.problem;
    throw error;
  }
}

class Stop extends Error {
  readonly problem: NotJson;

  constructor(problem: NotJson) {
    super(problem.detail);
    this.problem = problem;
  }
}

class Parser {
  readonly #text: string;
  #at = 0;
  flaw: NotJson | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  documents(): Tree {
    this.#skipSpace();
    const first = this.#value(0);
    this.#skipSpace();
    if (this.#at === this.#text.length) return first;
    const all: Tree[] = [first];
    while (this.#at < this.#text.length) {
      // Only objects and arrays show where the next one begins.
      if (!this.#isAny("{[")) this.#fail("expected the end");
      all.push(this.#value(0));
      this.#skipSpace();
    }
    return all;
  }

  #value(depth: number): Tree {
    if (depth > DEPTH_MAX) this.#fail(`it is nested deeper than ${DEPTH_MAX}`);
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
      case "'":
        return this.#string();
      case undefined:
        return this.#fail("it ends too early");
      default:
        return this.#word();
    }
  }

  #object(depth: number): Tree {
    const fields: Record<string, Tree> = {};
    this.#at++;
    for (;;) {
      this.#skipSpace();
      if (this.#take("}")) return fields;
      const name = this.#isAny("\"'") ? this.#string() : this.#name();
      this.#skipSpace();
      if (!this.#take(":")) this.#fail(this.#isAtEnd() ? "it ends too early" : "expected : after a name");
      this.#skipSpace();
      const value = this.#isAny(",}") ? null : this.#value(depth + 1);
      // An assignment would set the prototype.
      if (name === "__proto__") Object.defineProperty(fields, name, { value, enumerable: true });
      else fields[name] = value;
      this.#endOfItem("}");
    }
  }

  #array(depth: number): Tree {
    const items: Tree[] = [];
    this.#at++;
    for (;;) {
      this.#skipSpace();
      if (this.#take("]")) return items;
      items.push(this.#isAny(",") ? null : this.#value(depth + 1));
      this.#endOfItem("]");
    }
  }

  #endOfItem(close: string): void {
    this.#skipSpace();
    if (this.#take(",") || this.#text[this.#at] === close) return;
    this.#fail(this.#isAtEnd() ? "it ends too early" : `expected , or ${close}`);
  }

  #string(): string {
    const quote = this.#text[this.#at] as string;
    const start = ++this.#at;
    let text = "";
    let from = start;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) this.#fail("it ends within a text");
      if (char === quote) break;
      if (char === "\\") {
        text += this.#text.slice(from, this.#at);
        text += this.#escape();
        from = this.#at;
      } else this.#at++;
    }
    text += this.#text.slice(from, this.#at);
    this.#at++;
    return text;
  }

  #escape(): string {
    const char = this.#text[this.#at + 1] ?? "";
    this.#at += 2;
    if (char === "u") {
      const digits = this.#text.slice(this.#at, this.#at + 4);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail("expected four hexadecimal digits after \\u");
      this.#at += 4;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    return ESCAPES[char] ?? char;
  }

  #name(): string {
    const start = this.#at;
    while (/[\w$.-]/.test(this.#text[this.#at] ?? "")) this.#at++;
    if (this.#at === start) this.#fail(this.#isAtEnd() ? "it ends too early" : "expected a name in quotes");
    return this.#text.slice(start, this.#at);
  }

  /** A number, or a word for a value. Another word is a flaw. */
  #word(): Tree {
    const start = this.#at;
    while (this.#at < this.#text.length && !this.#isAny(",}]\r\n{[\"':")) this.#at++;
    const word = this.#text.slice(start, this.#at).trimEnd();
    if (word === "") this.#fail("expected a value", start);
    if (isNumberText(word)) return numberOf(word);
    const known = word.length <= 10 ? WORDS[word.toLowerCase()] : undefined;
    if (known !== undefined) return known;
    if (this.#isAtEnd() || this.#isAny("{[\"':")) this.#fail("expected a value", start);
    this.flaw ??= new NotJson(`${JSON.stringify(word.slice(0, 40))} is no value`, start);
    return null;
  }

  #skipSpace(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #isAny(chars: string): boolean {
    const char = this.#text[this.#at];
    return char !== undefined && chars.includes(char);
  }

  #isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  #fail(detail: string, at = this.#at): never {
    throw new Stop(new NotJson(detail, at));
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0xa0 || code === 0xfeff;
}

function numberOf(text: string): number | bigint {
  const number = Number(text);
  if (!Number.isInteger(number) || Number.isSafeInteger(number)) return number;
  return /^[+-]?\d+$/.test(text) ? BigInt(text.replace("+", "")) : number;
}
