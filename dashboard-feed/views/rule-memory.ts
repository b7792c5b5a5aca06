import { z } from "zod";
import type { Records } from "../../platform/log/port.ts";
import type { RuleSet } from "./readings-view.ts";

const RECORD = "feed-rule-set";

const ruleSetSchema = z.object({ version: z.string(), rulesJson: z.string(), sequence: z.int() });

/**
 * Rules change rarely, so their entry may be further back in the log than a feed reads at its start. A record
 * therefore also holds the newest rule set.
 */
export class RuleMemory {
  readonly #records: Records;
  readonly #onFailed: (error: unknown) => void;
  #newest: RuleSet | undefined;
  #saving: Promise<void> | undefined;

  constructor(options: { readonly records: Records; readonly onFailed: (error: unknown) => void }) {
    this.#records = options.records;
    this.#onFailed = options.onFailed;
  }

  /** Undefined if there is none or it cannot be read. The feed only shows the rules, so it works without them. */
  async recall(): Promise<RuleSet | undefined> {
    try {
      return (await this.#read())?.ruleSet;
    } catch (error) {
      this.#onFailed(error);
      return undefined;
    }
  }

  keep(ruleSet: RuleSet): void {
    this.#newest = ruleSet;
    this.#saving ??= this.#save()
      .catch(this.#onFailed)
      .finally(() => {
        this.#saving = undefined;
        if (this.#newest !== undefined) this.keep(this.#newest);
      });
  }

  async #save(): Promise<void> {
    const ruleSet = this.#newest;
    this.#newest = undefined;
    if (ruleSet === undefined) return;
    const known = await this.#read();
    if (known?.ruleSet !== undefined && known.ruleSet.sequence >= ruleSet.sequence) return;
    // Another feed that is ahead stores the same rules.
    await this.#records.set(RECORD, new TextEncoder().encode(JSON.stringify(ruleSet)), known?.revision ?? 0);
  }

  async #read(): Promise<{ readonly ruleSet: RuleSet | undefined; readonly revision: number } | undefined> {
    const record = await this.#records.get(RECORD);
    if (record === undefined) return undefined;
    const parsed = ruleSetSchema.safeParse(JSON.parse(new TextDecoder().decode(record.value)));
    return { ruleSet: parsed.success ? parsed.data : undefined, revision: record.revision };
  }
}
