import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHECKS } from "./checks/checks.ts";
import { runChecks } from "./run.ts";
import { startWeir, type Weir } from "./target.ts";

/** All checks by TCP, and some by WebSocket. `npm run test:conformance` runs the rest, and sequences. */

/** Over WebSocket, one check of these. */
const WEB_SHARE = 5;

let weir: Weir;

beforeAll(async () => {
  weir = await startWeir();
});

afterAll(() => weir.stop());

describe("the broker", () => {
  it("passes the checks of the statements of MQTT 3.1.1 and 5", async () => {
    const results = await runChecks({
      target: weir.target,
      picked: (check, _version, transport) => {
        if (transport === "tcp" || check.only === transport) return true;
        return transport === "ws" && CHECKS.indexOf(check) % WEB_SHARE === 0;
      },
    });
    const faults = results.filter(({ fault }) => fault !== undefined);
    expect(
      faults.map(({ check, version, transport, fault }) => `${check.name} (MQTT ${version}, ${transport}): ${fault}`),
    ).toEqual([]);
    expect(results.length).toBeGreaterThan(300);
  }, 180_000);
});
