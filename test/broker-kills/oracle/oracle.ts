import { Deliveries } from "./deliveries.ts";
import { Differences } from "./differences.ts";
import { RetainedValues } from "./retained-values.ts";
import { Wills } from "./wills.ts";

/** Everything that the clients see, and what of it is wrong. Shares no code with the broker. */
export class Oracle {
  readonly differences: Differences;
  readonly deliveries: Deliveries;
  readonly retained: RetainedValues;
  readonly wills: Wills;

  constructor(context?: () => string) {
    this.differences = new Differences(context);
    this.deliveries = new Deliveries(this.differences);
    this.retained = new RetainedValues(this.differences);
    this.wills = new Wills(this.differences);
  }

  /** What must come and has not come yet. */
  missing(): number {
    return this.deliveries.missing() + this.wills.missing().length;
  }

  /** At the end, when everything had the time to come. */
  finish(): string[] {
    this.deliveries.finish();
    this.wills.finish();
    return this.differences.list();
  }
}
