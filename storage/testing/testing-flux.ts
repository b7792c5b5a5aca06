import { parse } from "csv-parse/sync";
import type { Influxd } from "../../test/servers/influxd.ts";

/** All points that match a Flux filter, one row per field, as texts. */
export async function fluxRows(server: Influxd, filter: string): Promise<Record<string, string>[]> {
  const query = `from(bucket: "${server.bucket}") |> range(start: 1900-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
    |> filter(fn: (r) => ${filter})`;
  const answer = await fetch(`${server.url}/api/v2/query?org=${server.org}`, {
    method: "POST",
    headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
    body: JSON.stringify({ query, type: "flux", dialect: { header: true, annotations: [] } }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Flux answered ${answer.status}: ${text}`);
  // The answer has a table for each set of columns; each has a header after an empty line.
  return (
    text
      .split(/\r\n\r\n/)
      .filter((table) => table.trim() !== "")
      .flatMap((table) => parse(table, { columns: true, record_delimiter: "\r\n" }) as Record<string, string>[])
      .map(({ "": _, ...row }) => row)
      // Flux writes a newline in a text as two characters.
      .map((row) => Object.fromEntries(Object.entries(row).map(([name, text]) => [name, text.replace(/\r\n/g, "\n")])))
  );
}
