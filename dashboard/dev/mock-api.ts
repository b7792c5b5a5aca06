import type { IncidentExplanation } from "../../contracts/explanations.ts";
import type { IncidentSummary, IncidentsPage } from "../../contracts/http/alerts.ts";
import type { BrokerListeners } from "../../contracts/listeners.ts";
import { type Acknowledgement, type Delivery, SILENCES_ADD, type Silence } from "../../contracts/notifications.ts";
import type { RuleFiles } from "../../contracts/rule-files.ts";
import type { SourcesInForce } from "../../contracts/sources.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { globMatches } from "../../domain/glob.ts";
import { incidentFacts } from "../../domain/incident.ts";
import { type MockAnswer, MockLetters, ok } from "./mock-letters.ts";
import type { MockWorld } from "./mock-world.ts";
import { WALL, type Wall } from "./wall.ts";

const SERVICES = ["edge", "processors", "storage", "notifier", "feed"];
const CHANGES_MAX = 10_000;

interface Request {
  readonly method: string;
  /** The path after `/api/v1/`: `alerts`, an id, an action. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly body: unknown;
}

/** The HTTP API over the made-up world. Its notifier keeps acknowledgements and silences in memory. */
export class MockApi {
  ruleFiles: RuleFiles = { errors: 0, warnings: 0, quarantined: 0, problems: [] };
  listeners: BrokerListeners = {
    bind: "127.0.0.1",
    listeners: [{ protocol: "mqtt", port: 18_830 }],
    users: false,
    topics: ["sensors/{site}/{device}/telemetry", "sensors/{site}/{device}/{metric}"],
    example: { topic: "sensors/north/cold-1/telemetry", payload: '{"temperature": 21.5}' },
  };
  sources: SourcesInForce = {
    file: { errors: 0, problems: [], waiting: [] },
    sources: this.listeners.topics.map((topic, i) => ({
      ...{ topics: [topic], format: i === 0 ? "json" : "value", ignored: false },
      ...{ messages: i === 0 ? 4_820_114 : 0, readings: i === 0 ? 9_640_228 : 0, warnings: [] },
    })),
  };
  /** The notice of the processors in the health of the gateway. */
  notice: string | undefined;
  readonly #world: MockWorld;
  readonly #wall: Wall | undefined;
  readonly #nowUs: () => number;
  readonly #startedUs: number;
  readonly #letters: MockLetters;
  readonly #acknowledgements = new Map<string, Acknowledgement>();
  #silences: Silence[] = [];
  /** Handlers by the first part of the path. */
  readonly #resources: Readonly<Record<string, (request: Request) => MockAnswer>>;

