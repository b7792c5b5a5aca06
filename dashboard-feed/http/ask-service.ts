import type { Question } from "../../contracts/question.ts";
import { reasonOf } from "../../domain/reason.ts";
import { BadAnswerError, type Bus, NoAnswerError } from "../../platform/log/port.ts";
import { ApiError } from "./api-error.ts";

/** A service that answers requests, with the messages and codes of its problems. */
interface Answerer {
  /** Its name for people: `the store`. */
  readonly who: string;
  /** The service to start when there is no answer. */
  readonly service: string;
  /** Problems are `<code>-unavailable` and `<code>-failed`. */
  readonly code: string;
  readonly timeoutMs: number;
  /** The status when the answer is an error; 502 by default. */
  readonly refusedStatus?: number;
}

export const STORE: Answerer = { who: "the store", service: "storage", code: "history", timeoutMs: 8_000 };
export const STORE_PROBLEMS = { 502: "The store answered with an error.", 503: "The store does not answer." };

export const NOTIFIER: Answerer = { who: "the notifier", service: "notifier", code: "notifier", timeoutMs: 5_000 };
export const NOTIFIER_PROBLEMS = { 502: "The notifier answered with an error.", 503: "The notifier does not answer." };
export const NOTIFIER_ORDER: Answerer = { ...NOTIFIER, refusedStatus: 422 };
export const NOTIFIER_ORDER_PROBLEMS = { ...NOTIFIER_PROBLEMS, 422: "The notifier refuses the order and says why." };

/** An explanation may read much of the log. */
export const EXPLAINER: Answerer = {
  who: "the explainer",
  service: "processors",
  code: "explanation",
  timeoutMs: 8_000,
};

/** The ingest answers in half of this time, or says where to continue. */
export const INGEST: Answerer = {
  who: "the ingest",
  service: "edge",
  code: "ingest",
  timeoutMs: 9_000,
  refusedStatus: 422,
};
export const INGEST_PROBLEMS = {
  502: "The ingest's answer is not a report.",
  503: "The ingest does not answer.",
};

export const RULES: Answerer = { who: "the processors", service: "processors", code: "rules", timeoutMs: 5_000 };
export const RULES_PROBLEMS = {
  502: "The processors' answer is not a list of problems.",
  503: "No processor answers.",
};

export const EDGE: Answerer = { who: "the broker", service: "edge", code: "broker", timeoutMs: 3_000 };
export const EDGE_PROBLEMS = { 502: "The broker's answer names no listeners.", 503: "The broker does not answer." };

/** Asks a service over the bus. Throws ApiError: 503 without an answer, otherwise with the service's own message. */
export async function askService<Ask, Asked, Answer>(
  bus: Bus,
  question: Question<Ask, Asked, Answer>,
  ask: Ask,
  { who, service, code, timeoutMs, refusedStatus = 502 }: Answerer,
): Promise<Answer> {
  try {
    return await bus.request(question, ask, { timeoutMs });
  } catch (cause) {
    if (cause instanceof NoAnswerError) {
      const message = `${who} does not answer; is the ${service} service running?`;
      throw new ApiError({ status: 503, code: `${code}-unavailable`, message }, { cause });
    }
    if (cause instanceof BadAnswerError) {
      const message = `cannot read the answer of ${who}: ${cause.message}`;
      throw new ApiError({ status: 502, code: "bad-answer", message }, { cause });
    }
    throw new ApiError({ status: refusedStatus, code: `${code}-failed`, message: reasonOf(cause) }, { cause });
  }
}
