import { expect, test } from "vitest";
import { decodeWindows } from "../domain/windows-codec.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { type Log, LogClosedError } from "../platform/log/port.ts";
import { allMessages, fold, mortalLog, published, seeded, startLife } from "./runner-kit.ts";
import { encodeEntry, reading, rule, type TestEntry } from "./step/step-kit.ts";

const SECOND = 1e6;
const ENTRIES = 40;
/** So few bytes that the results of a few inputs need several messages. */
const PAYLOAD_BYTES = 130;

const specs = [rule({ id: "each", window: { tumbling: "1s" }, aggregate: ["count", "sum", "min", "max"] })];

function live(log: Log, checkpointMs: number) {
  const small = { ...log, payloadBytesMax: PAYLOAD_BYTES };
  return startLife(small, { task: 0, partitions: 1, specs, nowUs: () => 1000, checkpointMs });
}

/** A log that gives one message after the other, so that a state can be saved between any two. */
function oneByOne(log: Log): Log {
  return {
    ...log,
    read(query) {
      const reader = log.read(query);
      return {
        async *[Symbol.asyncIterator]() {
          for await (const batch of reader) {
            for (const message of batch) {
              yield [message];
              await new Promise((resolve) => setTimeout(resolve, 1));
            }
          }
        },
        close: () => reader.close(),
      };
    },
  };
}

/** Lives until the log has all results, or the process dies. */
async function liveOn(log: Log, whole: Log, wanted: number): Promise<void> {
  const life = live(log, 1);
  let over = false;
  const ended = life.ended
    .catch((error: unknown) => {
      if (!(error instanceof LogClosedError)) throw error;
    })
    .finally(() => {
      over = true;
    });
  while (!over && (await published(whole, 0)).windows.length < wanted) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await life.runner.stop();
  await ended;
}

test("results whose frame was cut short by a crash go on where they were cut, whatever is saved meanwhile", async () => {
  let cut = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed);
    const log = createMemoryLog({ nowUs: () => 1000 });
    const first = live(log, 60_000);
    await first.ready;
    await first.runner.stop();
    await first.ended;
    for (let i = 0; i < ENTRIES; i++) {
      const readings = [reading("a", i * SECOND, i)];
      const entry: TestEntry = { kind: "readings", storedAtUs: 0, readings };
      await log.append({ subject: "readings.0", payload: encodeEntry(entry) });
    }
    const wanted = (await fold(log, 0, 1)).windows.length;
    for (let death = 0; death < 12; death++) {
      const mortal = mortalLog(log, 4 + Math.floor(random() * 16), random);
      await liveOn(random() < 0.5 ? oneByOne(mortal) : mortal, log, wanted);
    }
    await liveOn(log, log, wanted);
    expect((await published(log, 0)).windows).toEqual((await fold(log, 0, 1)).windows);
    const frames = (await allMessages(log, "WINDOWS")).map(({ payload }) => decodeWindows(payload));
    cut += frames.filter(({ parts, firstInput, lastInput }) => parts > 1 && lastInput > firstInput).length;
  }
  expect(cut).toBeGreaterThan(20);
}, 60_000);
