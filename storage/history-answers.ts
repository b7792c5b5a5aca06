import { z } from "zod";
import {
  HISTORY_ALERTS,
  HISTORY_EXTENT,
  HISTORY_READINGS,
  HISTORY_SERIES,
  type ReadingsPageText,
} from "../contracts/history.ts";
import { INSTANT_US_MAX } from "../domain/time.ts";
import type { Bus } from "../platform/log/port.ts";
import type { StorageEvents } from "./common/events.ts";
import { type Store, StoreBusyError } from "./common/store.ts";

const QUESTIONS_MAX = 64;

const instantUs = z.number().int().min(-INSTANT_US_MAX).max(INSTANT_US_MAX);
const name = z.string().min(1).max(1024);

const seriesQuerySchema = z
  .strictObject({
    device: name,
    metric: name,
    fromUs: instantUs,
    toUs: instantUs,
    pointsMax: z.number().int().min(1).max(5000),
  })
  .refine(({ fromUs, toUs }) => fromUs < toUs, { error: "fromUs must be before toUs" });

const alertsQuerySchema = z
  .strictObject({ fromUs: instantUs, toUs: instantUs, limit: z.number().int().min(1).max(10_000) })
  .refine(({ fromUs, toUs }) => fromUs < toUs, { error: "fromUs must be before toUs" });

/** In base 64 a third more: the answer must fit a message of the bus. */
const PAGE_BYTES_MAX = 720_000;

const readingsQuerySchema = z
  .strictObject({
    fromUs: instantUs,
    toUs: instantUs,
    skip: z.number().int().min(0),
    limit: z.number().int().min(1).max(100_000),
    bytesMax: z.number().int().min(1).max(PAGE_BYTES_MAX),
  })
  .refine(({ fromUs, toUs }) => fromUs < toUs, { error: "fromUs must be before toUs" });

/** Answers questions about the past on the bus. Returns how to stop. */
export function answerHistory(options: {
  readonly bus: Bus;
  readonly store: Store;
  readonly events: StorageEvents;
}): () => void {
  const { bus, store, events } = options;
  let asked = 0;

  async function answer<T>(subject: string, work: () => Promise<T>): Promise<T> {
    if (asked >= QUESTIONS_MAX) throw new StoreBusyError("too many history questions at once; ask again later");
    asked++;
    try {
      const result = await work();
      events.questionAnswered();
      return result;
    } catch (error) {
      events.questionFailed(subject, error);
      throw error;
    } finally {
      asked--;
    }
  }

  const stops = [
    bus.respond(HISTORY_SERIES, (value) =>
      answer(HISTORY_SERIES, async () => store.series(parse(seriesQuerySchema, value))),
    ),
    bus.respond(HISTORY_ALERTS, (value) =>
      answer(HISTORY_ALERTS, async () => store.alerts(parse(alertsQuerySchema, value))),
    ),
    bus.respond(HISTORY_EXTENT, () => answer(HISTORY_EXTENT, () => store.extent())),
    bus.respond(HISTORY_READINGS, (value) =>
      answer(HISTORY_READINGS, async (): Promise<ReadingsPageText> => {
        const { frame, count, next } = await store.readings(parse(readingsQuerySchema, value));
        return { frame: Buffer.from(frame ?? []).toString("base64"), count, next: next ?? null };
      }),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new RangeError(`not a history question: ${z.prettifyError(result.error)}`);
}
