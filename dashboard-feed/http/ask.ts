import { reasonOf } from "../../domain/reason.ts";
import { type Bus, NoAnswerError } from "../../platform/log/port.ts";
import { ApiError } from "./api-error.ts";

export interface Question {
  readonly subject: string;
  readonly question: unknown;
  /** For people: `the store`. */
  readonly who: string;
  /** Which service answers. */
  readonly service: string;
  /** Problems are `<code>-unavailable` and `<code>-failed`. */
  readonly code: string;
  readonly timeoutMs: number;
  /** The status when the answer is a refusal; 502 when left out. */
  readonly refusedStatus?: number;
}

/** Asks a service over the bus. Throws ApiError: 503 when nobody answers, else with the answerer's own words. */
export async function askService(bus: Bus, asked: Question): Promise<unknown> {
  const { subject, question, who, service, code, timeoutMs, refusedStatus = 502 } = asked;
  try {
    return await bus.request(subject, question, { timeoutMs });
  } catch (cause) {
    if (cause instanceof NoAnswerError) {
      const message = `${who} does not answer; is the ${service} service running?`;
      throw new ApiError({ status: 503, code: `${code}-unavailable`, message }, { cause });
    }
    const message = reasonOf(cause);
    throw new ApiError({ status: refusedStatus, code: `${code}-failed`, message }, { cause });
  }
}