  constructor(world: MockWorld, nowUs: () => number, wall?: Wall) {
    this.#world = world;
    this.#wall = wall;
    this.#nowUs = nowUs;
    this.#startedUs = nowUs();
    this.#letters = new MockLetters(nowUs);
    this.#resources = {
      series: ({ query }) => ok(this.#series(query)),
      incidents: ({ query }) => ok(this.#pastIncidents(query)),
      states: ({ query }) => ok(this.#states(query)),
      alerts: (request) => (request.parts[1] === undefined ? ok(this.#past(request.query)) : this.#incident(request)),
      "open-alerts": () => ok({ alerts: this.#markedAlerts() }),
      silences: (request) => this.#silence(request),
      devices: () => ok({ total: world.devices().length, devices: world.devices() }),
      rules: () => ok({ version: "made-up", sequence: 1, rules: world.rules() }),
      "rule-files": () => ok(this.ruleFiles),
      listeners: () => ok(this.listeners),
      sources: () => ok(this.sources),
      "rule-activity": () => ok(this.#activity()),
      "dead-letters": ({ method, parts }) => this.#letters.answer(method, parts[1], parts[2]),
      readyz: () => ok(this.#readiness()),
    };
  }

  get acknowledgements(): ReadonlyMap<string, Acknowledgement> {
    return this.#acknowledgements;
  }

  get silences(): readonly Silence[] {
    return this.#silences;
  }

  answer(method: string, url: URL, body: unknown): MockAnswer {
    const parts = url.pathname
      .replace(/^\/(api\/v1\/)?/, "")
      .split("/")
      .map(decodeURIComponent);
    const resource = this.#resources[parts[0] ?? ""];
    return resource?.({ method, parts, query: url.searchParams, body }) ?? refuse(404, "there is no such resource");
  }

  #series(query: URLSearchParams) {
    const text = (name: string) => query.get(name) ?? "";
    const span = { fromUs: usOf(text("from")), toUs: usOf(text("to")), points: Number(text("points")) };
    if (this.#wall !== undefined && text("device") === WALL) return this.#wall.series(text("metric"), span);
    return this.#world.series(text("device"), text("metric"), span);
  }

  #states(query: URLSearchParams) {
    const text = (name: string) => query.get(name) ?? "";
    return this.#world.states(text("device"), text("metric"), { fromUs: usOf(text("from")), toUs: usOf(text("to")) });
  }

  #past(query: URLSearchParams) {
    const state = query.get("state");
    const changes = this.#world.alertChanges(CHANGES_MAX).filter((change) => state === "all" || change.state === state);
    return { alerts: changes.slice(0, Number(query.get("limit") ?? 200)) };
  }

  #incident({ method, parts, body }: Request): MockAnswer {
    const [, incident = "", action] = parts;
    const changes = this.#world
      .alertChanges(CHANGES_MAX)
      .filter((change) => change.incident === incident)
      .toReversed();
    if (action === "acknowledge" && method === "POST") {
      const acknowledgement = { incident, by: textOf(body, "by"), note: textOf(body, "note"), atUs: this.#nowUs() };
      this.#acknowledgements.set(incident, acknowledgement);
      return ok(acknowledgement);
    }
    const last = changes.at(-1);
    if (action === "deliveries") return ok({ incident, deliveries: changes.flatMap(delivered) });
    const summary = this.#summaryOf(changes);
    if (last === undefined || summary === undefined) return refuse(404, "there is no such incident");
    return ok(action === "explanation" ? { explanation: explain(changes, last) } : { incident, summary, changes });
  }

  /** In pages: the cursor is the number of incidents before. */
  #pastIncidents(query: URLSearchParams): IncidentsPage {
    const resolved = this.#world.alertChanges(CHANGES_MAX).filter(({ state }) => state === "resolved");
    const first = Number(query.get("after") ?? 0);
    const end = first + Number(query.get("limit") ?? 200);
    const incidents = resolved.slice(first, end).flatMap((change) => this.#summaryOf([change]) ?? []);
    return { incidents, source: "store", ...(end < resolved.length && { next: String(end) }) };
  }

  #summaryOf(changes: readonly AlertChange[]): IncidentSummary | undefined {
    const facts = incidentFacts(changes);
    if (facts === undefined) return undefined;
    const acknowledgement = this.#acknowledgements.get(facts.incident);
    return { ...facts, ...(acknowledgement && { acknowledgement }), deliveries: changes.flatMap(delivered) };
  }

  /** Alerts that are acknowledged or silenced. */
  #markedAlerts() {
    return this.#world
      .alertStates()
      .filter(({ state }) => state === "pending" || state === "firing")
      .map((change) => ({
        ...change,
        acknowledgement: this.#acknowledgements.get(change.incident),
        silencedBy: this.#silences.filter((silence) => silenceFits(silence, change)).map(({ id }) => id),
        inhibitedBy: [],
      }))
      .filter(({ acknowledgement, silencedBy }) => acknowledgement !== undefined || silencedBy.length > 0);
  }

  #silence({ method, parts, body }: Request): MockAnswer {
    if (method === "POST") {
      const order = SILENCES_ADD.ask.parse(body);
      const nowUs = this.#nowUs();
      const added = { ...order, id: `s-${this.#silences.length + 1}`, fromUs: nowUs, createdAtUs: nowUs };
      this.#silences.push(added);
      return ok(added);
    }
    if (method === "DELETE") this.#silences = this.#silences.filter(({ id }) => id !== parts[1]);
    return ok({ silences: this.#silences });
  }

  #activity() {
    const fired = new Map<string, { rule: string; fired: number; lastAtUs: number }>();
    const changes = this.#world.alertChanges(CHANGES_MAX);
    for (const { rule, state, atUs } of changes) {
      const activity = fired.get(rule) ?? { rule, fired: 0, lastAtUs: atUs };
      fired.set(rule, { ...activity, fired: activity.fired + (state === "firing" ? 1 : 0) });
    }
    return {
      version: "made-up",
      sequence: 1,
      inForceSinceUs: this.#startedUs,
      sinceUs: changes.at(-1)?.atUs ?? null,
      rules: [...fired.values()],
    };
  }

  #readiness() {
    const services = SERVICES.map((name) => ({
      ...{ name, ready: true, detail: "" },
      ...(name === "processors" && this.notice !== undefined ? { notice: this.notice } : {}),
    }));
    return { ready: true, log: { ready: true, durability: "synced" }, services };
  }
}

/** Explains as far as the evidence goes: the made-up world keeps no readings. */
function explain(changes: readonly AlertChange[], last: AlertChange): IncidentExplanation {
  const { incident, rule, key, severity, state } = last;
  const steps = changes.map(({ id, from, state: to, atUs, processedAtUs, evidence }) => {
    const { window, aggregate, value, condition, watermarkUs, input } = evidence;
    return {
      ...{ id, from, state: to, atUs, processedAtUs, window, aggregate, value, condition, watermarkUs },
      predicate: `${aggregate} ${value} ${condition}`,
      latenessUs: 0,
      input: { stream: "READINGS", ...input },
      closedBy: "reading" as const,
      ...{ readings: [], readingsInAll: 0, recomputed: null, agrees: null, notes: [] },
    };
  });
  return { incident, rule, key, severity, state, steps, notes: ["The made-up gateway keeps no readings."] };
}

/** Each change that people are notified of arrived at once. */
function delivered({ id, incident, state, atUs }: AlertChange): readonly Delivery[] {
  if (state !== "firing" && state !== "resolved") return [];
  const about = { receiver: "ops.email", incident, change: id, state } as const;
  return [{ ...about, outcome: "delivered", attempts: 1, repeats: 0, notification: `msg-${id}`, atUs }];
}

function refuse(status: number, detail: string): MockAnswer {
  return { status, value: { detail } };
}

function usOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text) * 1000;
}

function textOf(body: unknown, name: string): string {
  const value: unknown =
    typeof body === "object" && body !== null ? Object.entries(body).find(([key]) => key === name)?.[1] : undefined;
  return typeof value === "string" ? value : "";
}

function silenceFits({ matchers }: Silence, { rule, key }: Pick<AlertChange, "rule" | "key">): boolean {
  return Object.entries(matchers).every(([name, wanted]) =>
    [wanted].flat().some((one) => globMatches(one, (name === "rule" ? rule : key[name]) ?? "")),
  );
}
