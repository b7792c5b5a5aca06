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
  readonly incidentsMax: number;
  /** The newest changes of all incidents. From these, a client can resume without reading the log. */
  readonly changesMax: number;
  /** An open incident was evicted. */
  readonly onOverflow: () => void;
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
  /** Oldest first. The subject of a change names the rule and the group. */
  readonly #incidents = new Map<string, Incident>();
  readonly #ended = new Set<string>();
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
    if (isOpen(change)) this.#ended.delete(incident.id);
    else this.#ended.add(incident.id);
    this.#changes.push(entry);
    this.#trim();
  }

  #trim(): void {
    while (this.#incidents.size > this.#options.incidentsMax) {
      let [id] = this.#ended;
      if (id === undefined) {
        [id] = this.#incidents.keys();
        this.#options.onOverflow();
      }
      const incident = this.#incidents.get(id ?? "");
      if (incident === undefined) return;
      this.#incidents.delete(incident.id);
      this.#ended.delete(incident.id);
      if (this.#current.get(incident.subject)?.change.incident === incident.id) this.#current.delete(incident.subject);
    }
    const { changesMax } = this.#options;
    // In batches, because moving a long array for each change is slow.
    if (this.#changes.length > changesMax + Math.ceil(changesMax / 4)) {
      const gone = this.#changes.splice(0, this.#changes.length - changesMax);
      this.#options.progress.forget(gone.at(-1)?.position ?? 0);
    }
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
