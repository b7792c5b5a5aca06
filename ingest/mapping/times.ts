import { INSTANT_US_MAX } from "../../domain/time.ts";
import { type TimeZone, timeZone } from "../../rule-language/calendar/time-zone.ts";
import { shownValue } from "../names/names.ts";
import { instantsOf, type LocalSender, TwiceToldHours } from "./local-time.ts";
import { fieldAt, type KnownNames, type Lookup, lookupOf, pathOf, type Scope } from "./scope.ts";
import { compileTemplate, MissingName, namesIn } from "./template.ts";
import { parseTimePattern, type TimePattern } from "./time-pattern.ts";
import { parseTimestampUs, type TimestampUnit } from "./timestamp.ts";

export interface TimeSettings {
  readonly field?: string | undefined;
  readonly unit: TimestampUnit;
  readonly format?: string | undefined;
  readonly timezone?: string | undefined;
  /** What a time that cannot be read costs: the time, or its readings. */
  readonly fallback: "received" | "refuse";
}

/** The time of a reading: an instant, none (undefined), or one that cannot be right (NaN). */
export type ReadTime = number | undefined;

/** A time that could not be read, for a source that then refuses the readings. */
export class UnreadableTime {
  readonly detail: string;

  constructor(detail: string) {
    this.detail = detail;
  }
}

const TIME_FIELDS = ["ts", "timestamp", "time"] as const;

/** Where a scope's time stands: its value, and the field of the element that holds it. */
export interface FoundTime {
  readonly value: unknown;
  readonly field: string | undefined;
  /** It is the element's own, and not of an object around it. */
  readonly isOwn: boolean;
}

const NOTHING: FoundTime = { value: undefined, field: undefined, isOwn: false };

const RECEIVED: TimeSettings = { unit: "auto", fallback: "received" };

/** Reads the times of one source. */
export class TimeReader {
  readonly #settings: TimeSettings;
  readonly #pattern: TimePattern | undefined;
  readonly #zone: TimeZone | undefined;
  readonly #twice = new TwiceToldHours();
  readonly #lookup: Lookup | undefined;
  readonly #path: ReturnType<typeof pathOf> | undefined;
  readonly isReceived: boolean;
  #topic = "";
  #sender: LocalSender = { name: "", message: 0, attempt: 0, receivedAtUs: 0 };
  /** How many local times of the last message could have been one of two instants. */
  guessed = 0;
  /** How many times were where `field` says. */
  seen = 0;

  /** Without settings, the payload's times are not read. */
  constructor(settings: TimeSettings | undefined, known: KnownNames) {
    this.isReceived = settings === undefined;
    this.#settings = settings ?? RECEIVED;
    if (settings === undefined) return;
    const pattern = settings.format === undefined ? undefined : parseTimePattern(settings.format);
    if (typeof pattern === "string") throw new RangeError(pattern);
    this.#pattern = pattern;
    this.#zone = settings.timezone === undefined ? undefined : timeZone(settings.timezone);
    const { field } = settings;
    if (field === undefined) return;
    if (namesIn(field).length > 0) this.#lookup = templateLookup(field, known);
    else if (field.startsWith("$.") || known.captured.includes(field) || known.keys.includes(field))
      this.#lookup = lookupOf(field, known);
    else this.#path = pathOf(field);
  }

  /** Times without an offset are local. */
  get isLocal(): boolean {
    return this.#zone !== undefined;
  }

  /** The time may be outside the element. */
  get needsScope(): boolean {
    return this.#lookup !== undefined;
  }

  /** Says which message the next times are from. */
  begin(sender: LocalSender): void {
    this.#sender = sender;
    this.#topic = sender.name;
    this.guessed = 0;
  }

  /** Says which device the next times are from, if several share the topic. */
  from(device: string): void {
    this.#sender = { ...this.#sender, name: `${this.#topic}\u0000${device}` };
  }

  /** The time in an element, or in the objects around it. */
  find(scope: Scope): FoundTime {
    if (this.isReceived) return NOTHING;
    if (this.#lookup !== undefined) {
      const value = this.#lookup(scope);
      if (value !== undefined) this.seen++;
      return { value, field: undefined, isOwn: true };
    }
    const { chain } = scope;
    for (let i = chain.length - 1; i >= 0; i--) {
      const found = this.findIn(chain[i]);
      if (found !== undefined && found.value !== undefined) return { ...found, isOwn: i === chain.length - 1 };
    }
    return NOTHING;
  }

  /** The time in one object. Undefined if it has none. */
  findIn(tree: unknown): { readonly value: unknown; readonly field: string } | undefined {
    if (typeof tree !== "object" || tree === null || this.isReceived) return undefined;
    if (this.#path !== undefined) {
      const value = fieldAt(tree, this.#path);
      if (value !== undefined) this.seen++;
      return { value, field: this.#path.text };
    }
    if (this.#lookup !== undefined) return undefined;
    for (const field of TIME_FIELDS) {
      const value = (tree as Readonly<Record<string, unknown>>)[field];
      if (value !== undefined && Object.hasOwn(tree, field)) return { value, field };
    }
    return undefined;
  }

  /** A value as a time. An empty text is a clock that was never set. */
  read(value: unknown): ReadTime | UnreadableTime {
    if (value === undefined || value === null) return undefined;
    const us = this.#parse(value);
    if (us !== undefined) return us;
    if (this.#settings.fallback === "received" || value === "") return Number.NaN;
    return new UnreadableTime(`${shownValue(value)} is not a time (expected ${this.#expected()})`);
  }

  #parse(value: unknown): number | undefined {
    const { unit } = this.#settings;
    if (this.#pattern === undefined) return parseTimestampUs(value, unit, this.#zone && this.#toInstant);
    const written = typeof value === "string" ? this.#pattern(value) : undefined;
    if (written === undefined) return undefined;
    const us = written.offsetUs === undefined ? this.#toInstant(written.us) : written.us - written.offsetUs;
    return Math.abs(us) <= INSTANT_US_MAX ? us : undefined;
  }

  readonly #toInstant = (localUs: number): number => {
    if (this.#zone === undefined || Math.abs(localUs) > INSTANT_US_MAX) return localUs;
    const instants = instantsOf(localUs, this.#zone);
    if (instants.earlierUs === instants.laterUs) return instants.earlierUs;
    this.guessed++;
    return this.#twice.choose(instants, this.#sender);
  };

  /** Whether local clocks show this instant twice. Asked only for messages with such times (`guessed`). */
  isTwiceTold(atUs: number): boolean {
    if (this.#zone === undefined) return false;
    const { earlierUs, laterUs } = instantsOf(atUs + this.#zone.at(atUs).offsetUs, this.#zone);
    return earlierUs !== laterUs;
  }

  #expected(): string {
    const { format, unit } = this.#settings;
    if (format !== undefined) return format;
    return unit === "auto" ? "a count of s, ms, us or ns, or ISO 8601" : unit;
  }
}

function templateLookup(field: string, known: KnownNames): Lookup {
  const template = compileTemplate(field, known);
  return (scope) => {
    const text = template.render(scope);
    return text instanceof MissingName ? undefined : text;
  };
}
