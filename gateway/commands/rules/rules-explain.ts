import type { Command } from "commander";
import {
  EXPLAIN_INCIDENT,
  EXPLAIN_WHY_NOT,
  type IncidentQuestion,
  type WhyNotQuestion,
} from "../../../contracts/explanations.ts";
import type { Question } from "../../../contracts/question.ts";
import { INSTANT_US_MAX, parseDurationUs, US_PER_MS } from "../../../domain/time.ts";
import { systemClock } from "../../../platform/clock.ts";
import { NoAnswerError } from "../../../platform/log/port.ts";
import { incidentText, whyNotText } from "../../../rule-tools/explain/explanation-text.ts";
import { UsageError } from "../common/failures.ts";
import { type ReachFlags, reachingGateway, withFormat, withLog } from "../common/running-gateway.ts";

const ANSWER_MS_MAX = 10_000;

interface Flags extends ReachFlags {
  readonly whyNot?: string;
  readonly at?: string;
  readonly format?: string;
}

/** `weir rules explain <incident>` and `weir rules explain --why-not <rule> label=value...`. */
export function addRulesExplainCommand(rules: Command): void {
  withFormat(reachingGateway(rules.command("explain")))
    .description("explain an incident reading by reading, or why a rule does not fire")
    .argument("[incident-or-labels...]", "an incident (weir alerts list shows them), or with --why-not label=value...")
    .option("--why-not <rule>", "explain which part of this rule's condition does not hold")
    .option("--at <time>", "with --why-not: at this time, ISO 8601 or a time ago such as 10m (default: now)")
    .action(async (words: readonly string[], flags: Flags) => {
      if (flags.whyNot !== undefined) {
        const question: WhyNotQuestion = {
          rule: flags.whyNot,
          labels: labelsOf(words),
          ...(flags.at === undefined ? {} : { atUs: instantOf(flags.at) }),
        };
        const answer = await ask(flags, EXPLAIN_WHY_NOT, question);
        process.stdout.write(
          flags.format === "json" ? `${JSON.stringify(answer, undefined, 2)}\n` : whyNotText(answer),
        );
        return;
      }
      const [incident] = words;
      if (incident === undefined || words.length > 1) {
        throw new UsageError("give one incident (weir alerts list shows them), or --why-not <rule> label=value...");
      }
      const question: IncidentQuestion = { incident };
      const explanation = await ask(flags, EXPLAIN_INCIDENT, question);
      process.stdout.write(
        flags.format === "json" ? `${JSON.stringify(explanation, undefined, 2)}\n` : incidentText(explanation),
      );
    });
}

async function ask<Ask, Asked, Answer>(
  flags: Flags,
  question: Question<Ask, Asked, Answer>,
  value: Ask,
): Promise<Answer> {
  return withLog(flags, async ({ bus }) => {
    try {
      return await bus.request(question, value, { timeoutMs: ANSWER_MS_MAX });
    } catch (error) {
      if (error instanceof NoAnswerError)
        throw new UsageError("no processor answers: are the processors running? (weir run processors)");
      throw error instanceof Error ? new UsageError(error.message) : error;
    }
  });
}

function labelsOf(words: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf("=");
    if (at < 1 || at === word.length - 1)
      throw new UsageError(`"${word}" is not label=value; write for example device=cold-1`);
    labels[word.slice(0, at)] = word.slice(at + 1);
  }
  return labels;
}

function instantOf(text: string): number {
  const agoUs = parseDurationUs(text);
  if (agoUs !== undefined) return systemClock.nowUs() - agoUs;
  const atUs = Date.parse(text) * US_PER_MS;
  if (Number.isNaN(atUs) || Math.abs(atUs) > INSTANT_US_MAX) {
    throw new UsageError(
      `--at ${text} is not a time; write for example 2026-11-22T08:00:00Z, or 10m for ten minutes ago`,
    );
  }
  return atUs;
}
