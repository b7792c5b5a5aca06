import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Series } from "../../../domain/reading.ts";
import { reasonOf } from "../../../domain/reason.ts";
import { UsageError } from "../common/failures.ts";

const ANSWER_MS = 2_000;
const PAGES_MAX = 100;
const PAGE_DEVICES = 10_000;

const device = z.looseObject({
  device: z.string(),
  tags: z.record(z.string(), z.string()).default({}),
  metrics: z.record(z.string(), z.looseObject({ value: z.union([z.number(), z.boolean(), z.string()]) })).default({}),
});
const answer = z.looseObject({ devices: z.array(device), next: z.string().optional() });
const runFile = z.looseObject({ httpPort: z.int() });

/** The series in a file (an answer of `/api/v1/devices`), or of a running gateway. Throws UsageError. */
export async function readKnownSeries(from: string, token: string | undefined): Promise<Series[]> {
  if (/^https?:\/\//.test(from)) return await ask(from, token);
  let text: string;
  try {
    text = await readFile(from, "utf8");
  } catch (error) {
    throw new UsageError(`--devices ${from} cannot be read: ${reasonOf(error)}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    return seriesOf(z.union([answer, z.array(device).transform((devices) => ({ devices }))]).parse(value).devices);
  } catch {
    throw new UsageError(
      `--devices ${from} is not an answer of /api/v1/devices; save one, or give the gateway's address`,
    );
  }
}

/** The series of the gateway that runs with this data folder; undefined when none answers. */
export async function seriesOfRunning(dataDir: string, token: string | undefined): Promise<Series[] | undefined> {
  try {
    const run = runFile.parse(JSON.parse(await readFile(join(dataDir, "run.json"), "utf8")));
    const series = await ask(`http://127.0.0.1:${run.httpPort}`, token);
    // A gateway without readings says nothing about rules.
    return series.length === 0 ? undefined : series;
  } catch {
    return undefined;
  }
}

async function ask(address: string, token: string | undefined): Promise<Series[]> {
  const series: Series[] = [];
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const url = new URL(address);
    if (!url.pathname.endsWith("/api/v1/devices")) url.pathname = `${url.pathname.replace(/\/$/, "")}/api/v1/devices`;
    url.searchParams.set("limit", String(PAGE_DEVICES));
    if (after !== undefined) url.searchParams.set("after", after);
    const found = await fetchPage(url, token);
    series.push(...seriesOf(found.devices));
    after = found.next;
    if (after === undefined) break;
  }
  return series;
}

async function fetchPage(url: URL, token: string | undefined): Promise<z.output<typeof answer>> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    throw new UsageError(`${url.origin} does not answer (${reasonOf(error)}): is the gateway running there?`);
  }
  if (response.status === 401 || response.status === 403)
    throw new UsageError(`${url.origin} needs a token; name its environment variable with --token-env`);
  if (!response.ok) throw new UsageError(`${url.href} answers ${response.status}`);
  const parsed = answer.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) throw new UsageError(`${url.href} does not answer like a Weir gateway`);
  return parsed.data;
}

function seriesOf(devices: readonly z.output<typeof device>[]): Series[] {
  return devices.flatMap(({ device: name, tags, metrics }) =>
    Object.entries(metrics).map(([metric, { value }]): Series => {
      const kind = typeof value === "string" ? "string" : typeof value === "boolean" ? "boolean" : "number";
      return { device: name, metric, tags, kind };
    }),
  );
}
