import { DEVICE_LEDGERS, type DeviceLedgersReport } from "../contracts/device-ledgers.ts";
import type { Step } from "../engine/step.ts";
import type { Bus } from "../platform/log/port.ts";

/** Device names may be long, and a message of the bus has a limit. */
const CHARACTERS_PER_MESSAGE = 200_000;

/** For views of devices: publishes those whose counts have changed, as many as a message holds. */
export function publishLedgers({ ledgers }: Pick<Step, "ledgers">, bus: Bus): void {
  const changed = ledgers.takeChanged(CHARACTERS_PER_MESSAGE);
  if (changed.size === 0) return;
  const report: DeviceLedgersReport = Object.fromEntries(changed);
  bus.publish(DEVICE_LEDGERS, report);
}
