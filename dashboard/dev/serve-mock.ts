import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startMockGateway } from "./mock-gateway.ts";

/** Serves `dist/dashboard` with made-up data until interrupted. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: "string", default: "8090" },
      devices: { type: "string", default: "12" },
      "step-every-ms": { type: "string", default: "1000" },
      "hours-before": { type: "string" },
      page: { type: "string", default: fileURLToPath(new URL("../../dist/dashboard", import.meta.url)) },
      /** Adds a device, `wall`, with this many metrics at 10 Hz. */
      wall: { type: "string" },
      token: { type: "string" },
    },
  });
  const gateway = await startMockGateway({
    pageDir: values.page,
    port: Number(values.port),
    devices: Number(values.devices),
    stepEveryMs: Number(values["step-every-ms"]),
    ...(values["hours-before"] === undefined ? {} : { hoursBefore: Number(values["hours-before"]) }),
    ...(values.wall === undefined ? {} : { wallMetrics: Number(values.wall) }),
    ...(values.token === undefined ? {} : { token: values.token }),
  });
  if (process.send !== undefined) answerParent(gateway.url);
  else console.log(`Made-up air of ${values.devices} devices at ${gateway.url}`);
}

/** Sends its URL and, on request, its processor time so far to the parent process. Ends with the parent. */
function answerParent(url: string): void {
  process.send?.(url);
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.((user + system) / 1e6);
  });
  process.on("disconnect", () => process.exit());
}
