import { describe, expect, test } from "vitest";
import { ConflictError, type Log, NoAnswerError } from "../port.ts";

/** The part of the log's contract that is about records, blobs and the bus. */
export function describeStoresAndBus(log: () => Log): void {
  describe("records", () => {
    test("are set by compare-and-set", async () => {
      expect(await log().records.get("checkpoint-3")).toBeUndefined();
      const first = await log().records.set("checkpoint-3", bytes("one"), 0);
      await expect(log().records.set("checkpoint-3", bytes("two"), 0)).rejects.toBeInstanceOf(ConflictError);
      const second = await log().records.set("checkpoint-3", bytes("two"), first);
      expect(second).toBeGreaterThan(first);
      await expect(log().records.set("checkpoint-3", bytes("three"), first)).rejects.toBeInstanceOf(ConflictError);
      await expect(log().records.set("never-set", bytes("x"), 7)).rejects.toBeInstanceOf(ConflictError);
      const record = await log().records.get("checkpoint-3");
      expect(record && { text: text(record.value), revision: record.revision }).toEqual({
        text: "two",
        revision: second,
      });
      expect(await log().records.get("never-set")).toBeUndefined();
    });

    test("hold 512 KiB and go by names with dots, dashes and underscores", async () => {
      const value = new Uint8Array(512 * 1024).map((_, i) => i % 251);
      await log().records.set("a.b-c_D.9", value, 0);
      expect(Buffer.compare((await log().records.get("a.b-c_D.9"))?.value ?? new Uint8Array(), value)).toBe(0);
    });
  });

  describe("blobs", () => {
    test("are put, replaced, read and deleted", async () => {
      expect(await log().blobs.get("state-1")).toBeUndefined();
      const large = new Uint8Array(3_000_000).map((_, i) => i % 253);
      await log().blobs.put("state-1", large);
      expect(Buffer.compare((await log().blobs.get("state-1")) ?? new Uint8Array(), large)).toBe(0);
      await log().blobs.put("state-1", bytes("small now"));
      expect(text((await log().blobs.get("state-1")) ?? new Uint8Array())).toBe("small now");
      const pieces = [large.subarray(0, 100), large.subarray(100, 100), large.subarray(100, 1_500_000)];
      await log().blobs.put("pieces", [...pieces, large.subarray(1_500_000)]);
      expect(Buffer.compare((await log().blobs.get("pieces")) ?? new Uint8Array(), large)).toBe(0);
      await log().blobs.put("empty", new Uint8Array(0));
      expect((await log().blobs.get("empty"))?.length).toBe(0);
      await log().blobs.delete("state-1");
      await log().blobs.delete("state-1");
      expect(await log().blobs.get("state-1")).toBeUndefined();
      await log().blobs.put("state-1", bytes("again"));
      expect(text((await log().blobs.get("state-1")) ?? new Uint8Array())).toBe("again");
    });
  });

  describe("bus", () => {
    test("carries JSON values to all that listen", async () => {
      const got: unknown[] = [];
      const all = new Promise<void>((resolve) => {
        const note = (value: unknown, subject: string) => {
          got.push([subject, value]);
          if (got.length === 3) resolve();
        };
        log().bus.subscribe("stats.>", note);
        log().bus.subscribe("stats.*", note);
        log().bus.subscribe("stats.a", note);
        log().bus.subscribe("other.>", note);
      });
      log().bus.publish("stats.a", { n: 1, list: ["ä", null, true] });
      await all;
      expect(got).toEqual(Array.from({ length: 3 }, () => ["stats.a", { n: 1, list: ["ä", null, true] }]));
    });

    test("asks and answers", async () => {
      const stop = log().bus.respond("history.series", async (value) => ({ echoed: value }));
      expect(await log().bus.request("history.series", { device: "d" })).toEqual({ echoed: { device: "d" } });
      expect(await log().bus.request("history.series", undefined)).toEqual({ echoed: null });
      stop();
      await expect(log().bus.request("history.series", 1, { timeoutMs: 500 })).rejects.toBeInstanceOf(NoAnswerError);
    });

    test("tells when nobody answers, or not in time, or with an error", async () => {
      await expect(log().bus.request("nobody", 1)).rejects.toBeInstanceOf(NoAnswerError);
      log().bus.respond("mute", () => new Promise(() => {}));
      await expect(log().bus.request("mute", 1, { timeoutMs: 20 })).rejects.toBeInstanceOf(NoAnswerError);
      log().bus.respond("broken", async () => {
        throw new Error("no such series");
      });
      await expect(log().bus.request("broken", 1)).rejects.toThrow("no such series");
    });
  });
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}
