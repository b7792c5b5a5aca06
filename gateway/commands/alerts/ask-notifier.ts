import type { Command } from "commander";
import { ALERTS_LIST, type Matchers, type OpenAlert, type OpenAlertsQuery } from "../../../contracts/notifications.ts";
import type { Question } from "../../../contracts/question.ts";
import { UsageError } from "../common/failures.ts";
import { askService, reachingGateway, withFormat } from "../common/running-gateway.ts";

const ALERTS_PER_PAGE = 1_000;

export type Flags = Readonly<Record<string, string | undefined>>;

/** Adds the flags that locate the gateway, and `--format`. */
export function asking(command: Command): Command {
  return withFormat(reachingGateway(command));
}

/** Asks the notifier of a running gateway. Throws UsageError when it cannot be reached, or refuses. */
export function askNotifier<Ask, Asked, Answer>(
  { dataDir, config, natsUrl, natsToken }: Flags,
  question: Question<Ask, Asked, Answer>,
  value: Ask,
): Promise<Answer> {
  const reach = {
    ...(dataDir === undefined ? {} : { dataDir }),
    ...(config === undefined ? {} : { config }),
    ...(natsUrl === undefined ? {} : { natsUrl }),
    ...(natsToken === undefined ? {} : { natsToken }),
  };
  return askService(reach, { service: "notifier", question, value });
}

/** All open alerts with these labels, longest open first. */
export async function openAlerts(flags: Flags, matchers: Matchers = {}): Promise<readonly OpenAlert[]> {
  const all: OpenAlert[] = [];
  let query: OpenAlertsQuery = { matchers, limit: ALERTS_PER_PAGE };
  for (;;) {
    const page = await askNotifier(flags, ALERTS_LIST, query);
    all.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < ALERTS_PER_PAGE) return all;
    const { activeAtUs, incident } = last;
    query = { ...query, after: { activeAtUs, incident } };
  }
}

/** Prints the lines, or JSON if the flags ask for it. */
export function show<T>(items: readonly T[], flags: Flags, lines: (items: readonly T[]) => string[]): void {
  const text = flags.format === "json" ? JSON.stringify(items, undefined, 2) : lines(items).join("\n");
  process.stdout.write(`${text}\n`);
}

/** `device=cold-*` and `site=north,south` as matchers. Throws UsageError. */
export function parseMatchers(pairs: readonly string[]): Matchers {
  const matchers: Record<string, string | string[]> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const value = pair.slice(at + 1);
    if (at < 1 || value === "")
      throw new UsageError(`"${pair}" is not label=value; write for example device=cold-1 or rule="cold-*"`);
    const name = pair.slice(0, at);
    if (Object.hasOwn(matchers, name)) throw new UsageError(`${name} is given twice; write ${name}=a,b for either`);
    const values = value.split(",").filter((part) => part !== "");
    matchers[name] = values.length === 1 && values[0] !== undefined ? values[0] : values;
  }
  return matchers;
}
