import { expect, test } from "vitest";
import { seenFrom } from "./own-broker.ts";

const BROKER = { host: "127.0.0.1", port: 1883, clientIdPrefix: "weir-own-x-" };

test.each([
  ["on the broker's machine, a loopback address", { ...BROKER, machine: "edge-1" }, "edge-1", "127.0.0.1"],
  ["in another container, the name of its machine", { ...BROKER, machine: "edge-1" }, "notifier-1", "edge-1"],
  ["the address that it listens on, if that is one", { ...BROKER, host: "10.0.0.7" }, "notifier-1", "10.0.0.7"],
])("the notifier reaches Weir's own broker by %s", (_, broker, here, host) => {
  expect(seenFrom(here, broker).host).toBe(host);
});
