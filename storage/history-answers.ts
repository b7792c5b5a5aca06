import { HISTORY_ALERTS, HISTORY_EXTENT, HISTORY_READINGS, HISTORY_SERIES } from "../contracts/history.ts";
import type { Question } from "../contracts/question.ts";
import type { Bus } from "../platform/log/port.ts";
import type { StorageEvents } from "./common/events.ts";
import { type Store, StoreBusyError } from "./common/store.ts";

const QUESTIONS_MAX = 64;

/** Answers questions about the past on the bus. Returns how to stop. */
export function answerHistory(options: {
  readonly bus: Bus;
  readonly store: Store;
  readonly events: StorageEvents;
}): () => void {
  const { bus, store, events } = options;
  let asked = 0;

  function respond<Ask, Asked, Answer>(
    question: Question<Ask, Asked, Answer>,
    answer: (asked: Asked) => Promise<Answer>,
  ): () => void {
    async function bounded(query: Asked): Promise<Answer> {
      if (asked >= QUESTIONS_MAX) throw new StoreBusyError("too many history questions at once; ask again later");
      asked++;
      try {
        const result = await answer(query);
        events.questionAnswered();
        return result;
      } finally {
        asked--;
      }
    }
    return bus.respond(question, bounded, (error) => events.questionFailed(question.subject, error));
  }

  const stops = [
    respond(HISTORY_SERIES, (query) => store.series(query)),
    respond(HISTORY_ALERTS, (query) => store.alerts(query)),
    respond(HISTORY_EXTENT, async () => (await store.extent()) ?? null),
    respond(HISTORY_READINGS, async (query) => {
      const { frame, count, next } = await store.readings(query);
      return { frame: Buffer.from(frame ?? []).toString("base64"), count, next: next ?? null };
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
