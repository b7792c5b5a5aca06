import { reasonOf } from "../../domain/reason.ts";
import type { Outcome } from "./target.ts";

const ANSWER_CHARACTERS_MAX = 200;
const ANSWER_BYTES_MAX = 4_096;
/** 4xx answers that may be temporary: a timeout, a conflict in time, too many requests. */
const TEMPORARY = new Set([408, 425, 429]);

/** Posts JSON once. Redirects are refused: only the configured address gets the alert. */
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
  const answer = await beginningOf(response);
  const error = `${hostOf(url)} answered ${status} ${response.statusText}${answer && `: ${answer}`}`.trim();
  if (status >= 300 && status < 400) {
    const to = response.headers.get("location") ?? "elsewhere";
    return { kind: "refused", error: `${error}; it redirects to ${to}: configure that address` };
  }
  if (status < 500 && !TEMPORARY.has(status)) return { kind: "refused", error };
  const afterMs = retryAfterMs(response.headers.get("retry-after"), nowMs());
  return { kind: "failed", error, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** The pause that a Retry-After header requests: whole seconds, or a date. Undefined if it is neither. */
export function retryAfterMs(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  if (/^\s*\d+\s*$/.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** The address without its path, which may be a secret. */
function hostOf(url: string): string {
  return new URL(url).host;
}

async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  let text = "";
  let bytes = 0;
  const decoder = new TextDecoder();
  try {
    while (bytes < ANSWER_BYTES_MAX) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // The body only helps to explain the status.
  }
  await reader.cancel().catch(() => {});
  return text.replace(/\s+/g, " ").trim().slice(0, ANSWER_CHARACTERS_MAX);
}
