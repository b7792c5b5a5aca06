import pino from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEAD_LETTERS_DISMISS, type DismissOrder } from "../../contracts/dead-letters.ts";
import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { DEAD_LETTER_DISMISSALS } from "../../domain/subjects.ts";
import { countByReason, letterAt, pageOfLetters } from "../../platform/dead-letter-log.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { createIngestEvents } from "../common/events.ts";
import { answerDismissals } from "./dismiss.ts";

let log: Log;
let stop: () => void;
const metrics = createMetrics();
const events = createIngestEvents(pino({ level: "silent" }), metrics);

beforeEach(async () => {
  log = createMemoryLog({ nowUs: () => 7 });
  stop = answerDismissals({ log, clock: { nowUs: () => 7 }, events });
  for (let i = 1; i <= 200; i++) {
    const [topic, reason] = i % 2 === 0 ? [`noise/${i}`, "unknown-topic"] : [`plant/${i}`, "bad-payload"];
    const about = { detail: "", payload: new Uint8Array(1), clientId: "", receivedAtUs: 1 };
    await log.append({ subject: `deadletters.${reason}`, payload: encodeDeadLetter({ reason, topic, ...about }) });
  }
});
afterEach(() => stop());

const dismiss = (order: Omit<DismissOrder, "by">) => log.bus.request(DEAD_LETTERS_DISMISS, { by: "ann", ...order });

async function sequences(): Promise<number[]> {
  const { letters } = await pageOfLetters(log, { limit: 500 }, ({ sequence }) => sequence);
  return [...letters].reverse();
}

test("letters of a topic are deleted, the others stay, and lists and counts follow", async () => {
  expect(await dismiss({ topic: "noise/+" })).toEqual({ dismissed: 100, before: 201 });
  expect(await sequences()).toEqual(Array.from({ length: 100 }, (_, i) => 2 * i + 1));
  expect(await countByReason(log)).toEqual({ "bad-payload": 100 });
  expect(await letterAt(log, 200)).toBeUndefined();
  expect(await dismiss({ topic: "noise/+" })).toMatchObject({ dismissed: 0 });
});

test("the newest letters can be dismissed, and readers of the log do not wait for them", async () => {
  expect(await dismiss({ sequences: [200, 199, 199, 5, 900] })).toMatchObject({ dismissed: 3 });
  expect((await sequences()).at(-1)).toBe(198);
  expect(await dismiss({})).toMatchObject({ dismissed: 197 });
  expect(await sequences()).toEqual([]);
  expect(await countByReason(log)).toEqual({});
});

test("who ordered it stays in the log, and newer letters than the order's `before` are kept", async () => {
  expect(await dismiss({ reason: "bad-payload", before: 4, after: 1 })).toEqual({ dismissed: 1, before: 4 });
  expect((await sequences()).slice(0, 4)).toEqual([1, 2, 4, 5]);
  const order = await log.lastFor("DEADLETTERS", DEAD_LETTER_DISMISSALS);
  expect(JSON.parse(Buffer.from(order?.payload ?? []).toString())).toEqual({
    by: "ann",
    reason: "bad-payload",
    before: 4,
    after: 1,
    atUs: 7,
  });
});

test("an order that is not understood is refused, and deletes nothing", async () => {
  await expect(dismiss({ sequences: [] } as never)).rejects.toThrow(/not understood/);
  await expect(dismiss({ colour: "red" } as never)).rejects.toThrow(/not understood/);
  expect(await sequences()).toHaveLength(200);
});
