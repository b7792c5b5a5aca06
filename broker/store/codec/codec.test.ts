import { fileURLToPath } from "node:url";
import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import type { Message, MessageProperties, SessionRecord, Subscription } from "../port.ts";
import { Progress } from "../progress.ts";
import { originKey } from "../tokens.ts";
import { decodeCopies, decodeFrameHead, encodeFrame, type FrameCopy } from "./frame-codec.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";
import { decodeProgress, encodeProgress, type StoredProgress } from "./progress-codec.ts";
import { decodeRecord, decodeRetained, encodeRecord, encodeRetained } from "./record-codec.ts";

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => {
  return fileURLToPath(new URL(`../../../domain/proto/${target.replace(/^.*proto\//, "")}`, import.meta.url));
};
const schema = root.loadSync("weir/v1/mqtt_store.proto");

/** As a Protobuf library reads it from the schema. */
function decoded(type: string, bytes: Uint8Array) {
  const message = schema.lookupType(`weir.v1.${type}`);
  return message.toObject(message.decode(bytes), { longs: Number, defaults: true, arrays: true });
}

const text = fc.string({ unit: "binary", maxLength: 12 });
const bytes = fc.uint8Array({ maxLength: 12 });
const instant = fc.integer({ min: 0, max: 2 ** 52 });
const qos = fc.constantFrom(0, 1, 2);
const properties: fc.Arbitrary<MessageProperties> = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    contentType: text,
    responseTopic: text,
    correlationData: bytes,
    userProperties: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: [] },
);
const message = fc.record(
  {
    ...{ topic: text, payload: bytes, qos, retain: fc.boolean(), publisher: text, receivedAtUs: instant },
    ...{ properties, expiresAtUs: instant, origin: text },
  },
  { requiredKeys: ["topic", "payload", "qos", "retain", "publisher", "receivedAtUs"] },
) as fc.Arbitrary<Message>;
const subscription = fc.record(
  {
    ...{ filter: text, qos, noLocal: fc.boolean(), retainAsPublished: fc.boolean(), retainHandling: qos },
    identifier: fc.integer({ min: 1, max: 268_435_455 }),
  },
  { requiredKeys: ["filter", "qos", "noLocal", "retainAsPublished", "retainHandling"] },
) as fc.Arbitrary<Subscription>;
const record = fc.record(
  {
    ...{ clientId: text, user: text, expirySeconds: fc.integer({ min: 0, max: 0xffff_ffff }) },
    ...{ subscriptions: fc.array(subscription, { maxLength: 3 }), epoch: instant, edge: text, awayAtUs: instant },
    will: fc.record(
      { message, delaySeconds: fc.integer({ min: 0, max: 0xffff_ffff }), sender: fc.string() },
      { requiredKeys: ["message", "delaySeconds"] },
    ),
  },
  { requiredKeys: ["clientId", "user", "expirySeconds", "subscriptions", "epoch"] },
) as fc.Arbitrary<SessionRecord>;
const copy: fc.Arbitrary<FrameCopy> = fc.record({
  ...{ message, qos: fc.constantFrom(1, 2), retain: fc.boolean() },
  identifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 3 }),
});

test("records come back as they were, and a Protobuf library reads the same", () => {
  fc.assert(
    fc.property(record, instant, (given, incarnation) => {
      const { clientId, epoch } = given;
      const stored = { clientId, epoch, incarnation, record: given };
      const encoded = encodeRecord(stored);
      expect(decodeRecord(encoded)).toEqual(stored);
      expect(decoded("MqttSession", encoded)).toMatchObject({
        ...{ clientId, epoch, incarnation, user: given.user, expirySeconds: given.expirySeconds },
        ...(given.edge === undefined ? {} : { edge: given.edge }),
        ...(given.awayAtUs === undefined ? {} : { awayAtUs: given.awayAtUs }),
        ...(given.subscriptions.length === 0 ? {} : { subscriptions: given.subscriptions }),
      });
      const deleted = { clientId, epoch, incarnation, record: undefined };
      expect(decodeRecord(encodeRecord(deleted))).toEqual(deleted);
      expect(decoded("MqttSession", encodeRecord(deleted)).deleted).toBe(true);
    }),
  );
});

test("frames come back as they were, and a Protobuf library reads the same", () => {
  fc.assert(
    fc.property(fc.array(copy, { maxLength: 4 }), instant, (copies, hint) => {
      const head = { writer: "w", messagesHint: hint, bytesHint: 7, count: copies.length, bytes: hint };
      const encoded = encodeFrame(
        head,
        copies.map(({ message: each, ...more }) => ({ ...more, encoded: encodeMessage(each) })),
      );
      expect(decodeFrameHead(encoded)).toEqual(head);
      expect(decodeCopies(encoded)).toEqual(copies);
      for (const each of copies) expect(decodeMessage(encodeMessage(each.message))).toEqual(each.message);
      const { copies: read = [], ...others } = decoded("MqttQueueFrame", encoded);
      expect(others).toEqual(head);
      for (const [i, each] of copies.entries()) {
        expect(read[i]).toMatchObject({ qos: each.qos, message: { topic: each.message.topic } });
        expect([...read[i].message.payload]).toEqual([...each.message.payload]);
        const { userProperties = [] } = each.message.properties ?? {};
        expect(read[i].message.userProperties ?? []).toEqual(userProperties.map(([name, value]) => ({ name, value })));
      }
    }),
  );
});

test("progress and retained messages come back as they were", () => {
  const ordinals = fc.uniqueArray(instant, { maxLength: 5 });
  const incoming = fc.array(fc.tuple(fc.integer({ min: 1, max: 65_535 }), instant, fc.boolean()), { maxLength: 4 });
  const origins = fc.uniqueArray(text, { maxLength: 4 });
  const takers = fc.array(fc.tuple(instant, text), { maxLength: 3 });
  const sent = fc.option(fc.integer({ min: -1, max: 2 ** 40 }), { nil: undefined });
  fc.assert(
    fc.property(
      ordinals,
      ordinals,
      incoming,
      origins,
      takers,
      sent,
      (finished, received, ids, names, taken, sentUpTo) => {
        const progress = new Progress();
        progress.cursor = 3;
        for (const each of finished) progress.finished.add(each);
        for (const each of received) progress.received.add(each);
        for (const [packetId, receivedAtUs, stored] of ids) progress.incoming.set(packetId, { receivedAtUs, stored });
        for (const each of names) progress.origins.add(originKey(each));
        for (const [ordinal, clientId] of taken) progress.takers.set(ordinal, clientId);
        const heads = { epoch: 2 ** 40, incarnation: 2, doneSequence: 2 ** 45, doneMessages: 4, doneBytes: 5 };
        const stored: StoredProgress = { ...heads, sentUpTo, progress };
        const encoded = encodeProgress(stored);
        const read = decodeProgress(encoded);
        expect(read).toEqual(stored);
        expect([...read.progress.received]).toEqual([...progress.received]);
        expect([...read.progress.origins]).toEqual([...progress.origins]);
        expect(decoded("MqttProgress", encoded)).toMatchObject({ ...heads, cursor: 3 });
      },
    ),
  );
  fc.assert(
    fc.property(fc.option(message), (given) => {
      const encoded = encodeRetained("a/b", given);
      expect(decodeRetained(encoded)).toEqual({ topic: "a/b", message: given });
      expect(decoded("MqttRetained", encoded).topic).toBe("a/b");
    }),
  );
});
