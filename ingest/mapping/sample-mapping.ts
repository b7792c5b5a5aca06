import { US_PER_MS } from "../../domain/time.ts";
import type { PayloadProblem, ReadSamples, Sample } from "../formats/format.ts";
import { shownName } from "../names/names.ts";
import { takeReading, type Walk } from "./fields.ts";
import type { Decoded, MappedMessage } from "./rules.ts";
import type { Scope } from "./scope.ts";
import type { SourcePlan } from "./source-plan.ts";
import { MissingName } from "./template.ts";
import { enterDevice } from "./tree-mapping.ts";

/** Makes readings of samples, which name their metrics themselves, by the templates of one source. */
export class SampleMapping {
  readonly #plan: SourcePlan;

  constructor(plan: SourcePlan) {
    this.#plan = plan;
  }

  read(message: MappedMessage, walk: Walk, read: ReadSamples): Decoded {
    const { when } = this.#plan;
    if (when !== undefined) {
      const { topic, captured, receivedAtUs } = message;
      const received = receivedAtUs / US_PER_MS;
      if (when.evaluate({ topic, captured, payload: null, item: null, index: 0, received }) !== true) return "not-mine";
    }
    let first: PayloadProblem | undefined;
    const problem = read(message, (sample) => {
      const found = this.#take(sample, message, walk);
      first ??= found;
    });
    return first ?? problem;
  }

  #take(sample: Sample, { captured }: MappedMessage, walk: Walk): PayloadProblem | undefined {
    const { metric, device, value, atUs, tags } = sample;
    const element = { ...tags, metric, ...(device === undefined ? {} : { device }) };
    const scope: Scope = { captured, keys: {}, chain: [element], position: undefined };
    const problem = enterDevice(this.#plan, scope, { walk, where: "", named: { device, tags } });
    if (problem !== undefined) return problem;
    const name = this.#plan.metric?.render(scope) ?? metric;
    if (name instanceof MissingName) {
      return {
        reason: "bad-payload",
        detail: `${shownName(metric)} has no ${shownName(name.name)}, which \`metric\` needs`,
      };
    }
    const { times } = walk.rules;
    return takeReading(name, value, { walk, where: "", atUs: times.isReceived ? undefined : atUs, nameOf: undefined });
  }
}
