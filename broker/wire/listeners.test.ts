import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { PortInUseError } from "../../platform/errors.ts";
import {
  FakeGate,
  makeCertificate,
  publishPacket,
  RawClient,
  startTestBroker,
  stopAll,
  until,
} from "../testing/test-support.ts";

afterEach(stopAll);

describe("listening", () => {
  it("on a taken port names the port and the setting that changes it", async () => {
    const { port } = await startTestBroker();
    const second = startTestBroker({ mqtt_port: port });
    await expect(second).rejects.toThrow(PortInUseError);
    await expect(second).rejects.toThrow(
      /127\.0\.0\.1:\d+: another program uses this port\. Choose another port with --mqtt-port/,
    );
  });

  it("on a taken WebSocket port leaves no listener behind", async () => {
    const taken = await startTestBroker();
    const { port, stop } = await startTestBroker();
    await stop();
    await expect(startTestBroker({ mqtt_port: port, ws_port: taken.port })).rejects.toThrow("--mqtt-ws-port");
    await startTestBroker({ mqtt_port: port });
  });

  it("speaks TLS", async () => {
    const folder = await mkdtemp(join(tmpdir(), "weir-tls-"));
    const { key_file, cert_file } = await makeCertificate(folder);
    const { broker, gate } = await startTestBroker({ tls: { cert_file, key_file, port: 0 } });
    const url = `mqtts://127.0.0.1:${broker.address.tlsPort}`;
    const client = await mqtt.connectAsync(url, { ca: [await readFile(cert_file)], reconnectPeriod: 0 });
    await client.publishAsync("a", "1", { qos: 1 });
    await client.endAsync();
    expect(gate.texts).toEqual(["a 1"]);
    await rm(folder, { recursive: true, force: true });
  });
});

describe("WebSocket", () => {
  it("is bounded in flight like TCP, and reading resumes", async () => {
    const limits = { inflight_per_client_max: 10 };
    const { broker, gate } = await startTestBroker({ ws_port: 0, limits }, new FakeGate({ held: true }));
    const url = `ws://127.0.0.1:${broker.address.wsPort}/mqtt`;
    const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
    let acknowledged = 0;
    for (let n = 0; n < 300; n++) void client.publishAsync("a", `${n}`, { qos: 1 }).then(() => acknowledged++);
    let mostPending = 0;
    await until(() => {
      mostPending = Math.max(mostPending, gate.pending.length);
      gate.release();
      return acknowledged === 300;
    }, "all acknowledgements");
    expect(mostPending).toBeLessThanOrEqual(10);
    await client.endAsync();
  });

  it("accepts any path and any program; pages of other origins only if configured", async () => {
    const { broker } = await startTestBroker({ ws_port: 0, ws_origins: ["https://panel.example"] });
    const open = (path: string, origin?: string) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(
          `ws://127.0.0.1:${broker.address.wsPort}${path}`,
          "mqtt",
          origin ? { origin } : {},
        );
        socket.on("open", () => {
          resolve(socket.protocol);
          socket.terminate();
        });
        socket.on("error", (error) => resolve(error.message));
      });
    expect(await open("/mqtt")).toBe("mqtt");
    expect(await open("/")).toBe("mqtt");
    expect(await open("/mqtt", "http://127.0.0.1:8080")).toBe("mqtt");
    expect(await open("/mqtt", "https://panel.example")).toBe("mqtt");
    expect(await open("/mqtt", "https://evil.example")).toContain("403");
  });

  it("answers plain HTTP with a hint", async () => {
    const { broker } = await startTestBroker({ ws_port: 0 });
    const response = await fetch(`http://127.0.0.1:${broker.address.wsPort}/`);
    expect(response.status).toBe(426);
  });
});

describe("reading over TCP", () => {
  it("single bytes yields the same messages", async () => {
    const { port, gate } = await startTestBroker();
    const client = await RawClient.connected(port);
    const { generate } = await import("mqtt-packet");
    const bytes = Buffer.concat([1, 2, 3].map((id) => generate(publishPacket("a/b", `m${id}`, { qos: 1, id }))));
    for (const byte of bytes) {
      client.sendBytes(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => client.ids("puback").length === 3, "the acknowledgements");
    expect(gate.texts).toEqual(["a/b m1", "a/b m2", "a/b m3"]);
  });
});
