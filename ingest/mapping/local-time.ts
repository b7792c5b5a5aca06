import { US_PER_DAY, US_PER_MINUTE } from "../../domain/time.ts";
import type { TimeZone } from "../../rule-language/calendar/time-zone.ts";

/** The instants at which a zone's clocks show a local time. They differ in the hour that autumn brings twice. */
export interface LocalInstants {
  readonly earlierUs: number;
  readonly laterUs: number;
}

/** `localUs`: the local time as if it were in UTC. A time that spring leaves out is that of the clock before it. */
export function instantsOf(localUs: number, zone: TimeZone): LocalInstants {
  const before = zone.at(localUs - US_PER_DAY).offsetUs;
  const after = zone.at(localUs + US_PER_DAY).offsetUs;
  if (before === after) return { earlierUs: localUs - before, laterUs: localUs - before };
  const isBefore = zone.at(localUs - before).offsetUs === before;
  const isAfter = zone.at(localUs - after).offsetUs === after;
  if (isBefore === isAfter) {
    const [one, other] = [localUs - before, localUs - after];
    return isBefore
      ? { earlierUs: Math.min(one, other), laterUs: Math.max(one, other) }
      : { earlierUs: one, laterUs: one };
  }
  const only = localUs - (isBefore ? before : after);
  return { earlierUs: only, laterUs: only };
}

/** A message that arrives within this of one of the two instants is live. */
const LIVE_US = 25 * US_PER_MINUTE;
/** Buffered readings of one night arrive together; another night starts afresh. */
const SAME_NIGHT_US = 180 * US_PER_MINUTE;
const SENDERS_MAX = 20_000;

interface Pass {
  /** The latest instant before the message. */
  beforeUs: number;
  latestUs: number;
  message: number;
  attempt: number;
}

/** Where a local time comes from. A message may be decoded more than once (`attempt`); `message` numbers messages. */
export interface LocalSender {
  readonly name: string;
  readonly message: number;
  readonly attempt: number;
  readonly receivedAtUs: number;
}

/**
 * Tells the two passes of the autumn hour apart. A live message is the pass that is nearer to its receive time. Else
 * the order of arrival decides: local times of one sender that do not advance belong to the second pass.
 */
export class TwiceToldHours {
  readonly #passes = new Map<string, Pass>();

  choose({ earlierUs, laterUs }: LocalInstants, sender: LocalSender): number {
    const pass = this.#passOf(sender);
    const chosenUs = nearest({ earlierUs, laterUs }, sender.receivedAtUs) ?? this.#byOrder(earlierUs, laterUs, pass);
    pass.latestUs = Math.max(pass.latestUs, chosenUs);
    return chosenUs;
  }

  #byOrder(earlierUs: number, laterUs: number, { beforeUs, latestUs }: Pass): number {
    if (Math.abs(latestUs - earlierUs) > SAME_NIGHT_US) return earlierUs;
    // In one message, a time that repeats is the same instant.
    return earlierUs <= beforeUs || earlierUs < latestUs ? laterUs : earlierUs;
  }

  #passOf({ name, message, attempt }: LocalSender): Pass {
    let pass = this.#passes.get(name);
    if (pass === undefined) {
      if (this.#passes.size >= SENDERS_MAX) this.#passes.clear();
      pass = { beforeUs: Number.NEGATIVE_INFINITY, latestUs: Number.NEGATIVE_INFINITY, message, attempt };
      this.#passes.set(name, pass);
    } else if (pass.message !== message) {
      pass.beforeUs = pass.latestUs;
      pass.message = message;
      pass.attempt = attempt;
    } else if (pass.attempt !== attempt) {
      pass.latestUs = pass.beforeUs;
      pass.attempt = attempt;
    }
    return pass;
  }
}

function nearest({ earlierUs, laterUs }: LocalInstants, receivedAtUs: number): number | undefined {
  const [toEarlier, toLater] = [Math.abs(receivedAtUs - earlierUs), Math.abs(receivedAtUs - laterUs)];
  if (Math.min(toEarlier, toLater) > LIVE_US) return undefined;
  return toEarlier < toLater ? earlierUs : laterUs;
}
