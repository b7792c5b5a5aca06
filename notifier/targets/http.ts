import { reasonOf } from "../../domain/reason.ts";
import type { Outcome } from "./target.ts";

const SAID_CHARACTERS_MAX = 200;
const SAID_BYTES_MAX = 4_096;
/** Timeouts, conflicts in time and overload pass; other refusals stay. */
const PASSING = new Set([408, 425, 429]);

/** Posts JSON once, and says what came of it. Redirects are refused: the address in the configuration is the one. */
export async function post(options: {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
}): Promise<Outcome> {
  const { url, headers, body, signal, nowMs } = options;
  let response: Response;
  try {
    response = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
  } catch (error) {
    return { kind: "failed", error: signal.aborted ? `no answer in time from ${hostOf(url)}` : reasonOf(error) };
  }
  const { status } = response;
  if (response.ok) {
    await response.body?.cancel().catch(() => {});
    return { kind: "delivered" };
  }
  const said = await firstWords(response);
  const error = `${hostOf(url)} answered ${status} ${response.statusText}${said && `: ${said}`}`.trim();
  if (status >= 300 && status < 400) {
    const to = response.headers.get("location") ?? "elsewhere";
    return { kind: "refused", error: `${error}; it points to ${to}: set the address to where it is` };
  }
  if (status < 500 && !PASSING.has(status)) return { kind: "refused", error };
  const afterMs = retryAfterMs(response.headers.get("retry-after"), nowMs());
  return { kind: "failed", error, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** Milliseconds of a Retry-After header: whole seconds, or a date. Undefined when it says neither. */
export function retryAfterMs(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  if (/^\s*\d+\s*$/.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** The address without what may be secret in it. */
function hostOf(url: string): string {
  return new URL(url).host;
}

async function firstWords(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  let text = "";
  let bytes = 0;
  const decoder = new TextDecoder();
  try {
    while (bytes < SAID_BYTES_MAX) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // What it said is a help, no more.
  }
  await reader.cancel().catch(() => {});
  return text.replace(/\s+/g, " ").trim().slice(0, SAID_CHARACTERS_MAX);
}
