import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHECKS } from "./checks/checks.ts";
import { type Result, runChecks } from "./run.ts";
import { startWeir } from "./target.ts";

/** Over WebSocket, one check of these runs here. `npm run test:conformance` runs all. */
const WEB_SHARE = 5;

let results: readonly Result[] = [];
let stop: () => Promise<void> = async () => {};

beforeAll(async () => {
  const weir = await startWeir();
  stop = weir.stop;
  results = await runChecks({
    target: weir.target,
    picked: (check, version, transport) => {
      if (version !== 4 || WAITING.has(check.name)) return false;
      if (transport === "tcp" || check.only === transport) return true;
      return transport === "ws" && CHECKS.indexOf(check) % WEB_SHARE === 0;
    },
  });
}, 120_000);

afterAll(() => stop());

/** Of MQTT 3.1.1: what the broker does not do yet. MQTT 5 comes with the broker's own sessions. */
const WAITING: ReadonlySet<string> = new Set([
  "CONNECT with an ill-formed client id is refused",
  "CONNECT with a client id with a surrogate is refused",
  "CONNECT with a client id with U+0000 is refused",
  "protocol level 2 gets return code 1",
  "a protocol level of the future is refused",
  "a session without subscriptions is present, too",
  "CONNECT with will fields without will flag is refused",
  "CONNECT with a user name without its flag is refused",
  "CONNECT with a password without its flag is refused",
  "CONNECT with a password without user name is refused",
  "CONNECT with an ill-formed user name is refused",
  "all filters of one packet count",
  "overlapping filters count with the highest QoS",
  "UNSUBSCRIBE without filters closes the connection",
  "SUBSCRIBE with an ill-formed filter closes the connection",
  "SUBSCRIBE with U+0000 in a filter closes the connection",
  "UNSUBSCRIBE with an ill-formed filter closes the connection",
  "PUBLISH and PUBREL in one write",
]);

describe("the broker", () => {
  it("passes the checks of the statements", () => {
    const faults = results.filter(({ fault }) => fault !== undefined);
    expect(faults.map(({ check, transport, fault }) => `${check.name} (${transport}): ${fault}`)).toEqual([]);
    expect(results.length).toBeGreaterThan(100);
  });
});
