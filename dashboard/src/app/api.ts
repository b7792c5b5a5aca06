import type { DismissReport, RetryReport, RetryResult } from "../../../contracts/dead-letters.ts";
import type { IncidentExplanation } from "../../../contracts/explanations.ts";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import type { AlertsPage, IncidentSummary, IncidentsPage, SilencesPage } from "../../../contracts/http/alerts.ts";
import type { RuleActivity, StatesAnswer } from "../../../contracts/http/data.ts";
import type { DeadLetterPage, DeadLetterTopics, DeadLetterWhole } from "../../../contracts/http/dead-letters.ts";
import type { Readiness } from "../../../contracts/http/gateway.ts";
import type { BrokerListeners } from "../../../contracts/listeners.ts";
import type { Acknowledgement, Delivery, NewSilence, OpenAlert, Silence } from "../../../contracts/notifications.ts";
import type { RuleFiles } from "../../../contracts/rule-files.ts";
import type { SourcesInForce } from "../../../contracts/sources.ts";
import type { TrialReport } from "../../../contracts/trials.ts";
import type { AlertChange } from "../../../domain/alert.ts";
import { isRecord } from "../lib/rules.ts";
import type { LoadSeries, LoadStates, SeriesSpan } from "../store/device-detail.ts";
import { errorOf } from "./api-error.ts";
import { createLimiter } from "./limiter.ts";

const REQUESTS_AT_ONCE = 4;
const WAITING_MAX = 200;
/** Per page. */
const OPEN_ALERTS_MAX = 5_000;
const TIMEOUT_MS = 10_000;

type Query = Readonly<Record<string, string | number | undefined>>;

export interface AlertsQuery {
  readonly state: "all" | "ended" | "resolved";
  readonly fromUs: number;
  readonly toUs: number;
  readonly limit: number;
  readonly after?: string | undefined;
}

export type PastQuery = Omit<AlertsQuery, "state">;

export interface KnownIncident {
  readonly summary: IncidentSummary;
  readonly changes: readonly AlertChange[];
}

interface OpenAlertsPage {
  readonly alerts: readonly OpenAlert[];
  readonly next?: string;
}

/**
 * The gateway's HTTP API. It sends only a few requests at a time, so that a screen of charts does not flood the
 * gateway. `contracts/` types the answers. The gateway that sends them also serves this page, and its own tests check
 * them.
 */
export class Api {
  readonly #baseUrl: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #onUnauthorized: () => void;
  readonly #limit = createLimiter(REQUESTS_AT_ONCE, WAITING_MAX);

  constructor(
    baseUrl: string,
    options: {
      readonly token?: string | undefined;
      /** Called when the gateway requires a token, or another one. */
      readonly onUnauthorized?: () => void;
    } = {},
  ) {
    const { token, onUnauthorized = () => {} } = options;
    this.#baseUrl = baseUrl;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#onUnauthorized = onUnauthorized;
  }

  readonly series: LoadSeries = async ({ points, ...series }) => {
    return await this.#json<SeriesAnswer>("GET", "api/v1/series", { ...seriesQuery(series), points });
  };

  readonly states: LoadStates = async ({ limit, ...series }) => {
    return await this.#json<StatesAnswer>("GET", "api/v1/states", { ...seriesQuery(series), limit });
  };

  /** Alert changes in a span of event time, newest first. */
  async alerts({ fromUs, toUs, ...query }: AlertsQuery): Promise<AlertsPage> {
    return await this.#json("GET", "api/v1/alerts", { ...query, from: instant(fromUs), to: instant(toUs) });
  }

  /** Incidents that fired and ended in a span of event time, newest first. */
  async pastIncidents({ fromUs, toUs, ...query }: PastQuery): Promise<IncidentsPage> {
    const span = { from: instant(fromUs), to: instant(toUs) };
    return await this.#json("GET", "api/v1/incidents", { state: "resolved", ...query, ...span });
  }

  /** An incident with its changes, oldest first; also after its end. */
  async incident(incident: string): Promise<KnownIncident> {
    return await this.#json("GET", incidentPath(incident));
  }

  /** Undefined when no service can explain the incident. */
  async explanation(incident: string): Promise<IncidentExplanation | undefined> {
    const response = await this.#request("GET", `${incidentPath(incident)}/explanation`);
    if (!response.ok) return undefined;
    const { explanation }: { explanation: IncidentExplanation } = await response.json();
    return explanation;
  }

