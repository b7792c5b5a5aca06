import {
  HISTORY_ALERTS,
  HISTORY_EXTENT,
  HISTORY_INCIDENT,
  HISTORY_INCIDENT_EVENTS,
  HISTORY_READINGS,
  HISTORY_SERIES,
  HISTORY_STATES,
} from "../contracts/history.ts";
import type { Question } from "../contracts/question.ts";
import type { Bus } from "../platform/log/port.ts";
import type { StorageEvents } from "./common/events.ts";
import { NoHistoryError, StoreBusyError, type StoreHistory } from "./common/store.ts";

const QUESTIONS_MAX = 64;

/** Answers history queries on the bus. Returns a function that stops it. */
export function answerHistory(options: {
  readonly bus: Bus;
  /** The store's name, for messages. */
  readonly name: string;
  /** Undefined for a write-only store; every query is then refused with this reason. */
  readonly history: StoreHistory | undefined;
  readonly events: StorageEvents;
}): () => void {
  const { bus, name, history, events } = options;
  let asked = 0;

  function respond<Ask, Asked, Answer>(
    question: Question<Ask, Asked, Answer>,
    answer: (history: StoreHistory, asked: Asked) => Promise<Answer>,
  ): () => void {
    async function bounded(query: Asked): Promise<Answer> {
      if (history === undefined) throw new NoHistoryError(name);
      if (asked >= QUESTIONS_MAX) throw new StoreBusyError("too many history queries at once; ask again later");
      asked++;
      try {
        const result = await answer(history, query);
        events.questionAnswered();
        return result;
      } finally {
        asked--;
      }
    }
    return bus.respond(question, bounded, (error) => events.questionFailed(question.subject, error));
  }

  const stops = [
    respond(HISTORY_SERIES, (store, query) => store.series(query)),
    respond(HISTORY_STATES, (store, query) => store.states(query)),
    respond(HISTORY_ALERTS, (store, query) => store.alerts(query)),
    respond(HISTORY_INCIDENT, (store, query) => store.incident(query)),
    respond(HISTORY_INCIDENT_EVENTS, (store, query) => store.incidentEvents(query)),
    respond(HISTORY_EXTENT, async (store) => (await store.extent()) ?? null),
    respond(HISTORY_READINGS, async (store, query) => {
      const { frame, count, next } = await store.readings(query);
      return { frame: Buffer.from(frame ?? []).toString("base64"), count, next: next ?? null };
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
