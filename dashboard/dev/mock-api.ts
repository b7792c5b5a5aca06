import type { Acknowledgement, Silence } from "../../contracts/notifications.ts";
import { createMockLetters, type MockAnswer } from "./mock-letters.ts";
import type { MockWorld } from "./mock-world.ts";

/** The HTTP API over the made-up world, with a notifier that keeps its orders in memory. */
export interface MockApi {
  readonly acknowledgements: ReadonlyMap<string, Acknowledgement>;
  readonly silences: readonly Silence[];
  /** What the processors want people to know. */
  notice: string | undefined;
  answer(method: string, url: URL, body: unknown): MockAnswer;
}

export function createMockApi(options: { readonly world: MockWorld; readonly nowUs: () => number }): MockApi {
  const { world, nowUs } = options;
  const acknowledgements = new Map<string, Acknowledgement>();
  let silences: Silence[] = [];
  const startedUs = nowUs();
  const letters = createMockLetters(nowUs);

  function openAlerts(): unknown[] {
    return world
      .alertStates()
      .filter(({ state }) => state === "pending" || state === "firing")
      .map((change) => ({
        ...change,
        acknowledgement: acknowledgements.get(change.incident),
        silencedBy: silences.filter((silence) => silenceFits(silence, change)).map(({ id }) => id),
        inhibitedBy: [],
      }))
      .filter(({ acknowledgement, silencedBy }) => acknowledgement !== undefined || silencedBy.length > 0);
  }

  function incident(id: string, part: string | undefined, body: unknown, method: string): MockAnswer {
    const changes = world.alertChanges(10_000).filter((change) => change.incident === id);
    if (part === "acknowledge" && method === "POST") {
      const { by, note = "" } = body as { by: string; note?: string };
      const taken = { incident: id, by, note, atUs: nowUs() };
      acknowledgements.set(id, taken);
      return ok(taken);
    }
    if (part === "deliveries") return ok({ incident: id, deliveries: [] });
    if (part === "explanation") return { status: 503, value: { detail: "nobody explains incidents here" } };
    if (changes.length === 0) return { status: 404, value: { detail: "no such incident" } };
    return ok({ incident: id, changes: changes.toReversed() });
  }

  function answer(method: string, url: URL, body: unknown): MockAnswer {
    const query = (name: string) => url.searchParams.get(name) ?? "";
    const [first = "", id, part] = url.pathname
      .replace(/^\/(api\/v1\/)?/, "")
      .split("/")
      .map(decodeURIComponent);
    switch (first) {
      case "series":
        return ok(
          world.series(
            query("device"),
            query("metric"),
            usOf(query("from")),
            usOf(query("to")),
            Number(query("points")),
          ),
        );
      case "alerts":
        return id === undefined
          ? ok(past(query("state"), Number(query("limit")) || 200))
          : incident(id, part, body, method);
      case "open-alerts":
        return ok({ alerts: openAlerts() });
      case "silences":
        return silence(method, id, body);
      case "devices":
        return ok({ total: world.devices().length, devices: world.devices() });
      case "rules":
        return ok({ version: "made-up", sequence: 1, rules: world.rules() });
      case "rule-activity":
        return ok(activity());
      case "dead-letters":
        return letters.answer(method, id, part);
      case "readyz":
        return ok({
          ready: true,
          log: { ready: true, durability: "synced" },
          services: ["edge", "processors", "storage", "notifier", "feed"].map((name) => ({
            name,
            ready: true,
            detail: "",
            ...(name === "processors" && api.notice !== undefined ? { notice: api.notice } : {}),
          })),
        });
      default:
        return { status: 404, value: { detail: "there is no such resource" } };
    }
  }

  function past(state: string, limit: number) {
    const changes = world.alertChanges(10_000).filter((change) => state === "all" || change.state === state);
    return { alerts: changes.slice(0, limit) };
  }

  function silence(method: string, id: string | undefined, body: unknown): MockAnswer {
    if (method === "POST") {
      const order = body as Omit<Silence, "id" | "fromUs" | "createdAtUs">;
      const added: Silence = { ...order, id: `s-${silences.length + 1}`, fromUs: nowUs(), createdAtUs: nowUs() };
      silences.push(added);
      return ok(added);
    }
    if (method === "DELETE") silences = silences.filter((one) => one.id !== id);
    return ok({ silences });
  }

  function activity() {
    const fired = new Map<string, { rule: string; fired: number; lastAtUs: number }>();
    for (const { rule, state, atUs } of world.alertChanges(10_000)) {
      const one = fired.get(rule) ?? { rule, fired: 0, lastAtUs: atUs };
      fired.set(rule, { ...one, fired: one.fired + (state === "firing" ? 1 : 0) });
    }
    const sinceUs = world.alertChanges(10_000).at(-1)?.atUs ?? null;
    return { version: "made-up", sequence: 1, inForceSinceUs: startedUs, sinceUs, rules: [...fired.values()] };
  }

  const api: MockApi = {
    acknowledgements,
    get silences() {
      return silences;
    },
    notice: undefined,
    answer,
  };
  return api;
}

function ok(value: unknown): MockAnswer {
  return { status: 200, value };
}

function usOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text) * 1000;
}

function silenceFits(
  { matchers }: Silence,
  change: { readonly rule: string; readonly key: Readonly<Record<string, string>> },
): boolean {
  return Object.entries(matchers).every(
    ([name, wanted]) => (name === "rule" ? change.rule : change.key[name]) === wanted,
  );
}
