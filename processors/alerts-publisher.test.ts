import { expect, test } from "vitest";
import type { AlertChange } from "../domain/alert.ts";
import { reading, rule, TestPartition } from "../engine/testing/step-kit.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log } from "../platform/log/port.ts";
import { AlertsPublisher } from "./alerts-publisher.ts";

const SECOND = 1e6;

/** Two rules fire and end alternately, each every two seconds. */
function* changes(): Generator<readonly AlertChange[]> {
  const partition = new TestPartition();
  const window = { tumbling: "1s" };
  const specs = [rule({ id: "a", window, when: "> 8" }), rule({ id: "b", window, when: "> 8" })];
  partition.apply({ kind: "rules", storedAtUs: 1, specs });
  for (let second = 0; ; second++) {
    const readings = [reading("d", second * SECOND, second % 2 === 0 ? 9 : 1)];
    const { alerts } = partition.apply({ kind: "readings", storedAtUs: 1 + second, readings });
    if (alerts.length > 0) yield alerts;
  }
}

test("looks up the newest change of a subject once, and again after its rule was removed", async () => {
  const asked: string[] = [];
  const memory = createMemoryLog({ nowUs: () => 1 });
  const log: Log = {
    ...memory,
    lastFor(stream, subject) {
      asked.push(subject.split(".")[1] ?? "");
      return memory.lastFor(stream, subject);
    },
  };
  const published: string[] = [];
  const onPublished = ({ id }: AlertChange) => void published.push(id);
  const publisher = new AlertsPublisher({ log, stream: "READINGS", onPublished });
  const batches = changes();
  async function publishNext(): Promise<void> {
    publisher.push(batches.next().value ?? []);
    await publisher.drain();
  }
  await publishNext();
  await publishNext();
  expect(asked).toEqual(["a", "b"]);
  publisher.keepOnly(new Set(["a"]));
  await publishNext();
  expect(asked).toEqual(["a", "b", "b"]);
  expect(new Set(published).size).toBe(6);
  expect((await memory.bounds("ALERTS")).messages).toBe(6);
  await memory.close();
});
