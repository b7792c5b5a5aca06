import { ChangingDevices, DAYS } from "../engine/testing/changing-devices.ts";
import { liveBytes } from "./live-bytes.ts";

/** The state and the memory of the engine while devices are replaced each day: both are to stay as large. */
export async function benchChangingDevices(options: { readonly devices: number }): Promise<boolean> {
  const perDay = Math.round(options.devices / DAYS);
  process.stdout.write(`\n${perDay * DAYS} devices over ${DAYS} days of the log, ${perDay} new ones each day\n`);
  const changing = new ChangingDevices();
  const sizes: number[] = [];
  const bytesBefore = liveBytes();
  changing.play(perDay, (day, stateBytes) => {
    sizes.push(stateBytes);
    const heap = (liveBytes() - bytesBefore) / 1e6;
    const { keyCount } = changing.step;
    process.stdout.write(
      `day ${day}: state ${(stateBytes / 1e6).toFixed(1)} MB, memory ${heap.toFixed(1)} MB, ${keyCount} keys, ` +
        `${changing.table.size} series ids\n`,
    );
  });
  return Math.max(...sizes) < (sizes[0] ?? 0) * 1.05;
}
