import { describe, expect, it, vi } from "vitest";
import { type Applied, type Follower, type FollowOptions, follow } from "./follow.ts";
import { createMemoryLog } from "./memory.ts";
import type { Log, LogMessage } from "./port.ts";

const RETRY = { firstMs: 1, maxMs: 2 };
const BOUND = { timeout: 10_000, interval: 2 };

async function logOf(messages: number): Promise<Log> {
  const log = createMemoryLog({ nowUs: () => 1 });
  await write(log, messages);
  return log;
}

async function write(log: Log, messages: number): Promise<void> {
  for (let i = 0; i < messages; i++) await log.append({ subject: `alerts.a.${i % 2}`, payload: new Uint8Array(1) });
}

interface Watched extends Follower {
  readonly seen: number[];
  readonly errors: unknown[];
}

function watched(log: Pick<Log, "read" | "bounds">, options: Partial<FollowOptions> = {}): Watched {
  const seen: number[] = [];
  const errors: unknown[] = [];
  const follower = follow({
    log,
    stream: "ALERTS",
    from: 1,
    onFailed: (error) => errors.push(error),
    retry: RETRY,
    ...options,
    apply: async (message) => {
      const applied = await options.apply?.(message);
      if (applied === undefined) seen.push(message.sequence);
      return applied;
    },
  });
  return { seen, errors, restart: () => follower.restart(), stop: () => follower.stop(), reading: true };
}

describe("follow", () => {
  it("gives the existing messages, then new ones, from a position on", async () => {
    const log = await logOf(4);
    const follower = watched(log, { from: 3 });
    await vi.waitFor(() => expect(follower.seen).toEqual([3, 4]), BOUND);
    await write(log, 2);
    await vi.waitFor(() => expect(follower.seen).toEqual([3, 4, 5, 6]), BOUND);
    await follower.stop();
    await write(log, 1);
    expect(follower.seen).toEqual([3, 4, 5, 6]);
    expect(follower.errors).toEqual([]);
  });

  it("gives only the subjects asked for", async () => {
    const log = await logOf(4);
    const follower = watched(log, { subjects: ["alerts.a.1"] });
    await vi.waitFor(() => expect(follower.seen).toEqual([2, 4]), BOUND);
    await follower.stop();
  });

  it("restarts at the message that could not be applied", async () => {
    const log = await logOf(3);
    let failures = 2;
    const follower = watched(log, {
      apply: ({ sequence }) => {
        if (sequence === 2 && failures-- > 0) throw new Error("not now");
      },
    });
    await vi.waitFor(() => expect(follower.seen).toEqual([1, 2, 3]), BOUND);
    expect(follower.errors).toEqual([new Error("not now"), new Error("not now")]);
    await follower.stop();
  });

  it("asks for the position before every start, and restarts at once on request", async () => {
    const log = await logOf(3);
    const asked: (number | undefined)[] = [];
    let replaced = false;
    const follower = watched(log, {
      from: (next) => {
        asked.push(next);
        return replaced ? 1 : 2;
      },
      apply: ({ sequence }): Applied => {
        if (sequence !== 3 || replaced) return;
        replaced = true;
        return "restart";
      },
    });
    await vi.waitFor(() => expect(follower.seen).toEqual([2, 1, 2, 3]), BOUND);
    expect(asked).toEqual([undefined, 3]);
    expect(follower.errors).toEqual([]);
    await follower.stop();
  });

  it("restarts on an outside call without a failure", async () => {
    const log = await logOf(2);
    let starts = 0;
    const follower = watched(log, {
      from: () => {
        starts++;
        return 1;
      },
    });
    await vi.waitFor(() => expect(follower.seen).toEqual([1, 2]), BOUND);
    follower.restart();
    await vi.waitFor(() => expect(follower.seen).toEqual([1, 2, 1, 2]), BOUND);
    expect({ starts, errors: follower.errors }).toEqual({ starts: 2, errors: [] });
    await follower.stop();
  });

  it.each([
    ["an empty stream", 0, 1, 0],
    ["everything applied already", 3, 4, 0],
    ["the rest", 3, 2, 2],
  ])("says when it has caught up: %s", async (_, messages, from, applied) => {
    const log = await logOf(messages);
    const caughtUp: number[] = [];
    const follower = watched(log, { from, onCaughtUp: () => caughtUp.push(seen.length) });
    const { seen } = follower;
    // The message is applied before its place in `seen` is taken.
    await vi.waitFor(() => expect(caughtUp).toEqual([applied]), BOUND);
    await write(log, 2);
    await vi.waitFor(() => expect(follower.seen.length).toBe(applied + 2), BOUND);
    expect(caughtUp.length).toBe(1);
    await follower.stop();
  });

  it("calls onApplied after the messages of a batch", async () => {
    const log = await logOf(3);
    const applied: number[] = [];
    const follower = watched(log, { onApplied: (last: LogMessage) => applied.push(last.sequence) });
    await vi.waitFor(() => expect(applied.at(-1)).toBe(3), BOUND);
    await follower.stop();
  });

  it("reports a failing log and retries", async () => {
    const log = await logOf(1);
    let failures = 3;
    const flaky: Pick<Log, "read" | "bounds"> = {
      read: (query) => {
        if (failures-- > 0) throw new Error("away");
        return log.read(query);
      },
      bounds: (stream) => log.bounds(stream),
    };
    const follower = watched(flaky);
    await vi.waitFor(() => expect(follower.seen).toEqual([1]), BOUND);
    expect(follower.errors.length).toBe(3);
    await follower.stop();
  });

  it("says that the log was closed", async () => {
    const log = await logOf(1);
    const follower = watched(log);
    await vi.waitFor(() => expect(follower.seen).toEqual([1]), BOUND);
    await log.close();
    await vi.waitFor(() => expect(follower.errors.length).toBeGreaterThan(0), BOUND);
    await follower.stop();
  });

  it("stops twice, and while the position is not known yet", async () => {
    const follower = watched(await logOf(1), { from: () => new Promise(() => {}) });
    await Promise.all([follower.stop(), follower.stop()]);
    expect(follower.seen).toEqual([]);
  });
});
