import { expect, test } from "vitest";
import type { BrokerListeners } from "../../../contracts/listeners.ts";
import { publishCommand, reachFrom } from "./publish-command.ts";

const LOCAL: BrokerListeners = {
  bind: "127.0.0.1",
  listeners: [{ protocol: "mqtt", port: 41_883 }],
  users: false,
  topics: ["sensors/{site}/{device}/telemetry"],
  example: { topic: "sensors/north/cold-1/telemetry", payload: '{"temperature": 21.5}' },
};
const MESSAGE = `-q 1 -t sensors/north/cold-1/telemetry -m '{"temperature": 21.5}'`;

test.each([
  ["on this machine", LOCAL, "localhost", `mosquitto_pub -h 127.0.0.1 -p 41883 ${MESSAGE}`],
  ["everywhere", { ...LOCAL, bind: "0.0.0.0" }, "gw.example", `mosquitto_pub -h gw.example -p 41883 ${MESSAGE}`],
  ["IPv6", { ...LOCAL, bind: "::" }, "[fd00::7]", `mosquitto_pub -h fd00::7 -p 41883 ${MESSAGE}`],
  [
    "users",
    { ...LOCAL, users: true },
    "localhost",
    `mosquitto_pub -h 127.0.0.1 -p 41883 -u USER -P PASSWORD ${MESSAGE}`,
  ],
  ["no plain format", { ...LOCAL, example: undefined }, "localhost", undefined],
  ["no plain listener", { ...LOCAL, listeners: [{ protocol: "mqtts", port: 8883 }] as const }, "localhost", undefined],
])("a command for a broker %s", (_, listeners, pageHost, command) => {
  expect(publishCommand(listeners, pageHost)).toBe(command);
});

test("a shell gets the message as it is", () => {
  const example = { topic: "it's/{a b}", payload: "21.5" };
  expect(publishCommand({ ...LOCAL, example }, "localhost")).toContain(`-t 'it'\\''s/{a b}' -m 21.5`);
});

test("addresses name each listener, and say when only the gateway's own machine reaches them", () => {
  const listeners = [
    { protocol: "mqtt", port: 1 },
    { protocol: "mqtts", port: 2 },
    { protocol: "ws", port: 3 },
  ] as const;
  expect(reachFrom({ ...LOCAL, bind: "::", listeners }, "[fd00::7]")).toEqual({
    urls: ["mqtt://[fd00::7]:1", "mqtts://[fd00::7]:2", "ws://[fd00::7]:3/mqtt"],
    note: undefined,
  });
  expect(reachFrom(LOCAL, "localhost").note).toBeUndefined();
  expect(reachFrom(LOCAL, "gw.example")).toMatchObject({
    urls: ["mqtt://127.0.0.1:41883"],
    note: expect.stringContaining("--bind"),
  });
});
