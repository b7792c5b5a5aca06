import type { LogMessage } from "../../platform/log/port.ts";
import type { NotifierEvents } from "../common/events.ts";
import { isEnd, readChange } from "../common/logged-change.ts";
import { OpenAlerts } from "../common/open-alerts.ts";
import { Inhibitions, type InhibitionTimes } from "../inhibition/inhibitions.ts";
import { Acknowledgements } from "../silences/acknowledgements.ts";
import { Silences } from "../silences/silences.ts";

export interface StateOptions {
  readonly inhibitionTimes: InhibitionTimes;
  readonly hasReceiver: (name: string) => boolean;
  readonly events: NotifierEvents;
}

/** The current state in the logs, for all targets: which alerts are open, silenced, acknowledged or inhibited. */
export class NotifierState {
  readonly openAlerts = new OpenAlerts();
  readonly silences = new Silences();
  readonly acknowledgements = new Acknowledgements();
  readonly inhibitions: Inhibitions;
  readonly #options: StateOptions;

  constructor(options: StateOptions) {
    this.#options = options;
    this.inhibitions = new Inhibitions(options.inhibitionTimes);
  }

  /** Applies a message of ALERTS. An unreadable message is counted and skipped. */
  applyAlert(message: LogMessage, nowUs: number): void {
    const { events } = this.#options;
    try {
      const logged = readChange(message);
      this.openAlerts.apply(logged);
      this.inhibitions.apply(logged, nowUs);
      if (isEnd(logged.change)) this.acknowledgements.forget(logged.alert);
      else this.#checkReceivers(logged.change);
    } catch (error) {
      events.messageUnreadable("ALERTS", message.sequence, error);
    } finally {
      this.inhibitions.seen(message.sequence);
    }
  }

  /** Applies a silence or an acknowledgement of NOTIFICATIONS. Other messages have no effect. */
  applyOrder(message: LogMessage, nowUs: number): void {
    const [, kind] = message.subject.split(".", 2);
    if (kind !== "silences" && kind !== "acknowledgements") return;
    try {
      const value = JSON.parse(new TextDecoder().decode(message.payload));
      if (kind === "silences") this.silences.apply(value, nowUs);
      else this.acknowledgements.apply(value);
    } catch (error) {
      this.#options.events.messageUnreadable("NOTIFICATIONS", message.sequence, error);
    }
  }

  #checkReceivers({ notify, rule }: { readonly notify: readonly string[]; readonly rule: string }): void {
    for (const name of notify) if (!this.#options.hasReceiver(name)) this.#options.events.receiverUnknown(name, rule);
  }
}
