import { isEnd, type LoggedChange } from "./logged-change.ts";

/** The newest change of every alert that is pending or firing. */
export class OpenAlerts {
  readonly #byAlert = new Map<string, LoggedChange>();

  apply(logged: LoggedChange): void {
    if (isEnd(logged.change)) this.#byAlert.delete(logged.alert);
    else this.#byAlert.set(logged.alert, logged);
  }

  alert(name: string): LoggedChange | undefined {
    return this.#byAlert.get(name);
  }

  incident(id: string): LoggedChange | undefined {
    return this.changes().find(({ change }) => change.incident === id);
  }

  changes(): LoggedChange[] {
    return [...this.#byAlert.values()];
  }

  /** The firing alerts, in the order in which they began. */
  firing(): LoggedChange[] {
    return this.changes()
      .filter(({ change }) => change.state === "firing")
      .sort((a, b) => a.sequence - b.sequence);
  }
}
