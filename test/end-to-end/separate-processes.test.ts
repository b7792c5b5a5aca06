import { join } from "node:path";
import mqtt from "mqtt";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import { STORED_STREAMS } from "../../storage/common/store.ts";
import { WeirProcess } from "../servers/weir-process.ts";
import { duckdbRows, tempFolder, WEIR, watchAlerts } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 200 };
const RULES = `
rules:
  - id: hot
    where: { metric: temperature }
    window: { tumbling: 1m }
    aggregate: [max, count]
    when: "> 50"
`;
const START_MS = Date.UTC(2026, 0, 1);
const STEP_MS = 20_000;
const PER_WINDOW = 60_000 / STEP_MS;
const WINDOWS_PER_ROUND = 60;
const DEVICES = ["a", "b", "c", "d", "e", "f"];
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function startProcesses() {
  const { path, remove } = await tempFolder({ "rules/hot.yaml": RULES });
  undo.push(remove);
  const logger = pino({ level: "silent" });
  const nats = await launchNatsServer({ dataDir: join(path, "nats"), logger });
  undo.push(() => nats.stop());
  const env = { WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token, WEIR_RULES_DIR: join(path, "rules") };
  const make = (name: string, flags: readonly string[] = []) => {
    const one = new WeirProcess({
      command: [process.execPath, WEIR],
      args: ["run", name, ...flags],
      dataDir: join(path, name),
      env,
      startMsMax: 60_000,
    });
    undo.push(() => one.kill());
    return one;
  };
  const edge = make("edge", ["--mqtt-port", "0"]);
  const feed = make("feed", ["--http-port", "0"]);
  const [processors, storage] = [make("processors"), make("storage")];
  // At the same time: none of them needs another to be there first.
  await Promise.all([edge, feed, processors, storage].map((one) => one.start()));
  return { path, edge, feed, processors, storage };
}

/** Hot in every second span of five minutes. */
function valueAt(window: number, place: number): number {
  return (Math.floor(window / 5) % 2 === 1 ? 60 : 10) + place;
}

/**
 * Publishes the windows of a round, for all devices, and does something else in the middle; resolves when every
 * message is acknowledged.
 */
async function publishRound(
  client: mqtt.MqttClient,
  round: number,
  inTheMiddle: () => Promise<unknown> = async () => {},
): Promise<void> {
  const sent: Promise<unknown>[] = [];
  let acknowledged = 0;
  let other: Promise<unknown> | undefined;
  const onAcknowledged = () => {
    acknowledged++;
    if (acknowledged === (WINDOWS_PER_ROUND * PER_WINDOW * DEVICES.length) / 2) other = inTheMiddle();
  };
  for (let step = 0; step < WINDOWS_PER_ROUND * PER_WINDOW; step++) {
    const at = round * WINDOWS_PER_ROUND * PER_WINDOW + step;
    const payload = JSON.stringify({
      ts: START_MS + at * STEP_MS,
      temperature: valueAt(Math.floor(at / PER_WINDOW), at % PER_WINDOW),
    });
    for (const device of DEVICES) {
      sent.push(client.publishAsync(`sensors/s/${device}/telemetry`, payload, { qos: 1 }).then(onAcknowledged));
    }
  }
  await Promise.all(sent);
  await other;
}

/** `device state window` of each change that the readings must cause, in all closed windows. */
function expectedChanges(windows: number): string[] {
  const changes: string[] = [];
  for (let window = 1; window < windows; window++) {
    const [hot, before] = [valueAt(window, 0) > 50, valueAt(window - 1, 0) > 50];
    if (hot === before) continue;
    for (const device of DEVICES) changes.push(`${device} ${hot ? "firing" : "resolved"} ${window}`);
  }
  return changes.sort();
}

test("four processes on one log: each of them may die, nothing is lost and nothing comes twice", async () => {
  const { path, edge, feed, processors, storage } = await startProcesses();
  const { changes } = await watchAlerts(undo, feed.ports.httpPort ?? 0);
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${edge.ports.mqttPort}`);
  undo.push(() => client.endAsync(true));

  await publishRound(client, 0);
  await publishRound(client, 1, () => processors.kill());
  await publishRound(client, 2);
  await processors.start();
  await publishRound(client, 3, () => storage.kill());
  await publishRound(client, 4, () => processors.kill());
  await Promise.all([processors.start(), storage.start()]);
  const windows = 5 * WINDOWS_PER_ROUND;
  // A last reading far ahead closes every window before it.
  const last = JSON.stringify({ ts: START_MS + windows * 60_000 + 3_600_000, temperature: 10 });
  for (const device of DEVICES) await client.publishAsync(`sensors/s/${device}/telemetry`, last, { qos: 1 });

  const expected = expectedChanges(windows);
  const described = () =>
    changes
      .map(({ key, state, evidence }) => {
        return `${key.device} ${state} ${(evidence.window.startUs / 1000 - START_MS) / 60_000}`;
      })
      .sort();
  await expect.poll(described, WAIT).toEqual(expected);

  const stored = DEVICES.length * (windows * PER_WINDOW + 1);
  // Of the running storage: the last report of the killed one stays, under its own name.
  const lines = new RegExp(
    `^weir_storage_lag_messages\\{.*service="storage",process="[^"]*-${storage.ports.pid}".*\\} (\\d+)$`,
    "gm",
  );
  const lag = async () => {
    const text = await (await fetch(`http://127.0.0.1:${feed.ports.httpPort}/metrics`)).text();
    return [...text.matchAll(lines)].map(([, count]) => Number(count));
  };
  await expect.poll(lag, WAIT).toEqual(STORED_STREAMS.map(() => 0));
  for (const one of [edge, processors, storage, feed]) expect(await one.stop()).toBe(0);
  const file = join(path, "storage", "history.duckdb");
  const readings = "SELECT count(*) AS all_rows, count(DISTINCT (device, time)) AS different FROM readings";
  expect(await duckdbRows(file, readings)).toEqual([{ all_rows: String(stored), different: String(stored) }]);
  const wrong = `WITH each AS (
      SELECT labels->>'device' AS device, start_time, aggregate, count(*) AS rows, max(value) AS value,
        (epoch_ms(start_time) - ${START_MS}) // 60000 AS number FROM windows GROUP BY ALL)
    SELECT count(*) FILTER (number < ${windows}) AS closed, count(*) FILTER (rows > 1) AS twice,
      count(*) FILTER (aggregate = 'count' AND value <> ${PER_WINDOW} AND number < ${windows}) AS miscounted,
      count(*) FILTER (aggregate = 'max' AND number < ${windows}
        AND value <> if((number // 5) % 2 = 1, 60, 10) + ${PER_WINDOW - 1}) AS wrong FROM each`;
  const closed = String(DEVICES.length * windows * 2);
  expect(await duckdbRows(file, wrong)).toEqual([{ closed, twice: "0", miscounted: "0", wrong: "0" }]);
  const alerts = "SELECT count(*) AS all_rows, count(DISTINCT id) AS different FROM alerts";
  const counted = String(expected.length);
  expect(await duckdbRows(file, alerts)).toEqual([{ all_rows: counted, different: counted }]);
}, 120_000);
