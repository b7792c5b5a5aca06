import type { Acknowledgement } from "../../contracts/notifications.ts";

/** An acknowledgement as the log stores it: the newest one of its alert. */
export interface LoggedAcknowledgement extends Acknowledgement {
  readonly alert: string;
}

/** Who handles each open incident. */
export class Acknowledgements {
  readonly #byAlert = new Map<string, LoggedAcknowledgement>();

  apply(acknowledgement: LoggedAcknowledgement): void {
    this.#byAlert.set(acknowledgement.alert, acknowledgement);
  }

  /** Removes the acknowledgement of an ended incident. */
  forget(alert: string): void {
    this.#byAlert.delete(alert);
  }

  get(alert: string, incident: string): Acknowledgement | undefined {
    const found = this.#byAlert.get(alert);
    if (found?.incident !== incident) return undefined;
    const { alert: _, ...acknowledgement } = found;
    return acknowledgement;
  }
}
