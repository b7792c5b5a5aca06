import { afterAll, beforeAll, expect, it } from "vitest";
import { runSequences } from "./sequences/run.ts";
import { startWeir, type Weir } from "./target.ts";

/** A few sequences of packets. `npm run test:conformance` plays many, with new seeds. */

const SEED = 683_948_200;
const COUNT = 60;

let weir: Weir;

beforeAll(async () => {
  weir = await startWeir();
});

afterAll(() => weir.stop());

it("the broker answers sequences of packets as the model of a broker does", async () => {
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const failed = await runSequences({ target: weir.target, count: COUNT, seed: SEED, versions: [4, 5], say });
  expect(failed, said.join("\n")).toBe(0);
}, 120_000);
