import { describe, expect, test } from "vitest";
import type { Log } from "../port.ts";
import { readNewest, readRange } from "../read-range.ts";
import { bytes, text } from "./stores-contract.ts";

/** The part of the log's contract that is about deleting what is done. */
export function describePurge(log: () => Log): void {
  async function fill(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await log().append({ subject: `mqtt_queue.${i % 2 === 0 ? "a" : "b"}.1`, payload: bytes(`${i}`) });
    }
  }

  async function sequences(subjects?: readonly string[]): Promise<number[]> {
    const { lastSequence } = await log().bounds("MQTT_QUEUE");
    await log().append({ subject: "mqtt_queue.end", payload: bytes("end") });
    const found: number[] = [];
    const reading = { stream: "MQTT_QUEUE", from: { kind: "first" } } as const;
    const filter = subjects === undefined ? {} : { subjects: [...subjects, "mqtt_queue.end"] };
    for await (const batch of log().read({ ...reading, ...filter })) {
      for (const { subject, sequence } of batch) if (subject !== "mqtt_queue.end") found.push(sequence);
      if ((batch.at(-1)?.sequence ?? 0) > lastSequence) break;
    }
    return found;
  }

  describe("purge", () => {
    test("deletes a subject's messages before a sequence, and no others", async () => {
      await fill(10);
      await log().purge("MQTT_QUEUE", "mqtt_queue.a.1", 6);
      expect(await sequences()).toEqual([2, 4, 6, 7, 8, 9, 10]);
      expect(await log().countBySubject("MQTT_QUEUE", "mqtt_queue.a.*")).toEqual(new Map([["mqtt_queue.a.1", 2]]));
      await log().purge("MQTT_QUEUE", "mqtt_queue.a.1", 1);
      await log().purge("MQTT_QUEUE", "mqtt_queue.a.1", 0);
      expect(await sequences(["mqtt_queue.a.1"])).toEqual([7, 9]);
    });

    test("single messages are read by their sequences, without those that are gone", async () => {
      await fill(6);
      await log().remove("MQTT_QUEUE", 3);
      const read = await log().readEach("MQTT_QUEUE", [2, 3, 5, 6, 99]);
      expect(read.map(({ sequence, subject, payload }) => [sequence, subject, text(payload)])).toEqual([
        [2, "mqtt_queue.b.1", "1"],
        [5, "mqtt_queue.a.1", "4"],
        [6, "mqtt_queue.b.1", "5"],
      ]);
      for (const { storedAtUs, payload } of read) {
        expect(storedAtUs).toBeGreaterThan(0);
        expect(Buffer.isBuffer(payload)).toBe(false);
      }
      const many = Array.from({ length: 1_000 }, (_, i) => (i % 6) + 1);
      expect(await log().readEach("MQTT_QUEUE", many)).toHaveLength(many.filter((each) => each !== 3).length);
    });

    test("a single message is deleted, also one that does not exist", async () => {
      await fill(5);
      for (const sequence of [3, 3, 99]) await log().remove("MQTT_QUEUE", sequence);
      expect(await sequences()).toEqual([1, 2, 4, 5]);
      await log().remove("MQTT_QUEUE", 5);
      // The message before it is the newest of its subject again.
      expect((await log().lastFor("MQTT_QUEUE", "mqtt_queue.a.1"))?.sequence).toBe(1);
      await log().remove("MQTT_QUEUE", 1);
      expect(await sequences()).toEqual([2, 4]);
      await log().remove("MQTT_QUEUE", 1);
      expect(await log().bounds("MQTT_QUEUE")).toMatchObject({ messages: 4, lastSequence: 7 });
    });

    test("of the newest message: readings of the whole stream still end", async () => {
      await fill(4);
      await log().purge("MQTT_QUEUE", "mqtt_queue.b.1", 100);
      expect((await log().newest("MQTT_QUEUE"))?.sequence).toBe(3);
      const newest: number[] = [];
      const from = await readNewest(log(), { stream: "MQTT_QUEUE" }, ({ sequence }) => newest.push(sequence));
      expect([newest, from]).toEqual([[3], 5]);
      const all: number[] = [];
      for await (const batch of readRange(log(), { stream: "MQTT_QUEUE" })) all.push(...batch.map((m) => m.sequence));
      expect(all).toEqual([1, 3]);
      // Its end was deleted after it was asked for.
      for await (const _ of readRange(log(), { stream: "MQTT_QUEUE", lastSequence: 4 }));
      await log().purge("MQTT_QUEUE", "mqtt_queue.>", 100);
      expect(await log().newest("MQTT_QUEUE")).toBeUndefined();
      expect(await readNewest(log(), { stream: "MQTT_QUEUE" }, () => {})).toBe(5);
    });

    test("deletes all of it, and sequences go on", async () => {
      await fill(4);
      await log().purge("MQTT_QUEUE", "mqtt_queue.a.>", 100);
      await log().purge("MQTT_QUEUE", "mqtt_queue.*.1", 100);
      await log().purge("MQTT_QUEUE", "mqtt_queue.none", 100);
      expect(await log().lastFor("MQTT_QUEUE", "mqtt_queue.a.1")).toBeUndefined();
      expect(await log().bounds("MQTT_QUEUE")).toMatchObject({ messages: 0, lastSequence: 4 });
      const expecting = { subject: "mqtt_queue.a.1", payload: bytes("x"), expectLastSubjectSequence: 0 };
      expect((await log().append(expecting)).sequence).toBe(5);
    });
  });
}
