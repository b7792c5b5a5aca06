import { afterEach, expect, it } from "vitest";
import { decodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import type { Reading } from "../../domain/reading.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import { rowsOf, rowText } from "../common/batch-rows.ts";
import { StorageEvents } from "../common/events.ts";
import { type Batch, NO_POSITION, type Position, StoreClosedError, type StoreWriter } from "../common/store.ts";
import { eventually, frameOf, testDeps } from "../testing/testing.ts";
import { Lane } from "./lane.ts";
import { ReadingsBuilder } from "./reading-batches.ts";

const T0 = 1_763_769_600_000_000;
const lanes: Lane[] = [];
afterEach(async () => {
  for (const lane of lanes.splice(0)) {
    await lane.stop(0);
    await lane.ended();
  }
});

/** Fails for a batch with such a row: as a bug in a store's code would. */
function storeWithBug(isPoison: (text: string) => boolean): StoreWriter & { rows: string[]; attempts: number } {
  let position: Position = NO_POSITION;
  const store = {
    name: "a store with a bug",
    rows: [] as string[],
    attempts: 0,
    writesMax: () => 2,
    position: async () => position,
    async write(batch: Batch) {
      store.attempts++;
      const texts = Array.from({ length: rowsOf(batch) }, (_, i) => rowText(batch, i));
      if (texts.some(isPoison)) throw new TypeError("cannot read properties of undefined");
      // As the contract says, writes take effect in order.
      if (batch.position.sequence <= position.sequence) throw new StoreClosedError("out of order");
      store.rows.push(...texts);
      position = batch.position;
      return { points: texts.length, duplicates: 0, deadLetters: 0, dropped: 0 };
    },
    async forgetBefore() {},
    health: () => ({ ready: true, detail: "" }),
    async close() {},
  };
  return store;
}

function reading(n: number): Reading {
  return { device: "d", metric: "m", tags: {}, atUs: T0 + n, value: n };
}

interface LaneParts {
  readonly log: Log;
  readonly store: StoreWriter;
  readonly deps: ReturnType<typeof testDeps>;
}

function startLane({ log, store, deps }: LaneParts): void {
  const lane = new Lane({
    stream: "READINGS",
    log,
    store,
    builder: new ReadingsBuilder({ rowsMax: 1_000, seriesMax: 1_000 }),
    events: new StorageEvents(deps.logger, deps.metrics),
    lingerMs: 1,
    nowUs: () => 1,
  });
  lanes.push(lane);
  lane.start();
}

it("sets a message aside that fails three times alone, and goes on with all others in order", async () => {
  const log = createMemoryLog({ nowUs: () => Date.now() * 1000 });
  const deps = testDeps({ log });
  for (let i = 0; i < 20; i++) await log.append({ subject: "readings.0", payload: frameOf([reading(i)]) });
  const store = storeWithBug((text) => /"value":(7|13)}/.test(text));
  startLane({ log, store, deps });
  await eventually("18 rows are stored", () => store.rows.length === 18, 60_000);
  const values = store.rows.map((text) => (JSON.parse(text) as Reading).value);
  expect(values).toEqual([...Array(20).keys()].filter((n) => n !== 7 && n !== 13));
  expect(await deps.figure("weir_storage_dead_letters_total")).toBe(2);
  expect((await log.bounds("DEADLETTERS")).messages).toBe(2);
  const letter = await log.lastFor("DEADLETTERS", "deadletters.write-refused");
  const { detail, topic, payload } = decodeDeadLetter(letter?.payload ?? new Uint8Array());
  expect(detail).toBe("not stored after 3 tries: cannot read properties of undefined");
  expect(topic).toBe("readings.0");
  expect(payload).toEqual(new Uint8Array(frameOf([reading(13)])));
  // Later messages are gathered again.
  const before = store.attempts;
  for (let i = 20; i < 120; i++) await log.append({ subject: "readings.0", payload: frameOf([reading(i)]) });
  await eventually("the rest is stored", () => store.rows.length === 118);
  expect(store.attempts - before).toBeLessThan(90);
}, 90_000);

it("blames no message for a store that was closed", async () => {
  const log = createMemoryLog({ nowUs: () => Date.now() * 1000 });
  const deps = testDeps({ log });
  await log.append({ subject: "readings.0", payload: frameOf([reading(1)]) });
  let closed = 5;
  const inner = storeWithBug(() => false);
  const store: StoreWriter = {
    ...inner,
    async write(batch) {
      if (closed-- > 0) throw new StoreClosedError("the store was closed");
      return inner.write(batch);
    },
  };
  startLane({ log, store, deps });
  await eventually("the row is stored", () => inner.rows.length === 1, 60_000);
  expect((await log.bounds("DEADLETTERS")).messages).toBe(0);
}, 90_000);
