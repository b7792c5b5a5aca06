/** Why a text cannot be the name of a device, metric or tag, or the value of a tag; undefined if it can. */
export function nameFault(name: string, bytesMax: number): string | undefined {
  // A UTF-16 unit takes one to three bytes of UTF-8, so most names need no exact count.
  if (name.length > bytesMax || (name.length * 3 > bytesMax && Buffer.byteLength(name) > bytesMax)) {
    return `has ${Buffer.byteLength(name)} bytes, at most ${bytesMax}`;
  }
  return hasControlCharacter(name) ? "has a control character" : undefined;
}

/** U+0000 to U+001F and U+007F to U+009F: `\p{Cc}` of regular expressions. */
export function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}

const SHOWN_CHARACTERS_MAX = 60;

/** A quoted name for a message; shortened if it is long. */
export function shownName(name: string): string {
  if (name.length <= SHOWN_CHARACTERS_MAX) return JSON.stringify(name);
  return `${JSON.stringify(name.slice(0, SHOWN_CHARACTERS_MAX))}...`;
}

/**
 * A value of a payload for a message. It omits the contents of objects and arrays, which may be thousands of levels
 * deep.
 */
export function shownValue(value: unknown): string {
  if (typeof value === "string") return shownName(value);
  return typeof value === "object" ? kindName(value) : String(value);
}

/** `a number`, `an array`, `null`. */
export function kindName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** A copy: a slice of a string keeps the whole string in memory. */
export function copiedText(text: string): string {
  return Buffer.from(text).toString();
}
