import { afterAll, beforeAll } from "vitest";
import type { Reading } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { type Influxd, startInfluxd } from "../../test/servers/influxd.ts";
import { storageConfigSchema } from "../config.ts";
import { createStorageEvents } from "../events.ts";
import { describeStoreContract, type StoreOracle } from "../store-contract.ts";
import { testDeps } from "../testing.ts";
import { createInfluxStore } from "./influx-store.ts";
import { fluxRows } from "./testing-flux.ts";

let influxd: Influxd;
beforeAll(async () => {
  influxd = await startInfluxd();
}, 90_000);
afterAll(() => influxd?.stop());

const COLUMNS = new Set(["result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"]);

/** Reads with Flux, which the store itself does not use. */
function fluxOracle(server: Influxd): StoreOracle {
  return {
    async readings(device) {
      const rows = await fluxRows(server, `r._measurement == "readings" and r.device == ${JSON.stringify(device)}`);
      return rows.map((row): Reading => {
        const tags = Object.fromEntries(
          Object.entries(row).filter(([k]) => !COLUMNS.has(k) && k !== "device" && k !== "metric" && row[k] !== ""),
        );
        const text = row._value ?? "";
        const value = row._field === "value" ? Number(text) : row._field === "flag" ? text === "true" : text;
        return { device, metric: row.metric ?? "", tags, atUs: usOf(row._time), value };
      });
    },
    async windows(rule) {
      const rows = await fluxRows(server, `r._measurement == "windows" and r.rule == ${JSON.stringify(rule)}`);
      const found = new Map<string, { startUs: number; labels: Record<string, string>; fields: Map<string, number> }>();
      for (const row of rows) {
        const labels = Object.fromEntries(Object.entries(row).filter(([k]) => !COLUMNS.has(k) && k !== "rule"));
        const key = `${row._time} ${JSON.stringify(labels)}`;
        const window = found.get(key) ?? { startUs: usOf(row._time), labels, fields: new Map<string, number>() };
        window.fields.set(row._field ?? "", Number(row._value));
        found.set(key, window);
      }
      return [...found.values()].map(({ startUs, labels, fields }): WindowResult => {
        const aggregates = [...fields].filter(([name]) => name !== "revision" && name !== "window_end");
        return {
          rule,
          labels,
          startUs,
          endUs: fields.get("window_end") ?? 0,
          revision: fields.get("revision") ?? -1,
          aggregates: Object.fromEntries(aggregates.map(([name, value]) => [name.replace(/_$/, ""), value])),
        };
      });
    },
  };
}

function usOf(time: string | undefined): number {
  const [, seconds = "", fraction = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(time ?? "") ?? [];
  return Date.parse(`${seconds}Z`) * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

describeStoreContract("InfluxDB", async () => {
  const deps = testDeps();
  const { url, token, org, bucket } = influxd;
  const config = storageConfigSchema.parse({ influx: { url, token, org, bucket } }).influx;
  if (config === undefined) throw new Error("no influx settings");
  const events = createStorageEvents(deps.logger, deps.metrics);
  const open = () => createInfluxStore({ config, log: deps.log, events, nowUs: deps.clock.nowUs });
  return { store: open(), reopen: async () => open(), oracle: fluxOracle(influxd), stop: async () => {} };
});
