import type { Cluster } from "./port.ts";

const EDGE = "alone";

/** The only edge. */
export const ALONE: Cluster = {
  edge: EDGE,
  start: async () => {},
  stop: async () => {},
  edges: () => [EDGE],
  hasOthers: () => false,
  isChosenFor: () => true,
  clientConnected() {},
  subscribe: async () => {},
  unsubscribe() {},
  known: async () => {},
  matchesAny: () => false,
  inboxes: () => [],
  publish() {},
  share() {},
  sessionChanged: () => false,
  sessionTaken: () => false,
};
