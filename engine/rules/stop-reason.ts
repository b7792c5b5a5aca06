import { reasonOf } from "../../domain/reason.ts";

/** What the machine lacked may be there in the next attempt, so the rule is not at fault. */
const OF_THE_MACHINE = /allocation failed|call stack|out of memory/i;

/**
 * Why a rule is stopped for good. The same entry must stop it in each replay, so an error that depends on the machine
 * is thrown again: then the task starts again from its checkpoint.
 */
export function stopReason(error: unknown): string {
  const reason = reasonOf(error);
  if (OF_THE_MACHINE.test(reason)) throw error;
  return reason;
}
