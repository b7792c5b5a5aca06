type Value = number | string | boolean;
type Values = Readonly<Record<string, number | string>>;

/** Operators, loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["==", "!=", "<=", ">=", "<", ">"],
  ["+", "-"],
  ["*", "/"],
];

/** Whether a condition over several names holds; undefined if it compares a text with a number. */
export function holdsFor(text: string, values: Values): boolean | undefined {
  const reader = new Reader(text, values);
  const value = reader.read();
  if (reader.mixed) return undefined;
  if (typeof value !== "boolean") throw new TypeError(`neither true nor false: ${text}`);
  return value;
}

/** Evaluates while parsing, without short-circuiting. */
class Reader {
  mixed = false;
  readonly #tokens: readonly string[];
  readonly #values: Values;
  #at = 0;

  constructor(text: string, values: Values) {
    this.#tokens = text.match(/\|\||&&|[=!<>]=|"[^"]*"|[0-9.]+|\w+|\S/g) ?? [];
    this.#values = values;
  }

  read(): Value {
    const value = this.#level(0);
    if (this.#at < this.#tokens.length) throw new RangeError(`not read: ${this.#tokens.slice(this.#at).join(" ")}`);
    return value;
  }

  #level(level: number): Value {
    const signs = LEVELS[level];
    if (signs === undefined) return this.#single();
    let left = this.#level(level + 1);
    for (let sign = this.#next(signs); sign !== undefined; sign = this.#next(signs)) {
      left = this.#of(sign, left, this.#level(level + 1));
    }
    return left;
  }

  #next(signs: readonly string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || !signs.includes(token)) return undefined;
    this.#at++;
    return token;
  }

  #single(): Value {
    const token = this.#tokens[this.#at++] ?? "";
    if (token === "!") return !this.#single();
    if (token === "-") return -Number(this.#single());
    if (token === "(") return this.#closed(this.#level(0));
    if (token.startsWith('"')) return token.slice(1, -1);
    if (/^[0-9]/.test(token)) return Number(token);
    if (token === "abs" && this.#next(["("])) return Math.abs(Number(this.#closed(this.#level(0))));
    const value = this.#values[token];
    if (value === undefined) throw new RangeError(`no name: ${token}`);
    return value;
  }

  #closed(value: Value): Value {
    if (this.#next([")"]) === undefined)
      throw new RangeError(`no ) after ${this.#tokens.slice(0, this.#at).join(" ")}`);
    return value;
  }

  #of(sign: string, a: Value, b: Value): Value {
    if (typeof a !== typeof b) this.mixed = true;
    if (sign === "||") return Boolean(a) || Boolean(b);
    if (sign === "&&") return Boolean(a) && Boolean(b);
    if (sign === "==") return a === b;
    if (sign === "!=") return a !== b;
    const [x, y] = [Number(a), Number(b)];
    if (sign === "<") return x < y;
    if (sign === "<=") return x <= y;
    if (sign === ">") return x > y;
    if (sign === ">=") return x >= y;
    if (sign === "+") return x + y;
    if (sign === "-") return x - y;
    return sign === "*" ? x * y : x / y;
  }
}
