import { UserError } from "../domain/user-error.ts";
import { SecretError } from "../platform/files/secret-values.ts";
import type { NotifierConfig } from "./config.ts";
import { type ConfiguredTarget, configuredTarget, targetNames } from "./targets/kinds.ts";
import type { TargetContext } from "./targets/target-kind.ts";

/** Secrets that are missing or malformed, reported all at once. */
export class NotifierSecretsError extends UserError {
  override readonly name = "NotifierSecretsError";
}

/** One target of a receiver. */
export interface ReceiverTarget {
  /** `ops.webhook` */
  readonly name: string;
  readonly receiver: string;
  readonly targetName: string;
  readonly configured: ConfiguredTarget;
}

export function receiverTargets({ receivers }: Pick<NotifierConfig, "receivers">): ReceiverTarget[] {
  return Object.entries(receivers).flatMap(([receiver, list]) => {
    const targets = list.map(configuredTarget);
    const names = targetNames(targets);
    return targets.map((configured, i) => {
      const targetName = names[i] ?? "";
      return { name: `${receiver}.${targetName}`, receiver, targetName, configured };
    });
  });
}

/** Throws NotifierSecretsError. */
export function checkSecrets(targets: readonly ReceiverTarget[], context: Omit<TargetContext, "name">): void {
  const problems = targets.flatMap((target) => secretProblems(target, context));
  if (problems.length > 0) throw new NotifierSecretsError(problems.join("\n"));
}

/** The faults in a target's secrets: creating the target reads them all. */
export function secretProblems({ name, configured }: ReceiverTarget, context: Omit<TargetContext, "name">): string[] {
  return problemsIn(() => configured.create({ ...context, name }));
}

/** The message of a SecretError, if the action throws one. */
export function problemsIn(action: () => unknown): string[] {
  try {
    action();
    return [];
  } catch (error) {
    if (error instanceof SecretError) return [error.message];
    throw error;
  }
}
