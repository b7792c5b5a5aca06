import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, test } from "vitest";
import { homeAssistant } from "./libraries/libraries.ts";
import { mqttJs } from "./libraries/mqtt-js.ts";
import { Trial, until } from "./scenarios/trial.ts";
import { startTarget } from "./targets/start-target.ts";
import type { Target } from "./targets/target.ts";

/** What Home Assistant asks of each kind of entity that it knows. */
const KINDS = ["binary_sensor", "button", "climate", "cover", "device_automation", "fan", "light", "lock", "number"];
const MORE_KINDS = ["scene", "select", "sensor", "siren", "switch", "tag", "text", "update", "vacuum", "valve"];
const DISCOVERY = [
  "homeassistant/device/+/config",
  ...[...KINDS, ...MORE_KINDS].flatMap((kind) => [
    `homeassistant/${kind}/+/config`,
    `homeassistant/${kind}/+/+/config`,
  ]),
];

const libraries = [homeAssistant(), mqttJs()] as const;
let target: Target | undefined;

beforeAll(async () => {
  target = await startTarget();
});

afterAll(async () => {
  await Promise.all(libraries.map((library) => library.stop()));
  await target?.stop();
});

function discovered(stateTopic: string): string {
  const device = { identifiers: ["cold-1"], name: "Cold room" };
  return JSON.stringify({ name: "Temperature", unique_id: "cold-1-t", state_topic: stateTopic, device });
}

describe.each([4, 5] as const)("Home Assistant's way of speaking MQTT, version %s", (version) => {
  test("finds devices, sees their states, and comes back after a broken connection", async () => {
    if (target === undefined) throw new Error("no broker");
    const [hass, js] = libraries;
    const ofDevice = new Trial({ library: js, version, transport: "tcp", target });
    const ofHass = new Trial({ library: hass, version, transport: "tcp", target });
    const config = `homeassistant/sensor/cold-${version}/temperature/config`;
    const state = ofDevice.topic("readings/temperature");
    const device = await ofDevice.connect("device");
    try {
      await device.subscribe([{ filter: "homeassistant/status", qos: 1 }]);
      const births = () => device.messages.map(({ payload }) => payload).join(" ");
      await device.publish({ topic: config, payload: discovered(state), qos: 1, retain: true });
      await device.publish({ topic: state, payload: "4.5", qos: 1, retain: true });

      const will = { topic: "homeassistant/status", payload: "offline" };
      const home = await ofHass.connect("home", { will });
      await until(
        () => births() === "online",
        () => `its birth message, got "${births()}"`,
      );
      const codes = await home.subscribe(DISCOVERY.map((filter) => ({ filter })));
      assert.deepEqual(
        codes,
        DISCOVERY.map(() => 0),
      );
      const seen = (topic: string) => home.messages.filter((message) => message.topic === topic);
      await until(() => seen(config).length === 1, "the retained description of the device");
      assert.equal(seen(config)[0]?.retain, true);
      await home.subscribe([{ filter: state }]);
      await until(() => seen(state).length === 1, "the retained state");
      await device.publish({ topic: state, payload: "4.75", qos: 1, retain: true });
      await until(() => seen(state).at(-1)?.payload === "4.75", "the next state");
      assert.deepEqual(
        seen(state).map(({ payload, retain }) => `${payload} ${retain}`),
        ["4.5 true", "4.75 false"],
      );

      await home.cut();
      await until(
        () => births() === "online offline online",
        () => `its will and its birth, got "${births()}"`,
      );
      // It subscribes to everything again, and so gets everything that is retained again.
      await until(() => seen(config).length === 2 && seen(state).length === 3, "what is retained, again");
      await device.publish({ topic: state, payload: "5", qos: 1, retain: true });
      await until(() => seen(state).at(-1)?.payload === "5", "a state after the broken connection");

      // A device that is removed clears its description.
      await device.publish({ topic: config, payload: "", qos: 1, retain: true });
      await until(() => seen(config).at(-1)?.payload === "", "the removal of the device");
      await device.publish({ topic: state, payload: "", qos: 1, retain: true });
      await home.close();
      await until(
        () => births() === "online offline online offline",
        () => `its last will, got "${births()}"`,
      );
    } finally {
      await ofHass.end();
      await ofDevice.end();
    }
  });
});
