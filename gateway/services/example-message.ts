import type { IngestConfig } from "../../ingest/common/config.ts";

/** What a captured level of a topic is in the example. */
const LEVELS: Readonly<Record<string, string>> = { site: "north", device: "cold-1", metric: "temperature" };
const PAYLOADS: Readonly<Record<string, string>> = { json: '{"temperature": 21.5}', value: "21.5" };

/** A message that the first source with a plain format accepts. */
export function exampleMessage(
  sources: Pick<IngestConfig, "sources">["sources"],
): { readonly topic: string; readonly payload: string } | undefined {
  for (const { topic, format } of sources) {
    const payload = typeof format === "string" ? PAYLOADS[format] : undefined;
    if (payload !== undefined) return { topic: filled(topic), payload };
  }
  return undefined;
}

function filled(topic: string): string {
  return topic
    .replace(/\{(\w+)\}/g, (_, name: string) => LEVELS[name] ?? `${name}-1`)
    .split("/")
    .map((level) => (level === "+" || level === "#" ? "any" : level))
    .join("/");
}