  async deliveries(incident: string): Promise<readonly Delivery[]> {
    const path = `${incidentPath(incident)}/deliveries`;
    return (await this.#json<{ deliveries: readonly Delivery[] }>("GET", path)).deliveries;
  }

  /** Open alerts that are acknowledged or silenced. */
  async openAlerts(): Promise<readonly OpenAlert[]> {
    const all: OpenAlert[] = [];
    for (let after: string | undefined; ; ) {
      const query = { marked: "true", limit: OPEN_ALERTS_MAX, after };
      const page: OpenAlertsPage = await this.#json("GET", "api/v1/open-alerts", query);
      all.push(...page.alerts);
      if (page.next === undefined) return all;
      after = page.next;
    }
  }

  async silences(): Promise<readonly Silence[]> {
    const all: Silence[] = [];
    for (let after: string | undefined; ; ) {
      const page: SilencesPage = await this.#json("GET", "api/v1/silences", { after });
      all.push(...page.silences);
      if (page.next === undefined) return all;
      after = page.next;
    }
  }

  async acknowledge(incident: string, order: { readonly by: string; readonly note: string }): Promise<Acknowledgement> {
    return await this.#json("POST", `${incidentPath(incident)}/acknowledge`, {}, order);
  }

  async addSilence(silence: NewSilence): Promise<Silence> {
    return await this.#json("POST", "api/v1/silences", {}, silence);
  }

  async removeSilence(id: string, by: string): Promise<Silence> {
    return await this.#json("DELETE", `api/v1/silences/${encodeURIComponent(id)}`, { by });
  }

  /** As in the rule files; `parseRules` reads what the page needs. */
  async rules(): Promise<unknown> {
    return await this.#json("GET", "api/v1/rules");
  }

  /** Errors and warnings in the rule files. */
  async ruleFiles(): Promise<RuleFiles> {
    return await this.#json("GET", "api/v1/rule-files");
  }

  /** The sources in force, and errors in weir.yaml. */
  async sources(): Promise<SourcesInForce> {
    return await this.#json("GET", "api/v1/sources");
  }

  /** Where devices send their messages. */
  async listeners(): Promise<BrokerListeners> {
    return await this.#json("GET", "api/v1/listeners");
  }

  async ruleActivity(): Promise<RuleActivity> {
    return await this.#json("GET", "api/v1/rule-activity");
  }

  async deadLetters(before?: number): Promise<DeadLetterPage> {
    return await this.#json("GET", "api/v1/dead-letters", { before });
  }

  async deadLetter(sequence: number): Promise<DeadLetterWhole> {
    return await this.#json("GET", `api/v1/dead-letters/${sequence}`);
  }

  /** What the sources in force make of a letter. */
  async letterTrial(sequence: number): Promise<TrialReport> {
    return await this.#json("GET", `api/v1/dead-letters/${sequence}/trial`);
  }

  async retryLetter(sequence: number, by: string): Promise<RetryResult> {
    return await this.#json("POST", `api/v1/dead-letters/${sequence}/retry`, {}, { by });
  }

  /** Retries some of the letters that have not been retried yet, oldest first. */
  async retryLetters(order: {
    readonly before?: number;
    readonly after?: number;
    readonly by: string;
  }): Promise<RetryReport> {
    return await this.#json("POST", "api/v1/dead-letters/retry", {}, order);
  }

  async letterTopics(): Promise<DeadLetterTopics> {
    return await this.#json("GET", "api/v1/dead-letters/topics");
  }

  /** Deletes some of the letters of a topic, or of those that an MQTT filter matches. */
  async dismissLetters(order: {
    readonly topic: string;
    readonly before?: number;
    readonly after?: number;
    readonly by: string;
  }): Promise<DismissReport> {
    return await this.#json("POST", "api/v1/dead-letters/dismiss", {}, order);
  }

  async readiness(): Promise<Readiness> {
    const response = await this.#request("GET", "readyz");
    return parseReadiness(await response.text(), response.ok);
  }

  async #json<Answer>(method: string, path: string, query?: Query, body?: unknown): Promise<Answer> {
    const response = await this.#request(method, path, query, body);
    if (!response.ok) throw await errorOf(path, response);
    return await response.json();
  }

  async #request(method: string, path: string, query: Query = {}, body?: unknown): Promise<Response> {
    const url = new URL(path, this.#baseUrl);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = body === undefined ? this.#headers : { ...this.#headers, "content-type": "application/json" };
    const response = await this.#limit(() =>
      fetch(url, { method, headers, ...sent, signal: AbortSignal.timeout(TIMEOUT_MS) }),
    );
    if (response.status === 401) this.#onUnauthorized();
    return response;
  }
}

/** Names a series with all its tags, and a span. */
function seriesQuery({ device, tags, metric, fromUs, toUs }: SeriesSpan): Query {
  const named = Object.entries(tags).map(([name, value]) => [`tags.${name}`, value]);
  const all = named.length === 0 ? { tags: "" } : Object.fromEntries(named);
  return { device, metric, ...all, from: instant(fromUs), to: instant(toUs) };
}

function incidentPath(incident: string): string {
  return `api/v1/alerts/${encodeURIComponent(incident)}`;
}

/**
 * The gateway reads numbers of 16 digits as microseconds. Earlier instants (before September 2001) are sent as text.
 */
function instant(atUs: number): string {
  return atUs >= 1e15 ? String(Math.round(atUs)) : new Date(atUs / 1000).toISOString();
}

/** An answer that the gateway did not send, from a proxy for example, means that the gateway is not ready. */
function parseReadiness(text: string, ok: boolean): Readiness {
  try {
    const answer: unknown = JSON.parse(text);
    if (isReadiness(answer)) return answer;
  } catch {
    // Not JSON.
  }
  const log = { ready: true, durability: "unknown" } as const;
  return { ready: ok, log, services: ok ? [] : [{ name: "gateway", ready: false, detail: text.slice(0, 200) }] };
}

function isReadiness(answer: unknown): answer is Readiness {
  return isRecord(answer) && isRecord(answer.log) && Array.isArray(answer.services);
}

/** The parts of the gateway; the log comes first when it does not answer. */
export function partsOf({ log, services }: Readiness): Readiness["services"] {
  return log.ready ? services : [{ name: "log", ready: false, detail: "the log does not answer" }, ...services];
}
