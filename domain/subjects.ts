/** The subjects of the log. A stream holds all subjects below its first word. */
const PIPELINE_STREAMS = [
  "READINGS",
  "GROUPS",
  "WINDOWS",
  "ALERTS",
  "DEADLETTERS",
  "NOTIFICATIONS",
  "BRIDGES",
] as const;
/** Private to the broker: what outlives an MQTT connection. */
export const MQTT_STREAMS = ["MQTT_SESSIONS", "MQTT_PROGRESS", "MQTT_QUEUE", "MQTT_RETAINED"] as const;
export const STREAMS = [...PIPELINE_STREAMS, ...MQTT_STREAMS] as const;
export type MqttStreamName = (typeof MQTT_STREAMS)[number];
export type StreamName = (typeof STREAMS)[number];

export function readingsSubject(partition: number): string {
  return `readings.${partition}`;
}

/** Readings of one partition that rules over several devices need, for one share of the groups. */
export function groupsSubject(share: number, partition: number): string {
  return `groups.${share}.${partition}`;
}

/** Rule sets and ticks for one share of the groups. */
export function groupsControlSubject(share: number): string {
  return `groups.${share}.control`;
}

/** `task`: a partition, or P + a share of the groups. */
export function windowsSubject(task: number): string {
  return `windows.${task}`;
}

export function alertSubject(rule: string, keyHash: string): string {
  return `alerts.${subjectToken(rule)}.${keyHash}`;
}

export function deadLetterSubject(reason: string): string {
  return `deadletters.${subjectToken(reason)}`;
}

/** All dead letters of any reason, without their retries. */
export const DEAD_LETTER_SUBJECTS = "deadletters.*";

/** The outcome of a retry of the dead letter with this sequence. It is stored after its letter, so it outlives it. */
export function deadLetterRetrySubject(sequence: number): string {
  return `deadletters.retried.${sequence}`;
}

/** The orders by which dead letters were deleted. */
export const DEAD_LETTER_DISMISSALS = "deadletters.dismissed.orders";

/**
 * The outcome of an alert's changes at a receiver's target; `alert` is the part after `alerts.` in the alert's own
 * subject.
 */
export function deliverySubject(place: {
  readonly receiver: string;
  readonly target: string;
  readonly alert: string;
}): string {
  return `notifications.deliveries.${subjectToken(place.receiver)}.${subjectToken(place.target)}.${place.alert}`;
}

export function silenceSubject(id: string): string {
  return `notifications.silences.${subjectToken(id)}`;
}

export function acknowledgementSubject(alert: string): string {
  return `notifications.acknowledgements.${alert}`;
}

/** The record of an MQTT session, by the token of its client id. */
export function mqttSessionSubject(client: string): string {
  return `mqtt_sessions.${client}`;
}

export function mqttProgressSubject(client: string): string {
  return `mqtt_progress.${client}`;
}

/** What waits for a session; a client that starts clean gets another `incarnation`. */
export function mqttQueueSubject(client: string, incarnation: number): string {
  return `mqtt_queue.${client}.${incarnation}`;
}

export function mqttRetainedSubject(topic: string): string {
  return `mqtt_retained.${topic}`;
}

/** What waits to go out by a bridge. */
export function bridgeSubject(bridge: string): string {
  return `bridges.${subjectToken(bridge)}`;
}

/** The partition number at the end of `readings.<p>` or `windows.<p>`. */
export function partitionOfSubject(subject: string): number {
  return Number(subject.slice(subject.indexOf(".") + 1));
}

/** Escapes characters that are special to NATS (`.`, `*`, `>`, white space, control characters) as %XX. */
export function subjectToken(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/g, (char) => {
    let escaped = "";
    for (const byte of new TextEncoder().encode(char)) escaped += `%${byte.toString(16).padStart(2, "0")}`;
    return escaped;
  });
}
