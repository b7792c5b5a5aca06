import type { IngestConfig } from "../../ingest/common/config.ts";

/** What a captured level of a topic is in the example. */
const LEVELS: Readonly<Record<string, string>> = { site: "north", device: "cold-1", metric: "temperature" };
const PAYLOADS: Readonly<Record<string, string>> = { json: '{"temperature": 21.5}', value: "21.5" };

/** A message that the first source with a plain format accepts. */
export function exampleMessage(
  sources: Pick<IngestConfig, "sources">["sources"],
): { readonly topic: string; readonly payload: string } | undefined {
  for (const source of sources) {
    const { topic, format } = source;
    const payload = typeof format === "string" && isSimple(source) ? PAYLOADS[format] : undefined;
    const [first] = typeof topic === "string" ? [topic] : topic;
    if (payload !== undefined && first !== undefined) return { topic: filled(first), payload };
  }
  return undefined;
}

/** It takes every payload of its format. */
function isSimple({ ignore, when, each, device, metric, value }: IngestConfig["sources"][number]): boolean {
  return !ignore && [when, each, device, metric, value].every((setting) => setting === undefined);
}

function filled(topic: string): string {
  return topic
    .replace(/\{(\w+)(?:\.\.\.)?\}/g, (_, name: string) => LEVELS[name] ?? `${name}-1`)
    .split("/")
    .map((level) => (level === "+" || level === "#" ? "any" : level))
    .join("/");
}
