import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayProcess } from "../servers/gateway-process.ts";

const POLL_MS = 40;
const SAY_MS_MAX = 20_000;
const SAID_SHOWN = 3_000;
const REFUSED = "the rule files have problems";
const MENDED = "the rule files are in order again";

/** What the gateway logs about the rule files. */
export class GatewayLog {
  readonly #gateway: GatewayProcess;
  #refusalsSeen = 0;

  constructor(gateway: GatewayProcess) {
    this.#gateway = gateway;
  }

  /** Resolves when files were refused once more. */
  async untilRefused(): Promise<void> {
    const wanted = this.#refusalsSeen + 1;
    const untilMs = performance.now() + SAY_MS_MAX;
    for (;;) {
      const { refused } = await this.counts();
      if (refused >= wanted) {
        this.#refusalsSeen = refused;
        return;
      }
      if (performance.now() > untilMs) {
        const said = (await this.#gateway.logText()).slice(-SAID_SHOWN);
        throw new Error(`broken rule files were not refused in ${SAY_MS_MAX} ms; the gateway said:\n${said}`);
      }
      await sleep(POLL_MS);
    }
  }

  async counts(): Promise<{ readonly refused: number; readonly mended: number; readonly troubles: string[] }> {
    const text = await this.#gateway.logText();
    // Pino's levels are numbers; in its pretty form, names.
    const troubles = text
      .split("\n")
      .filter((line) => /"level":(50|60)|\b(ERROR|FATAL)\b/.test(line) && !line.includes(REFUSED));
    return { refused: text.split(REFUSED).length - 1, mended: text.split(MENDED).length - 1, troubles };
  }
}
