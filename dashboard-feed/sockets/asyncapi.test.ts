import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CHANNEL_KINDS, CHANNELS } from "../../contracts/feed/channels.ts";
import { CLIENT_FRAMES, clientFrameSchema, SERVER_FRAMES, serverFrameSchema } from "../../contracts/feed/frames.ts";
import { ERROR_CODES, type ErrorCode } from "../../contracts/feed/protocol.ts";
import { publishRaw } from "../../platform/log/testing/raw-bus.ts";
import { described } from "../testing/described-feed.ts";
import {
  alertChange,
  appendAlert,
  appendReadings,
  appendWindows,
  reading,
  startTestFeed,
  tokenFor,
  until,
  windowResult,
} from "../testing/test-kit.ts";
import { asyncApiText } from "./asyncapi.ts";

const { document, namesOf, payloadOf, wrongBy } = described;
const { messages } = document.components;
const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")));

const examples = Object.entries(messages).flatMap(([name, message]) =>
  message.examples.map((example, i) => ({ name, title: example.name ?? String(i), payload: example.payload })),
);

describe("docs/asyncapi.yaml", () => {
  it("matches this version (`weir asyncapi > docs/asyncapi.yaml`)", () => {
    expect(described.text).toBe(asyncApiText(version));
  });

  it("describes each frame, on the right side", () => {
    const typesOf = (schema: typeof clientFrameSchema | typeof serverFrameSchema) =>
      schema.options.map((option) => option.shape.type.value).sort();
    expect(namesOf("receive").sort()).toEqual(typesOf(clientFrameSchema));
    expect(namesOf("send").sort()).toEqual(typesOf(serverFrameSchema));
    // A frame's key in the table is its type on the wire.
    expect(Object.keys(CLIENT_FRAMES).sort()).toEqual(typesOf(clientFrameSchema));
    expect(Object.keys(SERVER_FRAMES).sort()).toEqual(typesOf(serverFrameSchema));
  });

  it.each(examples)("has a valid example: $name, $title", ({ name, payload }) => {
    const isClient = namesOf("receive").includes(name);
    const frame = (isClient ? clientFrameSchema : serverFrameSchema).parse(payload);
    expect(frame.type).toBe(name);
    // The implementation knows every member of the example.
    expect(frame).toEqual(payload);
    expect(wrongBy(payloadOf(name), payload)).toBeUndefined();
  });

  it("accepts and refuses the same client frames as the implementation", () => {
    const strange = [
      undefined,
      null,
      0,
      -1,
      0.1,
      20,
      21,
      true,
      "",
      "x",
      "x".repeat(65),
      "x".repeat(300),
      [],
      ["a"],
      {},
    ];
    const lists = [{ a: ["b", "c*"] }, { a: [] }, { a: [1] }, { a: Array.from({ length: 65 }, () => "x") }, { a: "b" }];
    let taken = 0;
    let refused = 0;
    for (const { payload } of examples.filter(({ name }) => namesOf("receive").includes(name))) {
      const frame = z.record(z.string(), z.unknown()).parse(payload);
      const names = [...Object.keys(frame), "cursor", "maxHz", "filter", "unknown"];
      for (const member of names) {
        for (const value of [...strange, ...lists]) {
          const { [member]: _, ...rest } = frame;
          const mutant: unknown = JSON.parse(JSON.stringify({ ...rest, [member]: value }));
          const takes = clientFrameSchema.safeParse(mutant).success;
          const type = z.object({ type: z.string() }).safeParse(mutant).data?.type ?? "";
          const says = namesOf("receive").includes(type) && wrongBy(payloadOf(type), mutant) === undefined;
          expect(says, JSON.stringify(mutant)).toBe(takes);
          if (takes) taken++;
          else refused++;
        }
      }
    }
    expect(taken).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(200);
  });

  it("has no dangling reference", () => {
    const references = [...described.text.matchAll(/\$ref: ["']?#\/([^"'\n]+)/g)].map(([, path]) => path ?? "");
    expect(references.length).toBeGreaterThan(20);
    for (const path of references) {
      const found = path.split("/").reduce<unknown>((at, name) => Object(at)[name], described.raw);
      expect(found, path).toBeDefined();
    }
  });
});

// The test clients check every frame that they send and receive. In this session they meet all kinds.
describe("a session with every frame and item", () => {
  it("matches the document, and uses every schema", async () => {
    const { secret, config } = tokenFor({ name: "ops" });
    const few = tokenFor({ name: "few", channels: ["readings"] });
    // One more than the channels, so that the last subscription exceeds the limit.
    const limits = { subscriptions_max: CHANNELS.length + 1 };
    const feed = await startTestFeed({ config: { tokens: [config, few.config], limits } });
    await appendReadings(feed.log, [reading({ atUs: 1 }), reading({ atUs: 1, metric: "door", value: true })]);
    await appendWindows(feed.log, { lastInput: 1 }, [windowResult({ startUs: 0 })]);
    await appendAlert(feed.log, alertChange());
    const codes = new Set<ErrorCode>();
    try {
      const client = await feed.connect();
      client.send({ type: "auth", token: secret });
      client.send({ type: "ping" });
      await client.waitFor("heartbeat");
      for (const channel of CHANNELS) client.send({ type: "subscribe", id: channel, channel, maxHz: 20 });
      client.send({ type: "subscribe", id: "old", channel: "alerts", cursor: "made up" });
      client.send({ type: "subscribe", id: "more", channel: "alerts" });
      client.send({ type: "unsubscribe", id: "no-such" });
      client.socket.send("{}");
      client.socket.send('{"type":"subscribe","id":"x","channel":"alarms"}');
      await client.waitFor("gap", "old");
      await client.waitFor("snapshot", "stats");
      publishRaw(feed.log.bus, "stats", "edge", {
        instance: "edge",
        atUs: 7,
        metrics: [{ name: "weir_up", help: "", type: "gauge", values: [{ value: 1, labels: {} }] }],
      });
      await until("items", () => CHANNELS.every((channel) => client.items(channel).length > 0));
      const limited = await feed.connect({ headers: { authorization: `Bearer ${few.secret}` } });
      limited.send({ type: "subscribe", id: "1", channel: "alerts" });
      for (let i = 0; i < 40; i++) limited.send({ type: "ping" });
      const stranger = await feed.connect();
      stranger.send({ type: "ping" });
      await until("closed", () => stranger.closeCode === 4401);
      await until("too fast", () =>
        limited.frames.some((frame) => "code" in frame && frame.code === "too-many-requests"),
      );
      for (const each of [client, limited, stranger]) {
        for (const frame of each.frames) if (frame.type === "error") codes.add(frame.code);
      }
    } finally {
      await feed.stop();
    }
    expect([...codes].sort()).toEqual(Object.keys(ERROR_CODES).sort());
    const items = Object.values(CHANNEL_KINDS).map(({ itemName }) => itemName);
    const payloads = Object.keys(messages).map(payloadOf);
    expect([...described.exercised].sort()).toEqual([...new Set([...items, ...payloads])].sort());
  });
});
