import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FakeGate, makeCertificate, startTestBroker, type TestBroker } from "../../broker/testing/test-support.ts";
import { UserError } from "../../domain/user-error.ts";
import type { Address, Target } from "./wire/wire.ts";

export interface Weir {
  readonly target: Target;
  readonly broker: TestBroker;
  stop(): Promise<void>;
}

/** Weir's broker in this process, on free ports, over each transport. By default its gate accepts everything at once. */
export async function startWeir(gate?: FakeGate): Promise<Weir> {
  const folder = await mkdtemp(join(tmpdir(), "weir-conformance-"));
  try {
    const tls = { ...(await makeCertificate(folder)), port: 0 };
    const test = await startTestBroker({ ws_port: 0, tls }, gate);
    const { mqttPort, wsPort, tlsPort } = test.broker.address;
    const at = (port: number): Address => ({ host: "127.0.0.1", port });
    const target: Target = {
      name: "Weir",
      tcp: at(mqttPort),
      ...(wsPort === undefined ? {} : { ws: at(wsPort) }),
      ...(tlsPort === undefined ? {} : { tls: at(tlsPort) }),
    };
    const stop = async () => {
      await test.stop();
      await rm(folder, { recursive: true, force: true });
    };
    return { target, broker: test, stop };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

const DEFAULT_PORTS: Readonly<Record<string, readonly ["tcp" | "ws" | "tls", number]>> = {
  "mqtt:": ["tcp", 1883],
  "mqtts:": ["tls", 8883],
  "ws:": ["ws", 80],
};

/** A broker that runs elsewhere. @throws UserError for an address without a known scheme, or without mqtt:// */
export function outsideTarget(urls: readonly string[]): Target {
  const found: Partial<Record<"tcp" | "ws" | "tls", Address>> = {};
  for (const text of urls) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const known = DEFAULT_PORTS[url?.protocol ?? ""];
    if (url === undefined || known === undefined) {
      throw new UserError(`--target ${text}: use mqtt://host:port, mqtts://host:port or ws://host:port`);
    }
    found[known[0]] = { host: url.hostname, port: Number(url.port || known[1]) };
  }
  const { tcp, ...others } = found;
  if (tcp === undefined) throw new UserError(`--target ${urls.join(" ")}: give a mqtt:// address, too`);
  return { name: urls.join(", "), tcp, ...others };
}
