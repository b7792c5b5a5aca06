import { describe, expect, it } from "vitest";
import { Oracle } from "./oracle.ts";

/** The oracle must fail on each planted fault, and only then. */

function withSubscriber(options: { readonly exactlyOnce?: boolean; readonly ordered?: boolean } = {}): Oracle {
  const { exactlyOnce = false, ordered = true } = options;
  const oracle = new Oracle();
  oracle.deliveries.subscribed({
    name: "s",
    matches: (topic) => topic === "t",
    exactlyOnce: () => exactlyOnce,
    ordered,
  });
  return oracle;
}

function publish(oracle: Oracle, ...numbers: readonly number[]): void {
  for (const number of numbers) {
    oracle.deliveries.sent("t", number);
    oracle.deliveries.acknowledge("t", number);
  }
}

function receive(oracle: Oracle, ...numbers: readonly number[]): void {
  for (const number of numbers) oracle.deliveries.received("s", "t", number);
}

describe("deliveries", () => {
  it("accept what is complete and in order, repeats of QoS 1 included", () => {
    const oracle = withSubscriber();
    publish(oracle, 1, 2, 3);
    receive(oracle, 1, 2, 1, 2, 3);
    expect(oracle.missing()).toBe(0);
    expect(oracle.finish()).toEqual([]);
    expect([oracle.deliveries.receipts, oracle.deliveries.repeats]).toEqual([5, 2]);
  });

  it("find a lost message", () => {
    const oracle = withSubscriber();
    publish(oracle, 1, 2, 3);
    receive(oracle, 1, 3);
    expect(oracle.missing()).toBe(1);
    expect(oracle.finish()).toEqual(["lost: s: t 2"]);
  });

  it("accept the loss of a message that was not acknowledged", () => {
    const oracle = withSubscriber();
    oracle.deliveries.sent("t", 1);
    expect(oracle.finish()).toEqual([]);
  });

  it("owe nothing from before the subscription, and everything after it", () => {
    const oracle = new Oracle();
    publish(oracle, 1, 2);
    oracle.deliveries.subscribed({ name: "s", matches: () => true, exactlyOnce: () => true, ordered: true });
    publish(oracle, 3, 4);
    receive(oracle, 2, 4);
    expect(oracle.finish()).toEqual(["lost: s: t 3"]);
  });

  it("find a message of QoS 2 that comes twice", () => {
    const oracle = withSubscriber({ exactlyOnce: true });
    publish(oracle, 1);
    receive(oracle, 1, 1);
    expect(oracle.finish()).toEqual(["received twice: s: t 1"]);
  });

  it("find first receipts out of order, but not in a group", () => {
    for (const ordered of [true, false]) {
      const oracle = withSubscriber({ ordered });
      publish(oracle, 1, 2, 3);
      receive(oracle, 1, 3, 2);
      expect(oracle.finish()).toEqual(ordered ? ["received out of order: s: t 2 after 3"] : []);
    }
  });

  it("find messages that nobody sent, and topics that nobody subscribed to", () => {
    const oracle = withSubscriber();
    publish(oracle, 1);
    receive(oracle, 1, 2);
    oracle.deliveries.received("s", "other", 1);
    expect(oracle.finish()).toEqual(["received but never sent: s: t 2", "received without a subscription: s: other"]);
  });

  it("find acknowledgements that are repeated or out of order", () => {
    const oracle = withSubscriber();
    for (const number of [1, 2, 3]) oracle.deliveries.sent("t", number);
    for (const number of [2, 1, 3, 3]) oracle.deliveries.acknowledge("t", number);
    receive(oracle, 1, 2, 3);
    expect(oracle.finish()).toEqual(["acknowledged out of order: t 1 after 2", "acknowledged twice: t 3"]);
  });

  it("describe the first differences of a kind, and count all", () => {
    const oracle = new Oracle(() => "kill 4");
    oracle.deliveries.subscribed({ name: "s", matches: () => true, exactlyOnce: () => true, ordered: true });
    publish(oracle, ...Array.from({ length: 2_000 }, (_, i) => i + 1));
    const found = oracle.finish();
    expect(found[0]).toBe("lost: s: t 1 (kill 4)");
    expect(found.at(-1)).toBe("lost: 2000 in all");
    expect(found).toHaveLength(9);
  });
});

