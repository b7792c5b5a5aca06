import { afterAll, beforeAll } from "vitest";
import type { Reading } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { type Influxd, startInfluxd } from "../../test/servers/influxd.ts";
import { influxdbSchema } from "../common/config.ts";
import { createStorageEvents } from "../common/events.ts";
import { describeStoreContract, type StoreOracle } from "../testing/store-contract.ts";
import { testDeps } from "../testing/testing.ts";
import { fluxRows } from "../testing/testing-flux.ts";
import { createInfluxStore } from "./influx-store.ts";

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
      interface Found {
        readonly startUs: number;
        readonly labels: Record<string, string>;
        readonly fields: Map<string, string>;
      }
      const found = new Map<string, Found>();
      for (const row of rows) {
        const labels = Object.fromEntries(
          Object.entries(row).filter(([k]) => !COLUMNS.has(k) && k !== "rule" && row[k] !== ""),
        );
        const key = `${row._time} ${JSON.stringify(labels)}`;
        const window: Found = found.get(key) ?? { startUs: usOf(row._time), labels, fields: new Map() };
        window.fields.set(row._field ?? "", row._value ?? "");
        found.set(key, window);
      }
      const valid = [...found.values()].filter(({ fields }) => fields.get("retracted") === "false");
      return valid.map(({ startUs, labels, fields }): WindowResult => {
        const aggregates = [...fields].filter(([name]) => !["revision", "window_end", "retracted"].includes(name));
        return {
          rule,
          labels,
          startUs,
          endUs: Number(fields.get("window_end")),
          revision: Number(fields.get("revision") ?? -1),
          aggregates: Object.fromEntries(
            aggregates.map(([name, value]) =>
              name.endsWith("_text") ? [name.slice(0, -5), value] : [name.replace(/_$/, ""), Number(value)],
            ),
          ),
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
  const config = influxdbSchema.parse({ url, token, org, bucket });
  const events = createStorageEvents(deps.logger, deps.metrics);
  const open = () => createInfluxStore({ config, log: deps.log, events, nowUs: deps.clock.nowUs });
  return { store: open(), reopen: async () => open(), oracle: fluxOracle(influxd), stop: async () => {} };
});
