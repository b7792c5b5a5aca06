import type { IncidentExplanation } from "../explanations.ts";
import type { Acknowledgement, Delivery, OpenAlert, Silence } from "../notifications.ts";

// Complete answers for tests. A test names only the parts that it is about.

export function acknowledgement(about: Partial<Acknowledgement> = {}): Acknowledgement {
  return { incident: "i", by: "ann", note: "", atUs: 1, ...about };
}

export function silence(about: Partial<Silence> = {}): Silence {
  const matchers = { rule: ["a", "b*"], site: "x" };
  return { id: "s-1", matchers, fromUs: 1, untilUs: 2, by: "ann", why: "maintenance", createdAtUs: 1, ...about };
}

export function openAlert(about: Partial<OpenAlert> = {}): OpenAlert {
  return {
    incident: "i",
    rule: "cold-room-warm",
    severity: "warning",
    state: "firing",
    key: { device: "a" },
    labels: { site: "north" },
    annotations: {},
    value: 9.5,
    activeAtUs: 1,
    atUs: 1,
    silencedBy: [],
    inhibitedBy: [],
    ...about,
  };
}

export function delivery(about: Partial<Delivery> = {}): Delivery {
  return {
    receiver: "ops.webhook",
    incident: "i",
    change: "c",
    state: "firing",
    outcome: "delivered",
    attempts: 1,
    repeats: 0,
    notification: "n",
    atUs: 1,
    ...about,
  };
}

export function incidentExplanation(about: Partial<IncidentExplanation> = {}): IncidentExplanation {
  const severity = "warning";
  return { incident: "i", rule: "cold-room-warm", key: {}, severity, state: "firing", steps: [], notes: [], ...about };
}