describe("retained values", () => {
  function withValues(): Oracle {
    const oracle = new Oracle();
    oracle.retained.sent("t", 1, false);
    oracle.retained.acknowledge("t", 1);
    oracle.retained.sent("t", 2, false);
    return oracle;
  }

  it.each([1, 2])("accept the last acknowledged one and a later one: %i", (number) => {
    const oracle = withValues();
    const check = oracle.retained.begin();
    check.received("t", number);
    check.finish();
    expect(oracle.finish()).toEqual([]);
  });

  it("accept a value that was overwritten while it came", () => {
    const oracle = withValues();
    const check = oracle.retained.begin();
    oracle.retained.acknowledge("t", 2);
    check.received("t", 1);
    expect(oracle.finish()).toEqual([]);
  });

  it("find one that is too old, one that nobody sent, and one that is missing", () => {
    const oracle = withValues();
    oracle.retained.acknowledge("t", 2);
    oracle.retained.begin().received("t", 1);
    oracle.retained.begin().received("t", 3);
    const check = oracle.retained.begin();
    expect(check.missing()).toEqual(["t"]);
    check.finish();
    expect(oracle.finish()).toEqual([
      "retained value too old: t 1, acknowledged 2",
      "retained but never sent: t 3",
      "retained value missing: t, acknowledged 2",
    ]);
  });

  it("excuse one that was deleted and set again meanwhile", () => {
    const oracle = withValues();
    oracle.retained.acknowledge("t", 2);
    const check = oracle.retained.begin();
    oracle.retained.sent("t", 3, true);
    oracle.retained.sent("t", 4, false);
    oracle.retained.acknowledge("t", 3);
    oracle.retained.acknowledge("t", 4);
    check.finish();
    expect(oracle.finish()).toEqual([]);
    oracle.retained.begin().finish();
    expect(oracle.finish()).toEqual(["retained value missing: t, acknowledged 4"]);
  });

  it("find one that was deleted, and excuse one that may be deleted", () => {
    const oracle = withValues();
    oracle.retained.acknowledge("t", 2);
    oracle.retained.sent("t", 3, true);
    const during = oracle.retained.begin();
    expect(during.missing()).toEqual([]);
    oracle.retained.acknowledge("t", 3);
    const after = oracle.retained.begin();
    after.finish();
    expect(oracle.finish()).toEqual([]);
    after.received("t", 2);
    expect(oracle.finish()).toEqual(["retained value too old: t 2, acknowledged 3"]);
  });
});

describe("wills", () => {
  it("accept one that is due and comes once, and one of either kind that does not come", () => {
    const oracle = new Oracle();
    for (const name of ["a", "b"]) oracle.wills.carried(name);
    oracle.wills.decide("a", "due");
    expect(oracle.missing()).toBe(1);
    oracle.wills.receive("a");
    expect(oracle.missing()).toBe(0);
    expect(oracle.finish()).toEqual([]);
  });

  it("find one that is lost, doubled, unwanted or unknown", () => {
    const oracle = new Oracle();
    for (const name of ["lost", "doubled", "unwanted", "early"]) oracle.wills.carried(name);
    oracle.wills.decide("lost", "due");
    oracle.wills.receive("doubled");
    oracle.wills.receive("doubled");
    oracle.wills.decide("unwanted", "never");
    oracle.wills.receive("unwanted");
    oracle.wills.receive("early");
    oracle.wills.decide("early", "never");
    oracle.wills.receive("unknown");
    expect(oracle.finish()).toEqual([
      "will sent twice: doubled",
      "will sent although its client returned or closed: unwanted",
      "will sent although its client returned: early",
      "will that no connection had: unknown",
      "will lost: lost",
    ]);
  });
});
