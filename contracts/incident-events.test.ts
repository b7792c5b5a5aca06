import { expect, test } from "vitest";
import { incidentEventsIn, newestEvents } from "./incident-events.ts";
import type { Delivery } from "./notifications.ts";

const delivery: Delivery = {
  ...{ receiver: "ops.webhook", incident: "hot-1", change: "0-1-0", state: "firing", outcome: "delivered" },
  ...{ attempts: 1, repeats: 0, notification: "msg_1", atUs: 5 },
};

function message(subject: string, value: unknown) {
  return { subject, payload: new TextEncoder().encode(JSON.stringify(value)) };
}

test("an acknowledgement is one event", () => {
  const acknowledgement = { incident: "hot-1", by: "ann", note: "on my way", atUs: 7 };
  const logged = message("notifications.acknowledgements.hot.1", { ...acknowledgement, alert: "hot.1" });
  expect(incidentEventsIn(logged)).toEqual([
    { kind: "acknowledgement", id: "acknowledgement hot-1 7 ann", incident: "hot-1", atUs: 7, acknowledgement },
  ]);
});

test("a record has one event for each delivery", () => {
  const record = { settled: 3, deliveries: [delivery, { ...delivery, change: "0-2-0", state: "resolved", atUs: 9 }] };
  const events = incidentEventsIn(message("notifications.deliveries.ops.webhook.hot.1", record));
  expect(events.map(({ id, atUs }) => [id, atUs])).toEqual([
    ["delivery hot-1 ops.webhook 0-1-0", 5],
    ["delivery hot-1 ops.webhook 0-2-0", 9],
  ]);
});

test("a silence is none, and what cannot be read is an error", () => {
  expect(incidentEventsIn(message("notifications.silences.s-1", { id: "s-1" }))).toEqual([]);
  expect(() => incidentEventsIn(message("notifications.deliveries.ops.webhook.hot.1", {}))).toThrow("deliveries");
});

test("of the states of an event the newest counts, in any order", () => {
  const record = (own: Partial<Delivery>) =>
    incidentEventsIn(message("notifications.deliveries.a.b.c.d", { deliveries: [{ ...delivery, ...own }] }));
  const states = [...record({}), ...record({ repeats: 2, atUs: 90 }), ...record({ repeats: 1, atUs: 50 })];
  for (const order of [states, states.toReversed()]) {
    expect(newestEvents(order)).toEqual([expect.objectContaining({ atUs: 90, kind: "delivery" })]);
  }
});
