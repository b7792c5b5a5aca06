import { expect, it } from "vitest";
import { type IncidentEvent, incidentEventsIn } from "../../contracts/incident-events.ts";
import { acknowledgement, delivery } from "../../contracts/testing/samples.ts";
import { incidentId, keyHash } from "../../domain/alert-ids.ts";
import type { StoreHistory } from "../common/store.ts";
import { at, T0 } from "./batches.ts";
import type { Given } from "./given.ts";

const SECOND = 1_000_000;

/** How every store with a history keeps who acknowledged incidents and who was notified; part of the store contract. */
export function describeIncidentEventsContract(given: Given & { history(): StoreHistory }): void {
  const eventsOf = (...incidents: string[]) => given.history().incidentEvents({ incidents });

  it("keeps each acknowledgement and delivery of an incident once, in its newest state", async () => {
    const incident = incidentOf("event's \\ rule", "a");
    const [ack] = acknowledged(incident, T0 + 3 * SECOND, { by: "Änn 'x'", note: 'on "my" way\nnow' });
    const [first] = delivered(incident, T0 + SECOND, { repeats: 0 });
    const [again] = delivered(incident, T0 + 9 * SECOND, { repeats: 2, attempts: 3 });
    const [end] = delivered(incident, T0 + 20 * SECOND, { change: "0-2-0", state: "resolved", outcome: "failed" });
    // Records repeat earlier events, and a replay repeats everything.
    await given.writeEvents([again, ack]);
    await given.writeEvents([first, again, end]);
    await given.writeEvents([first, ack, first]);
    expect(await eventsOf(incident)).toEqual([ack, again, end]);
    const before = await given.writer().position("NOTIFICATIONS");
    expect(before).toEqual(at(given.sequence()));
    await given.reopen();
    expect(await given.writer().position("NOTIFICATIONS")).toEqual(before);
    expect(await eventsOf(incident)).toEqual([ack, again, end]);
  });

  it("answers for many incidents at once, also when everything happened in one instant", async () => {
    const incidents = Array.from({ length: 300 }, (_, i) => incidentOf("storm", `sensor-${i}`));
    const events = incidents.flatMap((incident) => [
      ...acknowledged(incident, T0, {}),
      ...delivered(incident, T0, {}),
      ...delivered(incident, T0, { receiver: "ops.email" }),
      ...delivered(incident, T0, { change: "0-2-0", state: "resolved" }),
    ]);
    await given.writeEvents(events);
    const ids = (list: readonly IncidentEvent[]) => list.map(({ id }) => id).sort();
    expect(ids(await eventsOf(...incidents))).toEqual(ids(events));
    const some = incidents.slice(7, 9);
    expect(ids(await eventsOf(...some, "unknown"))).toEqual(
      ids(events.filter(({ incident }) => some.includes(incident))),
    );
    expect(await eventsOf("unknown")).toEqual([]);
  });

  it("moves its position past messages without events", async () => {
    await given.writeEvents([]);
    expect(await given.writer().position("NOTIFICATIONS")).toEqual(at(given.sequence()));
  });
}

function incidentOf(rule: string, device: string): string {
  return incidentId({ rule, keyHash: keyHash({ device }), activeAtUs: T0 });
}

type Events = readonly [IncidentEvent];

function acknowledged(incident: string, atUs: number, about: Parameters<typeof acknowledgement>[0]): Events {
  const logged = { ...acknowledgement({ incident, atUs, ...about }), alert: "x" };
  return onlyOf("notifications.acknowledgements.x.y", logged);
}

function delivered(incident: string, atUs: number, about: Parameters<typeof delivery>[0]): Events {
  const record = { settled: 1, deliveries: [delivery({ incident, change: "0-1-0", atUs, ...about })] };
  return onlyOf("notifications.deliveries.ops.webhook.x.y", record);
}

function onlyOf(subject: string, value: unknown): Events {
  const [event] = incidentEventsIn({ subject, payload: new TextEncoder().encode(JSON.stringify(value)) });
  if (event === undefined) throw new Error(`no event in ${subject}`);
  return [event];
}
