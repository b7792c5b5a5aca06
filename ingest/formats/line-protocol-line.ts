import type { Tree } from "./format.ts";

/** One line of line protocol. */
export interface Line {
  readonly measurement: string;
  readonly tags: Record<string, string>;
  /** Name and value in turn. */
  readonly fields: readonly (readonly [name: string, value: Tree])[];
  /** The digits of its time, in the unit of the source. */
  readonly time: string | undefined;
}

/** A line that cannot be read. `at` is the character in the text. */
export class BadLine extends Error {
  override readonly name = "BadLine";
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const COMMA = 44;
const EQUALS = 61;
const BACKSLASH = 92;

const WORDS: Readonly<Record<string, boolean>> = {
  ...{ t: true, T: true, true: true, True: true, TRUE: true },
  ...{ f: false, F: false, false: false, False: false, FALSE: false },
};
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const WHOLE = /^[+-]?\d+$/;
const NUMBER_CHARACTERS_MAX = 400;

/** Reads the lines of a text, one at a time. Linear: it reads each character a few times at most. */
export class LineReader {
  readonly #text: string;
  #at = 0;
  /** The number of the last line, from 1. A line break within quotes counts as well. */
  line = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next line that is neither empty nor a comment; undefined at the end. Throws `BadLine`. */
  next(): Line | undefined {
    while (this.#at < this.#text.length) {
      this.line++;
      this.#skipBlanks();
      const code = this.#text.charCodeAt(this.#at);
      if (code === NEWLINE || code === RETURN) this.#at++;
      else if (code === HASH) this.skipLine();
      else if (this.#at < this.#text.length) return this.#line();
      // A carriage return and its newline are one line's end.
      if (code === RETURN) this.line--;
    }
    return undefined;
  }

  /** Continues at the next line. */
  skipLine(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end === -1 ? this.#text.length : end + 1;
  }

  #line(): Line {
    const measurement = this.#name(false);
    if (measurement === "") this.#fail("the line begins without a measurement");
    const tags = this.#tags();
    if (this.#code() !== SPACE) this.#fail(`there are no fields after ${JSON.stringify(shortened(measurement))}`);
    this.#skipBlanks();
    const fields = this.#fields();
    this.#skipBlanks();
    return { measurement, tags, fields, time: this.#time() };
  }

  #tags(): Record<string, string> {
    const tags: Record<string, string> = Object.create(null);
    while (this.#code() === COMMA) {
      this.#at++;
      const name = this.#name(true);
      if (this.#code() !== EQUALS) this.#fail(`the tag ${JSON.stringify(shortened(name))} has no value`);
      this.#at++;
      const value = this.#name(true);
      if (name === "" || value === "") this.#fail("a tag has an empty name or value");
      if (name in tags) this.#fail(`the tag ${JSON.stringify(shortened(name))} occurs twice`);
      tags[name] = value;
    }
    return tags;
  }

  #fields(): (readonly [string, Tree])[] {
    const fields: (readonly [string, Tree])[] = [];
    for (;;) {
      const name = this.#name(true);
      if (name === "") this.#fail("a field has no name");
      if (this.#code() !== EQUALS) this.#fail(`the field ${JSON.stringify(shortened(name))} has no value`);
      this.#at++;
      fields.push([name, this.#value(name)]);
      if (this.#code() !== COMMA) return fields;
      this.#at++;
    }
  }

  /** Up to a comma, a space, the line's end or, in tags and fields, an equals sign. */
  #name(endsAtEquals: boolean): string {
    const text = this.#text;
    const start = this.#at;
    let isEscaped = false;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code === BACKSLASH && isEscape(text.charCodeAt(this.#at + 1), endsAtEquals)) {
        isEscaped = true;
        this.#at++;
      } else if (code === COMMA || code === SPACE || isLineEnd(code) || (endsAtEquals && code === EQUALS)) break;
    }
    const name = text.slice(start, this.#at);
    if (!isEscaped) return name;
    return name.replace(endsAtEquals ? /\\([,= ])/g : /\\([, ])/g, "$1");
  }

  #value(name: string): Tree {
    if (this.#code() === QUOTE) return this.#quoted();
    const start = this.#at;
    while (this.#at < this.#text.length) {
      const code = this.#code();
      if (code === COMMA || code === SPACE || isLineEnd(code)) break;
      this.#at++;
    }
    const word = this.#text.slice(start, this.#at);
    const value = word.length > NUMBER_CHARACTERS_MAX ? undefined : bareValue(word);
    if (value === undefined) {
      this.#at = start;
      this.#fail(
        `${JSON.stringify(shortened(word))} is no value of ${JSON.stringify(shortened(name))}: a text needs quotes`,
      );
    }
    return value;
  }

  #quoted(): string {
    const text = this.#text;
    const start = this.#at++;
    let isEscaped = false;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code === QUOTE) break;
      if (code === NEWLINE) this.line++;
      if (code !== BACKSLASH) continue;
      const next = text.charCodeAt(this.#at + 1);
      if (next !== QUOTE && next !== BACKSLASH) continue;
      isEscaped = true;
      this.#at++;
    }
    if (this.#at >= text.length) {
      // The rest of the text is in the quotes: reading on line by line would find nonsense.
      throw new BadLine("a quote is not closed", start);
    }
    const inside = text.slice(start + 1, this.#at++);
    return isEscaped ? inside.replace(/\\(["\\])/g, "$1") : inside;
  }

  #time(): string | undefined {
    const start = this.#at;
    while (this.#at < this.#text.length && !isLineEnd(this.#code()) && this.#code() !== SPACE) this.#at++;
    const word = this.#text.slice(start, this.#at);
    this.#skipBlanks();
    if (word.length > 20 || (word !== "" && !WHOLE.test(word))) {
      this.#at = start;
      this.#fail(`${JSON.stringify(shortened(word))} is no time: a whole number is expected`);
    }
    if (this.#code() === RETURN) this.#at++;
    if (this.#at < this.#text.length && this.#code() !== NEWLINE) this.#fail("the line goes on after its time");
    this.#at++;
    return word === "" ? undefined : word;
  }

  #skipBlanks(): void {
    while (this.#code() === SPACE || this.#code() === TAB) this.#at++;
  }

  #code(): number {
    return this.#text.charCodeAt(this.#at);
  }

  #fail(message: string): never {
    throw new BadLine(message, this.#at);
  }
}

function isLineEnd(code: number): boolean {
  return code === NEWLINE || code === RETURN;
}

function isEscape(code: number, endsAtEquals: boolean): boolean {
  return code === COMMA || code === SPACE || (endsAtEquals && code === EQUALS);
}

/** Undefined if it is neither a number nor a boolean. */
function bareValue(word: string): Tree | undefined {
  const last = word.charCodeAt(word.length - 1);
  // `3i` is signed, `3u` unsigned.
  if (last === 105 || last === 117) {
    const digits = word.slice(0, -1);
    if (!WHOLE.test(digits) || (last === 117 && digits.startsWith("-"))) return undefined;
    const number = Number(digits);
    return Number.isSafeInteger(number) ? number : BigInt(digits.replace(/^\+/, ""));
  }
  if (NUMBER.test(word)) return Number(word);
  return Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
