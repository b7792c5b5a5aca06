import { describe, expect, test } from "vitest";
import { ConflictError, type Log } from "../port.ts";

/** The part of the log's contract that is about records, blobs and the bus. */
export function describeStores(log: () => Log): void {
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

    test("hold 512 KiB and have names with dots, dashes and underscores", async () => {
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
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}
