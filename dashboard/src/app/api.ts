import type { LetterRetry, RetryReport, RetryResult } from "../../../contracts/dead-letters.ts";
import type { IncidentExplanation } from "../../../contracts/explanations.ts";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import type { Acknowledgement, Delivery, NewSilence, OpenAlert, Silence } from "../../../contracts/notifications.ts";
import type { AlertChange } from "../../../domain/alert.ts";
import { isRecord } from "../lib/rules.ts";
import type { LoadSeries } from "../store/device-detail.ts";
import { ApiError, errorOf } from "./api-error.ts";
import { createLimiter } from "./limiter.ts";

const REQUESTS_AT_ONCE = 4;
const WAITING_MAX = 200;
const TIMEOUT_MS = 10_000;

export interface PastAlerts {
  readonly alerts: readonly AlertChange[];
  /** Where the next page begins; undefined when there is no more. */
  readonly next: string | undefined;
}

export interface ServiceHealth {
  readonly name: string;
  readonly ready: boolean;
  readonly detail: string;
  /** The work goes on, but something wants a person. */
  readonly notice?: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly services: readonly ServiceHealth[];
  readonly durability: string;
}

export interface DeadLetterSummary {
  readonly sequence: number;
  readonly storedAtUs: number;
  readonly reason: string;
  readonly detail: string;
  readonly topic: string;
  readonly clientId: string;
  readonly receivedAtUs: number;
  readonly position?: number;
  readonly payloadBytes: number;
  readonly preview: string;
  /** The letter whose retry this one comes from. */
  readonly retryOf?: number;
  readonly retryable: boolean;
  readonly retry?: LetterRetry;
}

export interface DeadLetterWhole extends DeadLetterSummary {
  /** Null when the payload is no UTF-8. */
  readonly text: string | null;
  readonly base64: string;
}

export interface RuleActivity {
  readonly version: string | null;
  readonly inForceSinceUs: number | null;
  /** From when on incidents are counted. */
  readonly sinceUs: number | null;
  readonly rules: readonly { readonly rule: string; readonly fired: number; readonly lastAtUs: number }[];
}

/** The gateway's HTTP API; asks for a few things at a time, so that a screen of charts does not flood it. */
export interface Api {
  readonly series: LoadSeries;
  /** Alert changes of a stretch of event time, newest first. */
  alerts(query: {
    readonly state: "all" | "ended" | "resolved";
    readonly fromUs: number;
    readonly toUs: number;
    readonly limit: number;
    readonly after?: string | undefined;
    readonly rule?: string;
  }): Promise<PastAlerts>;
  incident(incident: string): Promise<readonly AlertChange[]>;
  /** What a service can tell of how an incident came to be; undefined when none can. */
  explanation(incident: string): Promise<IncidentExplanation | undefined>;
  deliveries(incident: string): Promise<readonly Delivery[]>;
  /** Those that somebody took on or silenced. */
  openAlerts(): Promise<readonly OpenAlert[]>;
  silences(): Promise<readonly Silence[]>;
  acknowledge(incident: string, order: { readonly by: string; readonly note: string }): Promise<Acknowledgement>;
  addSilence(silence: NewSilence): Promise<Silence>;
  removeSilence(id: string, by: string): Promise<unknown>;
  rules(): Promise<unknown>;
  ruleActivity(): Promise<RuleActivity>;
  deadLetters(before?: number): Promise<{
    readonly total: number;
    readonly letters: readonly DeadLetterSummary[];
    readonly next?: number;
  }>;
  deadLetter(sequence: number): Promise<DeadLetterWhole>;
  retryLetter(sequence: number, by: string): Promise<RetryResult>;
  /** Some of those that were not retried yet, oldest first. */
  retryLetters(order: { readonly before?: number; readonly after?: number; readonly by: string }): Promise<RetryReport>;
  readiness(): Promise<Readiness>;
}

