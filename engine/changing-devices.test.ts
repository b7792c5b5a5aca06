import { expect, test } from "vitest";
import { ChangingDevices, DAYS } from "./testing/changing-devices.ts";

const DEVICES_PER_DAY = 1_000;

test("a hundred thousand devices over 100 days take as much state as those of the last 30 days", () => {
  const changing = new ChangingDevices();
  const sizes: number[] = [];
  changing.play(DEVICES_PER_DAY, (_, stateBytes) => sizes.push(stateBytes));
  expect(changing.step.keyCount).toBeLessThanOrEqual(2 * 31 * DEVICES_PER_DAY);
  expect(changing.openAlerts).toBeLessThanOrEqual(2 * 31 * DEVICES_PER_DAY);
  expect(changing.table.size).toBeLessThan(DAYS * DEVICES_PER_DAY * 0.75);
  expect(sizes).toHaveLength(3);
  expect(Math.max(...sizes)).toBeLessThan((sizes[0] as number) * 1.05);
}, 240_000);
