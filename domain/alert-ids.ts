import { fnv1a32 } from "./partition.ts";
import type { Tags } from "./reading.ts";
import { alertSubject } from "./subjects.ts";

/**
 * The ids of groups, alerts, incidents and alert changes: written and parsed only here. Logs, stores and receivers
 * keep them, so their format is fixed.
 */

/** Names a group. Equal labels give the same name in any order. */
export function keyName(labels: Tags): string {
  const names = Object.keys(labels);
  if (names.length > 1) names.sort();
  let name = "";
  for (const label of names) name += `${name === "" ? "" : "\u0000"}${label}\u0001${labels[label]}`;
  return name;
}

/** A group in an alert's subject and in an incident's id: 64 bits in hex. */
export function keyHash(labels: Tags): string {
  const name = keyName(labels);
  return fnv1a32(name).toString(16).padStart(8, "0") + fnv1a32(`${name}\u0002`).toString(16).padStart(8, "0");
}

/** `keyHash` with a memory of one group: the rules of a group follow one another. */
export class KeyHasher {
  #labels: Tags | undefined;
  #hash = "";

  of(labels: Tags): string {
    if (labels !== this.#labels) {
      this.#hash = keyHash(labels);
      this.#labels = labels;
    }
    return this.#hash;
  }
}

export interface IncidentParts {
  readonly rule: string;
  readonly keyHash: string;
  readonly activeAtUs: number;
}

const INCIDENT = /^(.+)-([0-9a-f]{16})-(-?[0-9a-z]+)$/;

/** `<rule>-<key hash>-<instant in base 36>`: cold-room-warm-0f3c6b1d9a24e870-hzs3k0gsn4. */
export function incidentId({ rule, keyHash: hash, activeAtUs }: IncidentParts): string {
  return `${rule}-${hash}-${activeAtUs.toString(36)}`;
}

/** Undefined when the text is not an incident's id. */
export function parseIncidentId(id: string): IncidentParts | undefined {
  const [, rule, hash, instant] = INCIDENT.exec(id) ?? [];
  if (rule === undefined || hash === undefined || instant === undefined) return undefined;
  return { rule, keyHash: hash, activeAtUs: Number.parseInt(instant, 36) };
}

/** Names the alert of a rule for a group, `<rule>.<key hash>`: the part after `alerts.` in its subject. */
export function alertName(rule: string, hash: string): string {
  return alertNameOf(alertSubject(rule, hash));
}

/** The alert that a subject below `alerts.` belongs to. */
export function alertNameOf(subject: string): string {
  return subject.slice(ALERTS_PREFIX.length);
}

const ALERTS_PREFIX = "alerts.";

/** The origin of an alert change: the task, the sequence of its log entry, and its index among that entry's changes. */
export interface AlertChangeParts {
  readonly task: number;
  readonly sequence: number;
  readonly index: number;
}

const CHANGE = /^(\d+)-(\d+)-(\d+)$/;

/** `<task>-<sequence>-<index>`: the same change has the same id in every replay. */
export function alertChangeId({ task, sequence, index }: AlertChangeParts): string {
  return `${task}-${sequence}-${index}`;
}

/** Undefined when the text is not an alert change's id. */
export function parseAlertChangeId(id: string): AlertChangeParts | undefined {
  const [, task, sequence, index] = CHANGE.exec(id) ?? [];
  return task === undefined ? undefined : { task: Number(task), sequence: Number(sequence), index: Number(index) };
}
