import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SeriesTable } from "../../domain/series-table.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import type { OpenedStore, StoreHistory, WriteReport } from "../common/store.ts";
import type { StoreKind } from "../common/store-kind.ts";
import { at, readingsBatch, T0 } from "./batches.ts";
import type { Given, StoreOracle } from "./given.ts";
import { describeHistoryContract } from "./history-contract.ts";
import { describeIncidentEventsContract } from "./incident-events-contract.ts";
import { describeSeriesContract } from "./series-contract.ts";
import { describeWindowsContract } from "./windows-contract.ts";
import { describeWriterContract } from "./writer-contract.ts";

export interface StoreUnderTest {
  /** Opens the same location each time; it starts empty. */
  open(): Promise<OpenedStore>;
  readonly oracle: StoreOracle;
  stop(): Promise<void>;
}

/** The contract of every store, by kind; `start` returns an empty one. */
export function describeStoreContract(kind: StoreKind, start: () => Promise<StoreUnderTest>): void {
  describe(`the store contract, by ${kind.title}`, () => {
    let tested: StoreUnderTest;
    let opened: OpenedStore;
    let sequence = 0;
    const table = new SeriesTable();

    beforeAll(async () => {
      tested = await start();
      opened = await tested.open();
    }, 90_000);
    afterAll(async () => {
      await opened?.writer.close();
      await tested?.stop();
    });

    function writeWindows(windows: readonly WindowResult[], to: number): Promise<WriteReport> {
      sequence = Math.max(sequence, to);
      return opened.writer.write({ stream: "WINDOWS", position: at(to), windows });
    }
    const given: Given = {
      oracle: {
        readings: (device) => tested.oracle.readings(device),
        windows: (rule) => tested.oracle.windows(rule),
        alerts: (rule) => tested.oracle.alerts(rule),
      },
      writer: () => opened.writer,
      sequence: () => sequence,
      write: (readings) => opened.writer.write(readingsBatch(++sequence, readings, table)),
      writeAlerts: (alerts) => opened.writer.write({ stream: "ALERTS", position: at(++sequence), alerts }),
      writeEvents: (events) => opened.writer.write({ stream: "NOTIFICATIONS", position: at(++sequence), events }),
      async reopen() {
        await opened.writer.close();
        opened = await tested.open();
      },
    };
    function history(): StoreHistory {
      if (opened.history === undefined) throw new Error("the store has no history");
      return opened.history;
    }

    it("has a history if its kind declares one", () => {
      expect(opened.history !== undefined).toBe(kind.hasHistory);
    });

    describeWriterContract(given);
    describeWindowsContract({
      ...given,
      write: (windows) => writeWindows(windows, ++sequence),
      rewrite: writeWindows,
      windows: (rule) => tested.oracle.windows(rule),
    });
    if (kind.hasHistory) {
      describeHistoryContract({ ...given, history });
      describeSeriesContract({ ...given, history });
      describeIncidentEventsContract({ ...given, history });
    }

    it("can be closed twice", async () => {
      await opened.writer.close();
      await opened.writer.close();
      const reading = { device: "x", metric: "x", tags: {}, atUs: T0, value: 1 };
      await expect(given.write([reading])).rejects.toThrow(/closed|open/);
    });
  });
}
