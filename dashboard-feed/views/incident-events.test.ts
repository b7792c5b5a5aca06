import { expect, test } from "vitest";
import type { Delivery } from "../../contracts/notifications.ts";
import { IncidentEvents } from "./incident-events.ts";

let sequence = 0;

function message(subject: string, value: unknown) {
  const payload = new TextEncoder().encode(JSON.stringify(value));
  return { subject, payload, sequence: ++sequence, storedAtUs: 0 };
}

function acknowledged(incident: string, by: string, atUs: number) {
  return message("notifications.acknowledgements.hot.1", { incident, by, note: "", atUs, alert: "hot.1" });
}

function delivered(incident: string, about: Partial<Delivery>) {
  const delivery: Delivery = {
    ...{ receiver: "ops.webhook", incident, change: "0-1-0", state: "firing", outcome: "delivered" },
    ...{ attempts: 1, repeats: 0, atUs: 5 },
    ...about,
  };
  return message("notifications.deliveries.ops.webhook.hot.1", { settled: 1, deliveries: [delivery] });
}

function makeEvents(known: ReadonlySet<string>): IncidentEvents {
  return new IncidentEvents({ isKnown: (incident) => known.has(incident), unknownMax: 2 });
}

test("keeps each event once, in its newest state, whatever the order", () => {
  const events = makeEvents(new Set(["hot-1"]));
  events.apply(delivered("hot-1", { repeats: 3, atUs: 90 }));
  events.apply(acknowledged("hot-1", "bob", 70));
  events.apply(delivered("hot-1", {}));
  events.apply(acknowledged("hot-1", "ann", 60));
  events.apply(acknowledged("hot-1", "ann", 60));
  expect(events.of("hot-1").map(({ kind, atUs }) => [kind, atUs])).toEqual([
    ["acknowledgement", 60],
    ["acknowledgement", 70],
    ["delivery", 90],
  ]);
  expect(events.acknowledgement("hot-1")).toEqual({ incident: "hot-1", by: "bob", note: "", atUs: 70 });
});

test("keeps those of known incidents until they are forgotten, and a few of others", () => {
  const known = new Set<string>();
  const events = makeEvents(known);
  events.apply(acknowledged("hot-1", "ann", 1));
  known.add("hot-1");
  for (const other of ["hot-2", "hot-3", "hot-4"]) events.apply(acknowledged(other, "ann", 1));
  expect(["hot-1", "hot-2", "hot-3", "hot-4"].map((incident) => events.of(incident).length)).toEqual([1, 0, 1, 1]);
  events.forget("hot-1");
  expect(events.of("hot-1")).toEqual([]);
});

test("an incident has a bounded number of events", () => {
  const events = makeEvents(new Set(["hot-1"]));
  for (let atUs = 1; atUs <= 300; atUs++) events.apply(acknowledged("hot-1", "ann", atUs));
  expect(events.of("hot-1")).toHaveLength(256);
  expect(events.acknowledgement("hot-1")?.atUs).toBe(300);
});
