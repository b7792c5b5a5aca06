import { describe, expect, test } from "vitest";
import { type Life, Lives, messageOf, Reader, subscription } from "./testing/sessions-kit.ts";

const SHARED = "$share/group/a";
const MEMBERS = ["one", "two", "three"];
const TEXTS = Array.from({ length: 9 }, (_, i) => `m${i}`);

/** The members come, and all get what the publisher sends. It repeats what was not acknowledged. */
async function live(life: Life, readers: ReadonlyMap<string, Reader>, acknowledged: Set<string>): Promise<void> {
  const sessions = [];
  for (const clientId of MEMBERS) {
    const session = await life.open(clientId);
    if (session.subscriptions.size === 0) await life.sessions.subscribe(session, [subscription(SHARED)]);
    sessions.push(session);
  }
  for (const session of sessions) readers.get(session.clientId)?.read(life.sessions, session);
  for (const text of TEXTS) {
    if (acknowledged.has(text)) continue;
    const published = life.sessions.publish(messageOf(text)).then(() => acknowledged.add(text));
    // Two at a time.
    if (text.endsWith("1") || text.endsWith("5")) void published;
    else await published;
  }
  await expect.poll(() => new Set(textsOf(readers)).size, { timeout: 5_000, interval: 1 }).toBe(TEXTS.length);
}

function textsOf(readers: ReadonlyMap<string, Reader>): string[] {
  return [...readers.values()].flatMap(({ got }) => [...got.values()]);
}

describe("a shared subscription", () => {
  test("gives each QoS 2 message to one member, whenever the broker crashes", async () => {
    for (let dieAt = 1; ; dieAt++) {
      const lives = new Lives();
      const readers = new Map(MEMBERS.map((clientId) => [clientId, new Reader()]));
      const acknowledged = new Set<string>();
      const first = await lives.begin({ dieAt });
      await first.until(live(first, readers, acknowledged));
      const second = await lives.begin();
      await live(second, readers, acknowledged);
      expect(textsOf(readers).sort(), `it died at step ${dieAt}`).toEqual(TEXTS);
      if (!first.isOver) {
        expect(dieAt).toBeGreaterThan(50);
        return;
      }
    }
  });

  test("gives out what waits in batches: each has to be saved before the next", async () => {
    const life = await new Lives().begin();
    const full = await life.open("full", { room: 0 });
    await life.sessions.subscribe(full, [subscription(SHARED)]);
    const texts = Array.from({ length: 300 }, (_, i) => `m${i}`);
    await Promise.all(texts.map((text) => life.sessions.publish(messageOf(text))));
    const member = await life.open("member");
    await life.sessions.subscribe(member, [subscription(SHARED)]);
    const reader = new Reader();
    reader.read(life.sessions, member, 100);
    await expect.poll(() => reader.got.size, { timeout: 5_000, interval: 1 }).toBe(texts.length);
    expect([...reader.got.values()]).toEqual(texts);
    const [group] = [...life.store.sessions()].filter(({ clientId }) => clientId.startsWith("$share/"));
    const writes = life.queueWrites(group?.clientId ?? "");
    expect(writes).toBeGreaterThan(0);
    expect(writes).toBeLessThan(texts.length / 10);
  });

  describe.each(["starts clean", "expires", "leaves for good"] as const)("whose member %s", (how) => {
    test("gives what it had to another member, except for QoS 2 messages that it may have been sent", async () => {
      const lives = new Lives();
      const life = await lives.begin();
      const dead = await life.open("dead");
      await life.sessions.subscribe(dead, [subscription(SHARED)]);
      for (const text of ["m0", "m1"]) await life.sessions.publish(messageOf(text, 1));
      await life.sessions.publish(messageOf("m2", 2));
      await expect.poll(() => dead.queue.length).toBe(3);
      const sent = await dead.queue.read(10);
      for (const { message, ordinal } of sent) life.sessions.progress.sent(dead, message, ordinal);
      // The broker crashes, unless the member says that it leaves.
      const last = how === "leaves for good" ? life : await lives.begin();
      const { sessions } = last;
      const other = await last.open("other");
      await sessions.subscribe(other, [subscription(SHARED)]);
      const reader = new Reader();
      reader.read(sessions, other);
      if (how === "leaves for good") await sessions.leave(dead, { withWill: false, expirySeconds: 0 });
      if (how === "starts clean") await last.open("dead", { cleanStart: true });
      if (how === "expires") {
        lives.nowUs += 2_000_000_000;
        await sessions.tidy();
      }
      await expect.poll(() => [...reader.got.values()].sort()).toEqual(["m0", "m1"]);
    });
  });
});
