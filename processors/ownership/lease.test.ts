import { expect, test } from "vitest";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { ConflictError } from "../../platform/log/port.ts";
import { leasedLog } from "./lease.ts";

const message = { subject: "windows.0", payload: new Uint8Array([1]) };

test("a write after the lease ended waits until the lease is open again", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  let reopen = () => {};
  const reopened = new Promise<void>((resolve) => {
    reopen = resolve;
  });
  const leased = leasedLog(log, { isOpen: () => false, reopened: () => reopened });
  const writing = leased.append(message);
  await leased.records.get("nothing");
  expect((await log.bounds("WINDOWS")).messages).toBe(0);
  reopen();
  expect(await writing).toMatchObject({ sequence: 1 });
});

test("a write after the lease ended is refused when another may own the task", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  const reopened = () => Promise.reject(new ConflictError("another owns it"));
  const leased = leasedLog(log, { isOpen: () => false, reopened });
  await expect(leased.append(message)).rejects.toThrow(ConflictError);
  await expect(leased.records.set("checkpoint.0", new Uint8Array(), 0)).rejects.toThrow(ConflictError);
  expect((await log.bounds("WINDOWS")).messages).toBe(0);
});
