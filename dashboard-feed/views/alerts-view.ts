import { alertEventSchema } from "../../contracts/feed/items.ts";
import type { AlertChange } from "../../domain/alert.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import { type Position, positionOf } from "../common/cursor.ts";
import { type CompiledFilter, tagOf } from "../common/filter.ts";
import type { Progress } from "./progress.ts";

/** An incident keeps at most this many of its newest changes; pending, firing and resolved are three. */
const CHANGES_PER_INCIDENT_MAX = 32;

export interface AlertEntry {
  readonly position: Position;
  readonly subject: string;
  readonly change: AlertChange;
  readonly text: string;
}

export interface AlertsViewOptions {
  readonly progress: Progress;
  /** Incidents that have ended. */
  readonly endedMax: number;
  /** Open incidents. A bound for memory only: an open incident that is evicted is missing on the page. */
  readonly openMax: number;
  /** The newest changes of all incidents. From these, a client can resume without reading the log. */
  readonly changesMax: number;
  readonly onOpenEvicted: () => void;
  /** An incident is no longer kept. */
  readonly onForgotten?: (incident: string) => void;
}

interface Incident {
  readonly id: string;
  readonly subject: string;
  readonly entries: AlertEntry[];
}

/** Throws when the message is not an alert event. */
export function readAlert(message: LogMessage): AlertEntry {
  const { data } = alertEventSchema.parse(JSON.parse(new TextDecoder().decode(message.payload)));
  return {
    position: positionOf(message.sequence, 0),
    subject: message.subject,
    change: data,
    text: JSON.stringify(data),
  };
}

/** The incidents with their changes, and the newest changes of all incidents in log order. */
export class AlertsView {
  readonly #options: AlertsViewOptions;
  /** In log order, complete after `floor`. */
  readonly #changes: AlertEntry[] = [];
  readonly #incidents = new Map<string, Incident>();
  /** The ids of the open incidents, oldest first, and of the others, longest ended first. */
  readonly #open = new Set<string>();
  readonly #ended = new Set<string>();
  /** By subject, which names the rule and the group. */
  readonly #current = new Map<string, AlertEntry>();

  constructor(options: AlertsViewOptions) {
    this.#options = options;
  }

  get head(): Position {
    return this.#options.progress.head;
  }

  get floor(): Position {
    return this.#options.progress.floor;
  }

  get loaded(): boolean {
    return this.#options.progress.loaded;
  }

  /** Skips a change that was already applied. Throws when the message is not an alert event. */
  apply(message: LogMessage): void {
    const entry = readAlert(message);
    const { change, subject } = entry;
    let incident = this.#incidents.get(change.incident);
    if (incident?.entries.some((earlier) => earlier.change.id === change.id)) return;
    if (incident === undefined) {
      incident = { id: change.incident, subject, entries: [] };
      this.#incidents.set(incident.id, incident);
    }
    incident.entries.push(entry);
    if (incident.entries.length > CHANGES_PER_INCIDENT_MAX) incident.entries.shift();
    this.#current.set(subject, entry);
    const [into, from] = isOpen(change) ? [this.#open, this.#ended] : [this.#ended, this.#open];
    from.delete(incident.id);
    into.add(incident.id);
    this.#changes.push(entry);
    this.#trim();
  }

  #trim(): void {
    const { changesMax, endedMax, openMax, onOpenEvicted } = this.#options;
    while (this.#ended.size > endedMax) this.#forget(this.#ended);
    while (this.#open.size > openMax) {
      this.#forget(this.#open);
      onOpenEvicted();
    }
    // In batches, because moving a long array for each change is slow.
    if (this.#changes.length > changesMax + Math.ceil(changesMax / 4)) {
      const gone = this.#changes.splice(0, this.#changes.length - changesMax);
      this.#options.progress.forget(gone.at(-1)?.position ?? 0);
    }
  }

  /** Forgets the first of these incidents. */
  #forget(ids: Set<string>): void {
    const [id = ""] = ids;
    ids.delete(id);
    const incident = this.#incidents.get(id);
    if (incident === undefined) return;
    this.#incidents.delete(id);
    if (this.#current.get(incident.subject)?.change.incident === id) this.#current.delete(incident.subject);
    this.#options.onForgotten?.(id);
  }

  has(incident: string): boolean {
    return this.#incidents.has(incident);
  }

  /** The kept changes of an incident, in log order. */
  changesOf(incident: string): AlertChange[] {
    return this.#incidents.get(incident)?.entries.map(({ change }) => change) ?? [];
  }

  /** The last change of each incident that has ended, the one that ended last first. */
  ended(): AlertEntry[] {
    return [...this.#ended]
      .flatMap((id) => this.#incidents.get(id)?.entries.at(-1) ?? [])
      .sort((a, b) => b.position - a.position);
  }

  /** The kept changes of the kept incidents, in log order. The last change of a rule and group is its state. */
  snapshot(): AlertEntry[] {
    const entries = [...this.#incidents.values()].flatMap((incident) => incident.entries);
    return entries.sort((a, b) => a.position - b.position);
  }

  /** The changes after a position, in log order; at most `limit`. Complete if the position is at or after `floor`. */
  after(position: Position, limit: number): AlertEntry[] {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle]?.position ?? 0) > position) high = middle;
      else low = middle + 1;
    }
    return this.#changes.slice(low, low + limit);
  }

  /** The state of each rule and group that is pending or firing, newest change first. */
  open(): AlertEntry[] {
    const open = [...this.#current.values()].filter(({ change }) => isOpen(change));
    return open.sort((a, b) => b.position - a.position);
  }
}

export function alertMatches(filter: CompiledFilter, { rule, severity, key, labels }: AlertChange): boolean {
  return filter.matches((name) => {
    if (name === "rule") return rule;
    if (name === "severity") return severity;
    return tagOf(key, name) || tagOf(labels, name);
  });
}

function isOpen(change: AlertChange): boolean {
  return change.state === "pending" || change.state === "firing";
}
