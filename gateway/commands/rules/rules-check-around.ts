import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { reasonOf } from "../../../domain/reason.ts";
import { formatProblems, parseYaml } from "../../../platform/files/yaml-file.ts";
import { type ReadRules, readRules } from "../../../rule-language/files/load-rules.ts";
import type { PlacedRule } from "../../../rule-language/files/read-rule-file.ts";
import type { Surroundings } from "../../../rule-language/lint/warnings-between.ts";
import { UsageError } from "../common/failures.ts";

/** Only the receivers: other commands check the rest of the file. */
const receiversSchema = z.looseObject({
  notifier: z.looseObject({ receivers: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});

/** The targets of the rules' references: receivers, and rules beside single files. Throws UsageError. */
export async function surroundingsOf(
  read: ReadRules,
  paths: readonly string[],
  config?: string,
): Promise<Surroundings> {
  return { receivers: receiversOf(config), others: await rulesBeside(read, paths) };
}

/** The names of the receivers in the file that `weir up` uses; undefined without a file. Throws UsageError. */
function receiversOf(config: string | undefined): string[] | undefined {
  const file = config || (existsSync("weir.yaml") ? "weir.yaml" : undefined);
  if (file === undefined) return undefined;
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${reasonOf(error)}`);
  }
  const parsed = parseYaml(source, file, receiversSchema.nullish());
  if (!parsed.ok) throw new UsageError(formatProblems(parsed.problems));
  return Object.keys(parsed.value?.notifier?.receivers ?? {});
}

/** A single checked file may refer to rules of its folder. */
async function rulesBeside(read: ReadRules, paths: readonly string[]): Promise<PlacedRule[]> {
  const asks = read.files.some(({ rules }) => rules.some(({ spec }) => (spec?.inhibited_by.length ?? 0) > 0));
  if (!asks) return [];
  const checked = new Set(read.files.map(({ file }) => resolve(file)));
  const single = paths.filter((path) => checked.has(resolve(path)));
  const folders = await Promise.all([...new Set(single.map((path) => dirname(path)))].map((path) => readRules(path)));
  const beside = folders.flatMap(({ files }) => files).filter(({ file }) => !checked.has(resolve(file)));
  return beside.flatMap(({ rules }) => rules);
}
