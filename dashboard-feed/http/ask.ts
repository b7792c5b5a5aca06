import type { Question } from "../../contracts/question.ts";
import { reasonOf } from "../../domain/reason.ts";
import { BadAnswerError, type Bus, NoAnswerError } from "../../platform/log/port.ts";
import { ApiError } from "./api-error.ts";

/** Whom a question goes to, for the words and codes of its problems. */
export interface Asked {
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
export async function askService<Ask, AskedWith, Answer>(
  bus: Bus,
  question: Question<Ask, AskedWith, Answer>,
  ask: Ask,
  { who, service, code, timeoutMs, refusedStatus = 502 }: Asked,
): Promise<Answer> {
  try {
    return await bus.request(question, ask, { timeoutMs });
  } catch (cause) {
    if (cause instanceof NoAnswerError) {
      const message = `${who} does not answer; is the ${service} service running?`;
      throw new ApiError({ status: 503, code: `${code}-unavailable`, message }, { cause });
    }
    if (cause instanceof BadAnswerError) {
      const message = `${who} answered with something else: ${cause.message}`;
      throw new ApiError({ status: 502, code: "bad-answer", message }, { cause });
    }
    throw new ApiError({ status: refusedStatus, code: `${code}-failed`, message: reasonOf(cause) }, { cause });
  }
}
