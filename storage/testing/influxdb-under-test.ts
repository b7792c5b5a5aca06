import type { AlertChange } from "../../domain/alert.ts";
import type { Reading } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { type Influxd, startInfluxd } from "../../test/servers/influxd.ts";
import { influxdbSchema } from "../influx/config.ts";
import { INFLUXDB } from "../influx/influxdb.ts";
import type { StoreOracle } from "./given.ts";
import type { StoreUnderTest } from "./store-contract.ts";
import { storeDeps } from "./testing.ts";
import { fluxRows } from "./testing-flux.ts";

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
    async alerts(rule) {
      const chosen = `r._measurement == "alerts" and r._field == "change" and r.rule == ${JSON.stringify(rule)}`;
      return (await fluxRows(server, chosen)).map((row): AlertChange => JSON.parse(row._value ?? ""));
    },
  };
}

function usOf(time: string | undefined): number {
  const [, seconds = "", fraction = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(time ?? "") ?? [];
  return Date.parse(`${seconds}Z`) * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

export async function influxdbUnderTest(): Promise<StoreUnderTest> {
  const server = await startInfluxd();
  const { url, token, org, bucket } = server;
  const config = influxdbSchema.parse({ url, token, org, bucket });
  const deps = storeDeps();
  return { open: () => INFLUXDB.open(config, deps), oracle: fluxOracle(server), stop: () => server.stop() };
}
