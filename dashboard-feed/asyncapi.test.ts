import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  alertChangeSchema,
  deviceItemSchema,
  readingItemSchema,
  statsItemSchema,
  windowResultSchema,
} from "../contracts/feed/items.ts";
import { CHANNELS, type ErrorCode } from "../contracts/feed/protocol.ts";
import { described } from "./common/described.ts";
import { clientFrameSchema, serverFrameSchema } from "./common/frames.ts";
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
} from "./testing/test-kit.ts";

const { document, namesOf, payloadOf, wrongBy } = described;
const { messages, schemas } = document.components;

const frameTypes = (schema: typeof clientFrameSchema | typeof serverFrameSchema) =>
  schema.options.map((option) => option.shape.type.value);

const examples = Object.entries(messages).flatMap(([name, message]) =>
  message.examples.map((example, i) => ({ name, title: example.name ?? String(i), payload: example.payload })),
);

describe("docs/asyncapi.yaml", () => {
  it("describes each frame, and on the right side", () => {
    const client = frameTypes(clientFrameSchema);
    const server = frameTypes(serverFrameSchema);
    expect(Object.keys(messages).sort()).toEqual([...client, ...server].sort());
    expect(Object.keys(document.channels.feed.messages).sort()).toEqual([...client, ...server].sort());
    expect(namesOf("receive").sort()).toEqual([...client].sort());
    expect(namesOf("send").sort()).toEqual([...server].sort());
  });

  it.each(examples)("has an example that is what it says: $name, $title", ({ name, payload }) => {
    const isClient = namesOf("receive").includes(name);
    const frame = (isClient ? clientFrameSchema : serverFrameSchema).parse(payload);
    expect(frame.type).toBe(name);
    // What is parsed is all that was written: no member of an example is one that the implementation does not know.
    expect(frame).toEqual(payload);
    expect(wrongBy(payloadOf(name), payload)).toBeUndefined();
  });

  it("takes and refuses the same client frames as the implementation", () => {
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

  it("names the same members of items and frames as the implementation", () => {
    const frames = [...clientFrameSchema.options, ...serverFrameSchema.options];
    const shapes: Record<string, z.ZodObject> = {
      WindowResult: windowResultSchema,
      AlertChange: alertChangeSchema,
      ReadingItem: readingItemSchema,
      DeviceItem: deviceItemSchema,
      StatsItem: statsItemSchema,
    };
    for (const frame of frames) shapes[payloadOf(frame.shape.type.value)] = frame;
    for (const [name, schema] of Object.entries(shapes)) {
      const { properties } = z.object({ properties: z.record(z.string(), z.unknown()) }).parse(schemas[name]);
      expect(Object.keys(properties).sort(), name).toEqual(Object.keys(schema.shape).sort());
    }
    expect(schemas.Channel).toMatchObject({ enum: [...CHANNELS] });
    const { enum: codes } = z
      .object({ properties: z.object({ code: z.object({ enum: z.array(z.string()) }) }) })
      .parse(schemas.Error).properties.code;
    const known = serverFrameSchema.options.find((option) => option.shape.type.value === "error");
    expect(known?.safeParse({ type: "error", code: "no-such", message: "" }).success).toBe(false);
    for (const code of codes) expect(known?.safeParse({ type: "error", code, message: "" }).success, code).toBe(true);
  });

  it("has no reference into nothing", () => {
    const references = [...described.text.matchAll(/\$ref: ["']#\/([^"']+)["']/g)].map(([, path]) => path ?? "");
    expect(references.length).toBeGreaterThan(20);
    for (const path of references) {
      const found = path.split("/").reduce<unknown>((at, name) => Object(at)[name], described.raw);
      expect(found, path).toBeDefined();
    }
  });
});

// The clients of the tests check every frame that comes and goes; here they meet them all.
describe("a session that has everything in it", () => {
  it("is as the document says, and leaves no schema out", async () => {
    const { secret, config } = tokenFor({ name: "ops" });
    const few = tokenFor({ name: "few", channels: ["readings"] });
    const feed = await startTestFeed({ config: { tokens: [config, few.config], limits: { subscriptions_max: 6 } } });
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
      feed.log.bus.publish("stats.edge", {
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
    const every = z
      .object({ properties: z.object({ code: z.object({ enum: z.array(z.string()) }) }) })
      .parse(schemas.Error).properties.code.enum;
    expect([...codes].sort()).toEqual([...every].sort());
    const items = ["WindowResult", "AlertChange", "ReadingItem", "DeviceItem", "StatsItem"];
    const payloads = Object.keys(messages).map(payloadOf);
    expect([...described.exercised].sort()).toEqual([...new Set([...items, ...payloads])].sort());
  });
});
