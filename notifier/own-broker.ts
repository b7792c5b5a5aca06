import type { OwnBroker } from "../contracts/notifications.ts";

/** Weir's own broker as this machine reaches it: a loopback address of another machine, or container, is not ours. */
export function seenFrom(here: string, broker: OwnBroker): OwnBroker {
  const { machine } = broker;
  return machine === undefined || machine === here ? broker : { ...broker, host: machine };
}
