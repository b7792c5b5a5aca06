import type { DeliveryOutcome } from "../../contracts/notifications.ts";
import type { ChangeEntry } from "../common/change-entry.ts";
import type { DeliveryRecord, Flight } from "../common/lane-types.ts";
import { Lane } from "../delivery/lane.ts";
import { Inhibitions } from "../inhibition/inhibition.ts";
import { routeOf } from "../routing/router.ts";
import { type ChangeOptions, changeOf, configOf, hashOf, T0 } from "./test-kit.ts";

/** A lane with a clock that only the test moves. */
export class World {
  nowUs = T0;
  sequence = 0;
  silenced = false;
  acknowledged = false;
  readonly settled: string[] = [];
  readonly records = new Map<string, DeliveryRecord>();
  readonly entries: ChangeEntry[] = [];
  inhibitions: Inhibitions;
  lane: Lane;
  readonly #config: ReturnType<typeof configOf>;
  readonly #collapse: boolean;

  constructor(others: Readonly<Record<string, unknown>> = {}, collapse = true) {
    this.#config = configOf({ ops: [{ webhook: { url: "http://127.0.0.1:9/" } }] }, others);
    this.#collapse = collapse;
    this.inhibitions = this.#newInhibitions();
    this.lane = this.newLane(1);
  }

  #newInhibitions(): Inhibitions {
    const { inhibit_wait: waitUs, inhibit_after: afterUs, max_age: maxAgeUs } = this.#config;
    return new Inhibitions({ waitUs, afterUs, maxAgeUs });
  }

  newLane(cursor: number): Lane {
    return new Lane(
      {
        ...{ receiver: "ops.webhook", route: routeOf("ops", this.#config), collapse: this.#collapse, repeats: true },
        ...{ maxAgeUs: this.#config.max_age, waitingMax: 1_000 },
        isSilenced: () => this.silenced,
        inhibition: (entry, nowUs, overAtUs) => this.inhibitions.look(entry, nowUs, overAtUs),
        isAcknowledged: () => this.acknowledged,
        onSettled: (outcome: DeliveryOutcome, { change }: ChangeEntry) => this.settled.push(`${change.id} ${outcome}`),
      },
      cursor,
    );
  }

  write(options: ChangeOptions = {}): ChangeEntry {
    const change = changeOf({ atUs: this.nowUs, ...options });
    const alert = `${change.rule}.${hashOf(change.key.device ?? "")}`;
    const entry = { alert, sequence: ++this.sequence, storedAtUs: this.nowUs, source: "/weir", change };
    this.entries.push(entry);
    this.inhibitions.apply(entry, this.nowUs);
    this.inhibitions.seen(entry.sequence);
    return entry;
  }

  take(options: ChangeOptions = {}): void {
    this.lane.take(this.write(options));
  }

  next(): Flight | undefined {
    return this.lane.next(this.nowUs);
  }

  /** Sends all that is due; what each message held. */
  send(delivered = true): string[] {
    const sent: string[] = [];
    for (let flight = this.next(); flight !== undefined; flight = this.next()) {
      flight.attempts++;
      const states = flight.entries.map(({ change }) => `${change.key.device} ${change.state}`);
      sent.push(`${states.join(" + ")}${flight.repeat > 0 ? ` again ${flight.repeat}` : ""}`);
      this.lane.land(flight, delivered, this.nowUs);
    }
    return sent;
  }

  keep(): void {
    for (const { alert, record } of this.lane.takeRecords()) this.records.set(alert, structuredClone(record));
  }

  /** What a crash leaves is what was kept: a new lane begins from it. */
  restart(cursor: number, flights = this.lane.flightRecords()): Flight[] {
    this.lane = this.newLane(cursor);
    const newest = new Map(this.entries.map((entry) => [entry.alert, entry]));
    this.inhibitions = this.#newInhibitions();
    for (const entry of newest.values()) this.inhibitions.apply(entry, this.nowUs);
    this.inhibitions.seen(this.sequence);
    for (const [alert, record] of this.records) {
      const entry = newest.get(alert);
      this.lane.restore(alert, record, entry?.change.state === "firing" ? entry : undefined);
    }
    for (const entry of this.entries) if (entry.sequence >= cursor) this.lane.take(entry);
    return flights.flatMap((record) => {
      const found = this.lane.resume(record, (sequence) => this.entries.find((entry) => entry.sequence === sequence));
      return found.kind === "flying" ? [found.flight] : [];
    });
  }
}
