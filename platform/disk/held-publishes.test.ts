import { expect, test } from "vitest";
import type { InboundMessage } from "../publish-gate.ts";
import { HeldPublishes } from "./held-publishes.ts";

function message(text: string): InboundMessage {
  const payload = new TextEncoder().encode(text);
  return { topic: "t", payload, qos: 1, retain: false, clientId: "c", receivedAtUs: 1 };
}

function gate() {
  const arrived: string[] = [];
  const state = { shut: false };
  const held = new HeldPublishes(
    {
      accept({ payload }, done) {
        arrived.push(new TextDecoder().decode(payload));
        done();
      },
    },
    () => state.shut,
  );
  return { arrived, state, held };
}

test("while it is shut, messages wait without an acknowledgement; then they arrive in order, as they were", () => {
  const { arrived, state, held } = gate();
  const done: string[] = [];
  state.shut = true;
  const first = message("one");
  held.accept(first, () => done.push("one"));
  held.accept(message("two"), () => done.push("two"));
  // The sender uses its buffer again.
  first.payload.fill(0);
  expect([arrived, done, held.waiting]).toEqual([[], [], 2]);
  state.shut = false;
  held.accept(message("three"), () => done.push("three"));
  expect(arrived).toEqual([]);
  held.release();
  expect(arrived).toEqual(["one", "two", "three"]);
  expect(done).toEqual(["one", "two", "three"]);
  held.accept(message("four"), () => done.push("four"));
  expect(done).toHaveLength(4);
});

test("when the gateway stops, what waits is refused, so that its clients send it again elsewhere", () => {
  const { arrived, state, held } = gate();
  const refused: (string | undefined)[] = [];
  state.shut = true;
  held.accept(message("one"), (error) => refused.push(error?.message));
  held.refuse(new Error("full"));
  held.accept(message("two"), (error) => refused.push(error?.message));
  expect(refused).toEqual(["full", "full"]);
  expect(arrived).toEqual([]);
});
