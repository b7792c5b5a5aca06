import { afterAll, beforeAll, expect, test } from "vitest";
import { type Alertmanager, startAlertmanager } from "../../test/servers/alertmanager.ts";
import { startNotifier } from "../notifier.ts";
import { startHttpTarget } from "../testing/http-target.ts";
import { describeTarget, SECRET } from "../testing/target-conformance.ts";
import { notificationOf, targetOf } from "../testing/target-kit.ts";
import { configOf, eventually, startSink, testDeps, writeChange } from "../testing/test-kit.ts";

interface AmAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly updatedAt: string;
  readonly generatorURL: string;
}

let alertmanager: Alertmanager;
beforeAll(async () => {
  alertmanager = await startAlertmanager();
});
afterAll(() => alertmanager.stop());

describeTarget("alertmanager", {
  start: () =>
    startHttpTarget((url) => ({
      settings: { url_env: "ALERTMANAGER", headers_env: { authorization: "TOKEN" } },
      options: { environment: { ALERTMANAGER: `${url}/${SECRET}`, TOKEN: `Bearer ${SECRET}` } },
    })),
});

async function active(): Promise<AmAlert[]> {
  return (await fetch(`${alertmanager.url}/api/v2/alerts?active=true`)).json() as Promise<AmAlert[]>;
}

test("an alert appears in Alertmanager, is kept alive while it fires, and disappears when it resolves", async () => {
  const deps = testDeps();
  const receivers = { ops: [{ alertmanager: { url: alertmanager.url, resend: "1s" } }] };
  const service = await startNotifier(configOf(receivers, { external_url: "https://weir.example/" }), deps);
  try {
    const nowUs = Date.now() * 1_000;
    const started = {
      device: "d-1",
      atUs: nowUs,
      labels: { "line no": "7", empty: "" },
      severity: "critical",
    } as const;
    const change = await writeChange(deps.log, started);
    await eventually("it appears", async () => (await active()).length === 1);
    const [first] = await active();
    expect(first).toMatchObject({
      labels: { alertname: "hot", severity: "critical", device: "d-1", site: "north", line_no: "7" },
      annotations: { summary: "d-1 is warm", incident: change.incident, value: "9.5" },
      generatorURL: "https://weir.example/#/alerts",
    });
    expect(Date.parse(first?.startsAt ?? "")).toBe(Math.floor(nowUs / 1_000));
    expect(first?.labels).not.toHaveProperty("empty");
    await eventually("it is sent again", async () => (await active())[0]?.updatedAt !== first?.updatedAt);
    expect((await active())[0]?.startsAt).toBe(first?.startsAt);
    const severities = async () => (await active()).map(({ labels }) => labels.severity);
    await writeChange(deps.log, { ...started, severity: "info", severityBefore: "critical", atUs: nowUs });
    await eventually("only the new severity is active", async () => (await severities()).join() === "info");
    await writeChange(deps.log, { ...started, severity: "critical", severityBefore: "info", atUs: nowUs });
    await eventually("it is as before", async () => (await severities()).join() === "critical");
    await writeChange(deps.log, { ...started, state: "resolved", atUs: nowUs });
    await eventually("it is gone", async () => (await active()).length === 0);
    // Nothing is resent after the end. Alertmanager can show the end before its answer arrives.
    const delivered = () => deps.figure("weir_notifier_messages_total", { outcome: "delivered" });
    await eventually("the end is counted", async () => (await delivered()) >= 2);
    expect(await delivered()).toBe(4);
  } finally {
    await service.stop();
  }
});

test("a large group arrives in posts of 250 alerts", async () => {
  const sink = await startSink();
  try {
    const target = targetOf("alertmanager", { url: sink.url });
    const { changes } = notificationOf(600);
    expect(await target.keepAlive?.send(changes, AbortSignal.timeout(10_000))).toEqual({ kind: "delivered" });
    expect(sink.received.map(({ body }) => JSON.parse(body).length)).toEqual([250, 250, 100]);
  } finally {
    await sink.close();
  }
});

test("firing alerts are resent after a restart, and while Alertmanager is down", async () => {
  const sink = await startSink();
  const deps = testDeps();
  const config = configOf({ ops: [{ alertmanager: { url: sink.url, resend: "1s" } }] });
  try {
    const first = await startNotifier(config, deps);
    await writeChange(deps.log, { atUs: Date.now() * 1_000 });
    await eventually("it is sent", () => sink.received.length > 0);
    await eventually("that is in the log", async () => (await deps.log.bounds("NOTIFICATIONS")).messages > 0);
    await first.stop();
    const before = sink.received.length;
    sink.answer = (_, response) => response.writeHead(503).end();
    const again = testDeps({ log: deps.log });
    const second = await startNotifier(config, again);
    await eventually("it is sent again", () => sink.received.length > before + 1);
    expect(again.lines.some(({ msg }) => msg.includes("could not be sent again"))).toBe(true);
    await second.stop();
  } finally {
    await sink.close();
  }
});
