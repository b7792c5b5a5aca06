import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StoreClosedError } from "../port.ts";
import { describeEdges } from "./edge-cases.ts";
import { describeQueues } from "./queue-cases.ts";
import { describeRetained } from "./retained-cases.ts";
import { describeSessions } from "./session-cases.ts";
import { copyFor, message, type StoreHarness, WISH } from "./store-kit.ts";

/** What each session store must do. `setup` makes an empty disk or server. */
export function describeStoreContract(name: string, setup: () => Promise<StoreHarness>): void {
  describe(`session store: ${name}`, { timeout: 60_000 }, () => {
    let current: StoreHarness;
    const harness = () => current;
    beforeEach(async () => {
      current = await setup();
    });
    afterEach(() => current.close());

    describeSessions(harness);
    describeQueues(harness);
    describeRetained(harness);
    describeEdges(harness);

    test("a stopped store refuses", async () => {
      const { store } = await harness().open();
      await store.stop();
      await store.stop();
      await expect(store.claim("c", WISH)).rejects.toThrow(StoreClosedError);
      await expect(store.enqueue(message("m"), [copyFor("c")])).rejects.toThrow(StoreClosedError);
      await expect(store.retain("t", null)).rejects.toThrow(StoreClosedError);
    });
  });
}
