import { pino } from "pino";
import { expect, test } from "vitest";
import { ConnectionEvents } from "./events.ts";

test("each cause of a failed connection is logged at once, and then quietly", () => {
  const lines: string[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
  const counts = { connected: 0, disconnected: 0, refused: 0 };
  const events = new ConnectionEvents(logger, counts);
  for (let i = 0; i < 20; i++) events.connectionLost(`d${i}`, "connect ECONNREFUSED 127.0.0.1:1");
  for (let i = 0; i < 500; i++) events.attemptFailed(`d${i}`, "connect ECONNREFUSED 127.0.0.1:1");
  events.connectionRefused("d1", 5);
  events.connectionOpened("d1", 0);
  events.connectionLost("d1", "connection closed");
  expect(lines).toEqual([
    "no connection to the broker (connect ECONNREFUSED 127.0.0.1:1); trying again",
    "the broker refused the connection (not authorised); trying again",
    "connected to the broker again",
    "no connection to the broker (connection closed); trying again",
  ]);
  expect(counts).toEqual({ connected: 1, disconnected: 21, refused: 1 });
});
