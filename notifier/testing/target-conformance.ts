import { afterEach, describe, expect, test } from "vitest";
import { type KindName, TARGET_KINDS } from "../targets/kinds.ts";
import type { Target } from "../targets/target.ts";
import { configuredOf, notificationOf, type TargetOptions, targetOf } from "./target-kit.ts";
import { eventually } from "./test-kit.ts";

/** The secret that every server of the suite requires, and repeats in its answers where the protocol allows it. */
export const SECRET = "hunter2-is-the-secret";

/** How the server treats the next notifications. */
export type Behaviour = "accept" | "fail" | "refuse" | "hang";

/** The other side of a target: a real or a test server. */
export interface TargetServer {
  /** Settings of a target that sends to this server and uses its secrets. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly options: TargetOptions;
  /** Devices of the alerts that it accepted, each once. */
  received(): Iterable<string>;
  behave(behaviour: Behaviour): Promise<void> | void;
  stop(): Promise<void>;
}

export interface Conformance {
  readonly start: () => Promise<TargetServer>;
  /** The protocol has no final refusal: any failure may be temporary. */
  readonly neverRefuses?: true;
}

/** The contract of every kind of target, against its server. Called by the test of each kind. */
export function describeTarget(kind: KindName, { start, neverRefuses }: Conformance): void {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  async function open(): Promise<{ server: TargetServer; target: Target }> {
    const server = await start();
    stops.push(() => server.stop());
    const target = targetOf(kind, server.settings, server.options);
    stops.push(() => target.close());
    return { server, target };
  }

  const inTime = () => AbortSignal.timeout(30_000);

  describe(`a target of kind ${kind}`, () => {
    test("delivers an alert, and a large group", async () => {
      const { server, target } = await open();
      expect(await target.send(notificationOf(["single"]), inTime())).toEqual({ kind: "delivered" });
      expect(await target.send(notificationOf(100), inTime())).toEqual({ kind: "delivered" });
      await eventually("the server has every alert", () => {
        const received = [...server.received()].join(" ");
        return notificationOf(100).changes.every(({ change }) => received.includes(change.key.device ?? "-"));
      });
      expect([...server.received()].join(" ")).toContain("single");
    }, 60_000);

    test("reports a temporary failure as one, and delivers afterwards", async () => {
      const { server, target } = await open();
      await server.behave("fail");
      const failed = await target.send(notificationOf(["d1"]), AbortSignal.timeout(10_000));
      expect(failed).toMatchObject({ kind: "failed", error: expect.stringMatching(/./) });
      await server.behave("accept");
      expect(await target.send(notificationOf(["d1"]), inTime())).toEqual({ kind: "delivered" });
    }, 60_000);

    test.skipIf(neverRefuses)(
      "reports a final refusal as one",
      async () => {
        const { server, target } = await open();
        await server.behave("refuse");
        const refused = await target.send(notificationOf(["d1"]), inTime());
        expect(refused).toMatchObject({ kind: "refused", error: expect.stringMatching(/./) });
      },
      60_000,
    );

    test("ends an attempt at its timeout, and delivers afterwards", async () => {
      const { server, target } = await open();
      await server.behave("hang");
      const outcome = await target.send(notificationOf(["d1"]), AbortSignal.timeout(200));
      expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(/in time/) });
      await server.behave("accept");
      expect(await target.send(notificationOf(["d1"]), inTime())).toEqual({ kind: "delivered" });
    }, 60_000);

    test("does not start an attempt that is already cancelled", async () => {
      const { target } = await open();
      expect(await target.send(notificationOf(["d1"]), AbortSignal.abort())).toMatchObject({ kind: "failed" });
    }, 60_000);

    test("shows no secret in its reports", async () => {
      const { server, target } = await open();
      const behaviours: readonly Behaviour[] = neverRefuses ? ["fail", "hang"] : ["fail", "refuse", "hang"];
      for (const behaviour of behaviours) {
        await server.behave(behaviour);
        const outcome = await target.send(
          notificationOf(["d1"]),
          AbortSignal.timeout(behaviour === "hang" ? 200 : 10_000),
        );
        expect(outcome.kind).not.toBe("delivered");
        expect(JSON.stringify(outcome)).not.toContain(SECRET);
        await server.behave("accept");
      }
    }, 60_000);

    test("names its secrets, and reports which one is missing", async () => {
      const { server } = await open();
      const { secrets } = configuredOf(kind, server.settings);
      const named = secrets.flatMap(({ env, file }) => env ?? file ?? []);
      expect(named.length).toBeGreaterThan(0);
      expect(() => targetOf(kind, server.settings, { ...server.options, environment: {} })).toThrow(named[0]);
    }, 60_000);

    test("can be closed twice, and without an attempt", async () => {
      const { server } = await open();
      const unused = targetOf(kind, server.settings, server.options);
      await unused.close();
      await unused.close();
    }, 60_000);

    test("has an example without secrets, and an address for doctor", () => {
      const { example, doc, recognizedBy } = TARGET_KINDS[kind];
      const configured = configuredOf(kind, example);
      expect(configured.secrets.flatMap(({ env, file }) => env ?? file ?? [])).toEqual([]);
      expect(doc).toMatch(/^[A-Z].*\.$/);
      expect(recognizedBy).toMatch(/^[^A-Z].*[^.]$|^`/);
    });
  });
}
