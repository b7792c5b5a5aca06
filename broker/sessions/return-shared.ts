import type { QueuedMessage, SessionRecord, SessionStore } from "../store/port.ts";
import { filterOf, isShareId } from "./shared-queues.ts";

export interface ReturnSharedOptions {
  readonly store: SessionStore;
  /** The queue from which members of a shared subscription get messages. */
  readonly queueFor: (filter: string) => string | undefined;
}

const READ_MAX = 256;

/**
 * The session of a member ends: what it has of its shared subscriptions goes to other members, except for QoS 2
 * messages that it may have been sent [MQTT-4.8.2-5]. Claims the session if it has such subscriptions.
 * @returns its record after that
 */
export async function returnShared(record: SessionRecord, options: ReturnSharedOptions): Promise<SessionRecord> {
  if (!record.subscriptions.some(({ filter }) => isShareId(filter))) return record;
  const { store, queueFor } = options;
  const { clientId, user, expirySeconds, awayAtUs, will } = record;
  const wish = { user, cleanStart: false, expirySeconds, ...(will === undefined ? {} : { will }) };
  const claimed = await store.claim(clientId, wish);
  const { queue } = claimed;
  const giveBack = async ({ ordinal, message, qos }: QueuedMessage) => {
    const filter = message.origin === undefined ? undefined : sharedFilterOf(message.origin);
    const target = filter === undefined ? undefined : queueFor(filter);
    if (target === undefined || (qos === 2 && ordinal <= queue.sentUpTo)) return;
    await store.enqueue(message, [{ clientId: target, qos, retain: false, identifiers: [] }]);
    queue.finish(ordinal);
  };
  for (let some = await queue.read(READ_MAX); some.length > 0; some = await queue.read(READ_MAX)) {
    await Promise.all(some.map(giveBack));
  }
  await queue.close();
  const ended = awayAtUs === undefined ? claimed.record : { ...claimed.record, awayAtUs };
  if (awayAtUs !== undefined) await store.save(ended);
  return ended;
}

/** The origin of the copy for a member names the group's queue: see `ShareGroup`. */
export function sharedOrigin(of: {
  readonly kind: "stored" | "transient";
  readonly name: string;
  readonly ordinal: number;
  readonly receivedAtUs: number;
}): string {
  return `share ${of.kind} ${of.ordinal} ${of.receivedAtUs} ${of.name}`;
}

function sharedFilterOf(origin: string): string | undefined {
  const name = /^share [a-z]+ \d+ \d+ (.*)$/su.exec(origin)?.[1];
  return name === undefined || !isShareId(name) ? undefined : filterOf(name);
}
