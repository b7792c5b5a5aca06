import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Door } from "./client.ts";
import { ATTACKS, attackAll } from "./run.ts";

/** Each attack through one door; among them they use every door. `npm run test:hostile` has the rest. */
const DOORS: Readonly<Record<string, Door>> = {
  names: "bridge",
  nesting: "bridge-tls",
  "unknown topics": "tcp",
  "invented metrics": "tls",
  "poison rows": "tcp",
  "poison rule": "tcp",
  "resets in every state": "ws",
  phantoms: "tcp",
  "subscribe flood": "tls",
  "silent sockets": "tcp",
};

test("an honest device notices none of the attacks, and every message is accounted for", async () => {
  const said: string[] = [];
  const { outcomes, faults } = await attackAll({
    distDir: fileURLToPath(new URL("../../dist", import.meta.url)),
    seconds: 0.7,
    picked: ({ name }, door) => DOORS[name] === door,
    // For busy machines: a multiple of a calm acknowledgement, if that is longer.
    pubackMsMax: 2_000,
    calmTimesMax: 20,
    memoryBytesMax: 1.5 * 1_073_741_824,
    say: (line) => said.push(line),
  });
  expect(faults, said.join("\n")).toEqual([]);
  expect(outcomes.map(({ attack }) => attack).sort()).toEqual(Object.keys(DOORS).sort());
  expect(ATTACKS.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(DOORS)));
}, 180_000);
