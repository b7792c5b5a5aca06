import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, test } from "vitest";
import { mqttJs } from "./libraries/mqtt-js.ts";
import { Trial, until } from "./scenarios/trial.ts";
import { startTarget } from "./targets/start-target.ts";
import { type Target, USER } from "./targets/target.ts";

/** The command line clients of Eclipse Mosquitto, over TCP and TLS. */
const library = mqttJs();
let target: Target | undefined;

beforeAll(async () => {
  target = await startTarget();
});

afterAll(async () => {
  await library.stop();
  await target?.stop();
});

interface Program {
  readonly said: () => string;
  readonly ended: Promise<number | null>;
}

function run(program: string, args: readonly string[]): Program {
  const child = spawn(program, [...args], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said += chunk;
    });
  }
  return { said: () => said, ended: new Promise((resolve) => child.once("close", resolve)) };
}

for (const version of [4, 5] as const) {
  for (const transport of ["tcp", "tls"] as const) {
    describe(`mosquitto_pub and mosquitto_sub, MQTT ${version === 5 ? "5" : "3.1.1"} over ${transport}`, () => {
      function trialOf(): { readonly trial: Trial; readonly at: readonly string[] } {
        if (target === undefined) throw new Error("no broker");
        const { host, ports, caFile } = target;
        const at = ["-h", host, "-p", `${ports[transport]}`, "-u", USER.username, "-P", USER.password];
        at.push("-V", version === 5 ? "mqttv5" : "mqttv311", ...(transport === "tls" ? ["--cafile", caFile] : []));
        return { trial: new Trial({ library, version, transport, target }), at };
      }

      test.each([0, 1, 2])("QoS %i both ways", async (qos) => {
        const { trial, at } = trialOf();
        const topic = trial.topic("readings/level");
        const subscribe = ["-t", topic, "-q", `${qos}`, "-C", "3", "-F", "%t %p %q %r"];
        // Retained: it arrives however late the subscription is. Acknowledged: the broker has it before.
        const first = run("mosquitto_pub", [...at, "-t", topic, "-q", `${Math.max(qos, 1)}`, "-m", "first", "-r"]);
        assert.equal(await first.ended, 0, first.said());
        const receives = run("mosquitto_sub", [...at, ...subscribe]);
        await until(
          () => receives.said().includes("first"),
          () => `the retained message, got ${receives.said()}`,
        );
        const lines = run("mosquitto_pub", [...at, "-t", topic, "-q", `${qos}`, "-m", "again", "--repeat", "2"]);
        assert.equal(await lines.ended, 0, lines.said());
        assert.equal(await receives.ended, 0, receives.said());
        const expected = [`first ${qos} 1`, `again ${qos} 0`, `again ${qos} 0`].map((rest) => `${topic} ${rest}`);
        assert.deepEqual(receives.said().trim().split("\n"), expected);
      });

      test("a session keeps messages between two runs", async () => {
        const { trial, at } = trialOf();
        const topic = trial.topic("readings/level");
        const session = ["-i", trial.clientId("sub"), "-c", ...(version === 5 ? ["-x", "600"] : [])];
        const begins = run("mosquitto_sub", [...at, ...session, "-t", topic, "-q", "1", "-E"]);
        assert.equal(await begins.ended, 0, begins.said());
        for (const text of ["one", "two"]) {
          const sends = run("mosquitto_pub", [...at, "-t", topic, "-q", "1", "-m", text]);
          assert.equal(await sends.ended, 0, sends.said());
        }
        const gets = run("mosquitto_sub", [...at, ...session, "-t", topic, "-q", "1", "-C", "2"]);
        assert.equal(await gets.ended, 0, gets.said());
        assert.equal(gets.said(), "one\ntwo\n");
      });

      test("a will is sent when the client ends without a DISCONNECT", async () => {
        const { trial, at } = trialOf();
        const watch = await trial.connect("watch");
        await watch.subscribe([{ filter: trial.topic("will"), qos: 1 }]);
        const will = ["--will-topic", trial.topic("will"), "--will-payload", "gone", "--will-qos", "1"];
        const args = [...at, ...will, "-t", trial.topic("a"), "-q", "1"];
        const child = spawn("mosquitto_sub", args, { stdio: ["ignore", "pipe", "ignore"] });
        let said = "";
        child.stdout.on("data", (chunk: Buffer) => {
          said += chunk;
        });
        await watch.publish({ topic: trial.topic("a"), payload: "here", qos: 1, retain: true });
        await until(() => said.includes("here"), "its first message");
        child.kill("SIGKILL");
        await until(() => watch.messages.length === 1, "the will");
        assert.equal(watch.messages[0]?.payload, "gone");
        await trial.end();
      });

      test("a wrong password ends it with an error", async () => {
        const { trial, at } = trialOf();
        const tries = run("mosquitto_pub", [...at, "-P", "wrong", "-t", trial.topic("a"), "-q", "1", "-m", "x"]);
        assert.notEqual(await tries.ended, 0);
        assert.match(tries.said(), /not authori[sz]ed|bad user ?name or password/i);
      });

      if (version !== 5) return;
      test("properties, and a question that mosquitto_rr asks", async () => {
        const { trial, at } = trialOf();
        const answers = await trial.connect("answers");
        await answers.subscribe([{ filter: trial.topic("question"), qos: 1 }]);
        const property = (...rest: readonly string[]) => ["-D", "publish", ...rest];
        const asks = run("mosquitto_rr", [
          ...[...at, "-t", trial.topic("question"), "-e", trial.topic("answer"), "-q", "1", "-m", "5?", "-W", "8"],
          ...property("user-property", "unit", "m"),
          ...property("content-type", "text/plain"),
          ...property("correlation-data", "c-1"),
        ]);
        await until(
          () => answers.messages.length === 1,
          () => `the question: ${asks.said()}`,
        );
        const { properties } = answers.messages[0] ?? { properties: {} };
        assert.deepEqual(properties, {
          contentType: "text/plain",
          responseTopic: trial.topic("answer"),
          correlationData: "c-1",
          userProperties: [["unit", "m"]],
        });
        const { responseTopic = "", correlationData = "" } = properties;
        await answers.publish({ topic: responseTopic, payload: "5 m", qos: 1, properties: { correlationData } });
        assert.equal(await asks.ended, 0, asks.said());
        assert.equal(asks.said(), "5 m\n");
        await trial.end();
      });
    });
  }
}