/** `onUnauthorized` hears of each answer that asks for another token. */
export function createApi(
  baseUrl: string,
  options: { readonly token?: string | undefined; readonly onUnauthorized?: () => void } = {},
): Api {
  const limit = createLimiter(REQUESTS_AT_ONCE, WAITING_MAX);
  const own: Record<string, string> = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };

  async function ask(method: string, path: string, query: Query = {}, body?: unknown): Promise<Response> {
    const url = new URL(path, baseUrl);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = body === undefined ? own : { ...own, "content-type": "application/json" };
    const response = await limit(() =>
      fetch(url, { method, headers, ...sent, signal: AbortSignal.timeout(TIMEOUT_MS) }),
    );
    if (response.status === 401) options.onUnauthorized?.();
    return response;
  }

  async function json<Answer = unknown>(method: string, path: string, query?: Query, body?: unknown): Promise<Answer> {
    const response = await ask(method, path, query, body);
    if (!response.ok) throw await errorOf(path, response);
    return await response.json();
  }

  const about = (incident: string) => `api/v1/alerts/${encodeURIComponent(incident)}`;
  return {
    async series({ device, metric, fromUs, toUs, points }) {
      const answer = await json("GET", "api/v1/series", {
        device,
        metric,
        from: whole(fromUs),
        to: whole(toUs),
        points,
      });
      if (!isSeriesAnswer(answer)) throw new ApiError(`api/v1/series answered with something else for ${metric}`);
      return answer;
    },
    async alerts({ fromUs, toUs, ...query }) {
      const answer = await json("GET", "api/v1/alerts", { ...query, from: whole(fromUs), to: whole(toUs) });
      if (!isRecord(answer) || !Array.isArray(answer.alerts)) return { alerts: [], next: undefined };
      return {
        alerts: answer.alerts.filter(isAlertChange),
        next: typeof answer.next === "string" ? answer.next : undefined,
      };
    },
    async incident(incident) {
      const { changes } = await json<{ changes: readonly AlertChange[] }>("GET", about(incident));
      return changes;
    },
    async explanation(incident) {
      const response = await ask("GET", `${about(incident)}/explanation`);
      if (!response.ok) return undefined;
      const answer: unknown = await response.json();
      return isRecord(answer) && isExplanation(answer.explanation) ? answer.explanation : undefined;
    },
    async deliveries(incident) {
      const answer = await json<{ deliveries: readonly Delivery[] }>("GET", `${about(incident)}/deliveries`);
      return answer.deliveries;
    },
    async openAlerts() {
      return (await json<{ alerts: readonly OpenAlert[] }>("GET", "api/v1/open-alerts", { marked: "true" })).alerts;
    },
    async silences() {
      return (await json<{ silences: readonly Silence[] }>("GET", "api/v1/silences")).silences;
    },
    acknowledge: (incident, order) => json("POST", `${about(incident)}/acknowledge`, {}, order),
    addSilence: (silence) => json("POST", "api/v1/silences", {}, silence),
    removeSilence: (id, by) => json("DELETE", `api/v1/silences/${encodeURIComponent(id)}`, { by }),
    rules: () => json("GET", "api/v1/rules"),
    ruleActivity: () => json("GET", "api/v1/rule-activity"),
    deadLetters: (before) => json("GET", "api/v1/dead-letters", { before }),
    deadLetter: (sequence) => json("GET", `api/v1/dead-letters/${sequence}`),
    retryLetter: (sequence, by) => json("POST", `api/v1/dead-letters/${sequence}/retry`, {}, { by }),
    retryLetters: (order) => json("POST", "api/v1/dead-letters/retry", {}, order),
    async readiness() {
      const response = await ask("GET", "readyz");
      return parseReadiness(await response.text(), response.ok);
    },
  };
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** The gateway takes instants of 16 digits at most as microseconds; before September 2001 they go as text. */
function whole(atUs: number): string {
  return atUs >= 1e15 ? String(Math.round(atUs)) : new Date(atUs / 1000).toISOString();
}

function isSeriesAnswer(value: unknown): value is SeriesAnswer {
  return isRecord(value) && ["atUs", "min", "max", "avg", "count"].every((column) => Array.isArray(value[column]));
}

function isExplanation(value: unknown): value is IncidentExplanation {
  if (!isRecord(value) || !Array.isArray(value.notes) || !Array.isArray(value.steps)) return false;
  return value.steps.every((step) => isRecord(step) && Array.isArray(step.readings) && Array.isArray(step.notes));
}

function isAlertChange(value: unknown): value is AlertChange {
  return isRecord(value) && typeof value.id === "string" && typeof value.rule === "string" && isRecord(value.key);
}

function parseReadiness(text: string, ok: boolean): Readiness {
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return { ready: ok, services: [], durability: "unknown" };
    const services = (Array.isArray(value.services) ? value.services : []).filter(isRecord).map((service) => ({
      name: String(service.name),
      ready: service.ready === true,
      detail: typeof service.detail === "string" ? service.detail : "",
      ...(typeof service.notice === "string" ? { notice: service.notice } : {}),
    }));
    const log = isRecord(value.log) ? value.log : {};
    const lost = { name: "log", ready: false, detail: "the log does not answer" };
    return {
      ready: ok && value.ready !== false,
      services: log.ready === false ? [lost, ...services] : services,
      durability: typeof log.durability === "string" ? log.durability : "unknown",
    };
  } catch {
    return {
      ready: ok,
      services: ok ? [] : [{ name: "gateway", ready: false, detail: text.slice(0, 200) }],
      durability: "unknown",
    };
  }
}
