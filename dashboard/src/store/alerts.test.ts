import { expect, test } from "vitest";
import type { AlertChange, AlertState, Severity } from "../../../domain/alert.ts";
import { alertSpans } from "../lib/spans.ts";
import { AlertStore, CHANGES_MAX, openAlertsOf, subjectOf } from "./alerts.ts";
import { createFrame } from "./frame.ts";

const MINUTE_US = 60_000_000;

function change(options: {
  readonly device: string;
  readonly state: AlertState;
  readonly minute: number;
  readonly severity?: Severity;
  readonly rule?: string;
  readonly activeMinute?: number;
}): AlertChange {
  const { device, state, minute, severity = "warning", rule = "hot" } = options;
  const activeAtUs = (options.activeMinute ?? minute) * MINUTE_US;
  return {
    id: `${rule}-${device}-${minute}-${state}`,
    incident: `${rule}-${device}-${activeAtUs}`,
    rule,
    severity,
    from: "inactive",
    state,
    key: { device },
    labels: { device },
    annotations: {},
    atUs: minute * MINUTE_US,
    processedAtUs: minute * MINUTE_US,
    activeAtUs,
    value: 1,
    notify: [],
    evidence: {
      window: { startUs: 0, endUs: minute * MINUTE_US },
      aggregate: "avg",
      value: 1,
      condition: "> 0",
      watermarkUs: 0,
      input: { partition: 0, sequence: minute },
    },
  };
}

function createStore() {
  return new AlertStore(createFrame((run) => run()));
}

test("open alerts are sorted by urgency, and leave when they end", () => {
  const store = createStore();
  store.snapshot([
    change({ device: "a", state: "pending", minute: 9, severity: "critical" }),
    change({ device: "b", state: "firing", minute: 1 }),
    change({ device: "c", state: "firing", minute: 2 }),
    change({ device: "d", state: "firing", minute: 0, severity: "critical" }),
    change({ device: "e", state: "resolved", minute: 5 }),
  ]);
  expect(store.open.value.map(({ key }) => key.device)).toEqual(["d", "c", "b", "a"]);
  expect(store.firing.value).toEqual({ info: 0, warning: 2, critical: 1 });
  expect(store.pending.value).toBe(1);

  store.update([change({ device: "d", state: "resolved", minute: 10, severity: "critical", activeMinute: 0 })]);
  expect(store.open.value.map(({ key }) => key.device)).toEqual(["c", "b", "a"]);
  expect(store.byDevice.value.has("d")).toBe(false);
  expect(store.changes.value[0]?.state).toBe("resolved");
});

test("an alert is about the devices of its name that have the tags of its group", () => {
  const store = createStore();
  const about = (device: string, tags: Record<string, string>) => {
    const one = change({ device, state: "firing", minute: 1 });
    return { ...one, key: { device, ...tags }, id: JSON.stringify(tags) };
  };
  store.snapshot([about("phone", { user: "anna" }), about("phone", {}), about("gauge", {})]);
  const of = (tags: Record<string, string>) =>
    openAlertsOf(store.byDevice.value, { device: "phone", tags }).map(({ id }) => id);
  expect(of({ user: "anna", site: "x" }).sort()).toEqual(['{"user":"anna"}', "{}"]);
  expect(of({ user: "bert" })).toEqual(["{}"]);

  const several = { having: () => [1, 2] };
  const one = { having: () => [1] };
  expect(subjectOf(about("phone", { user: "anna" }), several)).toBe("phone · user anna");
  expect(subjectOf(about("phone", { user: "anna" }), one)).toBe("phone");
});

test("a snapshot replaces the open alerts, and history opens none", () => {
  const store = createStore();
  store.snapshot([change({ device: "a", state: "firing", minute: 1 })]);
  store.history([change({ device: "z", state: "firing", minute: 0 })]);
  expect(store.open.value).toHaveLength(1);
  store.snapshot([]);
  expect(store.open.value).toEqual([]);
  expect(store.changes.value).toHaveLength(2);
});

test("the list of changes is bounded, even if the page draws nothing", () => {
  const store = new AlertStore(createFrame(() => {}));
  for (let minute = 0; minute < CHANGES_MAX * 10; minute++) {
    store.update([change({ device: "a", state: minute % 2 === 0 ? "firing" : "resolved", minute })]);
  }
  expect(store.changes.value).toHaveLength(CHANGES_MAX);
});

test("incidents are built from their changes in any order", () => {
  const changes = [
    change({ device: "a", state: "resolved", minute: 9, activeMinute: 1 }),
    change({ device: "a", state: "pending", minute: 1 }),
    change({ device: "a", state: "firing", minute: 4, activeMinute: 1 }),
    change({ device: "a", state: "pending", minute: 20 }),
    change({ device: "b", state: "pending", minute: 2 }),
    change({ device: "b", state: "inactive", minute: 3, activeMinute: 2 }),
    change({ device: "c", state: "resolved", minute: 30, activeMinute: 25 }),
  ];
  const spans = alertSpans(changes).map(({ activeUs, firingUs, endUs }) =>
    [activeUs, firingUs, endUs].map((us) => (us === undefined ? undefined : us / MINUTE_US)),
  );
  expect(spans).toEqual([
    [1, 4, 9],
    [2, undefined, 3],
    [20, undefined, undefined],
    [25, 25, 30],
  ]);
});
