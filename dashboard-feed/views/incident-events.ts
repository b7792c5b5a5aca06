import { type IncidentEvent, incidentEventsIn, isNewer } from "../../contracts/incident-events.ts";
import type { Acknowledgement } from "../../contracts/notifications.ts";
import type { LogMessage } from "../../platform/log/port.ts";

/** An incident has a few deliveries to each target, and rarely more than one acknowledgement. */
const EVENTS_PER_INCIDENT_MAX = 256;

export interface IncidentEventsOptions {
  readonly isKnown: (incident: string) => boolean;
  /** The log may give an event before its incident, so this many others are kept. */
  readonly unknownMax: number;
}

/** The acknowledgements and deliveries of incidents, for as long as the feed keeps these. */
export class IncidentEvents {
  readonly #options: IncidentEventsOptions;
  readonly #byIncident = new Map<string, Map<string, IncidentEvent>>();
  readonly #unknown = new Set<string>();

  constructor(options: IncidentEventsOptions) {
    this.#options = options;
  }

  /** Applies a message of NOTIFICATIONS. Applying it again has no effect. Throws when it cannot be read. */
  apply(message: LogMessage): void {
    for (const event of incidentEventsIn(message)) this.#add(event);
    this.#trim();
  }

  /** Oldest first. */
  of(incident: string): IncidentEvent[] {
    return [...(this.#byIncident.get(incident)?.values() ?? [])].sort((a, b) => a.atUs - b.atUs);
  }

  /** The newest one. */
  acknowledgement(incident: string): Acknowledgement | undefined {
    return acknowledgementIn(this.of(incident));
  }

  #add(event: IncidentEvent): void {
    const events = this.#byIncident.get(event.incident) ?? new Map<string, IncidentEvent>();
    const known = events.get(event.id);
    if (known !== undefined && !isNewer(event, known)) return;
    events.delete(event.id);
    events.set(event.id, event);
    const [oldest] = events.keys();
    if (events.size > EVENTS_PER_INCIDENT_MAX && oldest !== undefined) events.delete(oldest);
    this.#byIncident.set(event.incident, events);
    this.#unknown.delete(event.incident);
    if (!this.#options.isKnown(event.incident)) this.#unknown.add(event.incident);
  }

  /** Call when the feed no longer keeps the incident. */
  forget(incident: string): void {
    this.#byIncident.delete(incident);
    this.#unknown.delete(incident);
  }

  /** Forgets the events of incidents that the feed does not know, those without news for longest. */
  #trim(): void {
    const { unknownMax, isKnown } = this.#options;
    while (this.#unknown.size > unknownMax) {
      const [incident = ""] = this.#unknown;
      this.#unknown.delete(incident);
      if (!isKnown(incident)) this.#byIncident.delete(incident);
    }
  }
}

/** The newest acknowledgement among events, oldest first. */
export function acknowledgementIn(events: readonly IncidentEvent[]): Acknowledgement | undefined {
  const last = events.findLast(({ kind }) => kind === "acknowledgement");
  return last?.kind === "acknowledgement" ? last.acknowledgement : undefined;
}
