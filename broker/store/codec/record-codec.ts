import { PbfReader, PbfWriter } from "pbf";
import { writeText } from "../../../domain/proto-text.ts";
import type { Message, SessionRecord, StoredWill, Subscription } from "../port.ts";
import { qosOf, readMessage, writeMessage } from "./message-codec.ts";

/** A session as it is stored; `record` is undefined when it is deleted. */
export interface StoredRecord {
  readonly clientId: string;
  readonly epoch: number;
  readonly incarnation: number;
  readonly record: SessionRecord | undefined;
}

/** The bytes of a `weir.v1.MqttSession` (`domain/proto/weir/v1/mqtt_store.proto`). */
export function encodeRecord({ clientId, epoch, incarnation, record }: StoredRecord): Uint8Array {
  const out = new PbfWriter();
  writeText(out, 1, clientId);
  out.writeVarintField(2, epoch);
  if (record === undefined) out.writeBooleanField(3, true);
  out.writeVarintField(4, incarnation);
  if (record === undefined) return out.finish();
  writeText(out, 5, record.user);
  out.writeVarintField(6, record.expirySeconds);
  for (const subscription of record.subscriptions) out.writeMessage(7, writeSubscription, subscription);
  if (record.edge !== undefined) writeText(out, 8, record.edge);
  if (record.awayAtUs !== undefined) out.writeVarintField(9, record.awayAtUs);
  if (record.will !== undefined) out.writeMessage(10, writeWill, record.will);
  return out.finish();
}

function writeSubscription(subscription: Subscription, out: PbfWriter): void {
  writeText(out, 1, subscription.filter);
  out.writeVarintField(2, subscription.qos);
  out.writeBooleanField(3, subscription.noLocal);
  out.writeBooleanField(4, subscription.retainAsPublished);
  out.writeVarintField(5, subscription.retainHandling);
  if (subscription.identifier !== undefined) out.writeVarintField(6, subscription.identifier);
}

function writeWill({ message, delaySeconds, sender }: StoredWill, out: PbfWriter): void {
  out.writeMessage(1, writeMessage, message);
  out.writeVarintField(2, delaySeconds);
  if (sender !== undefined) writeText(out, 3, sender);
}

export function decodeRecord(bytes: Uint8Array): StoredRecord {
  const head = { clientId: "", epoch: 0, deleted: false, incarnation: 0, user: "", expirySeconds: 0 };
  const subscriptions: Subscription[] = [];
  const more: { edge?: string; awayAtUs?: number; will?: StoredWill } = {};
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.clientId = pbf.readString();
    else if (field === 2) into.epoch = pbf.readVarint();
    else if (field === 3) into.deleted = pbf.readBoolean();
    else if (field === 4) into.incarnation = pbf.readVarint();
    else if (field === 5) into.user = pbf.readString();
    else if (field === 6) into.expirySeconds = pbf.readVarint();
    else if (field === 7) subscriptions.push(readSubscription(pbf));
    else if (field === 8) more.edge = pbf.readString();
    else if (field === 9) more.awayAtUs = pbf.readVarint(true);
    else if (field === 10) more.will = readWill(pbf);
  }, head);
  const { clientId, epoch, deleted, incarnation, user, expirySeconds } = head;
  const record = deleted ? undefined : { clientId, user, expirySeconds, subscriptions, epoch, ...more };
  return { clientId, epoch, incarnation, record };
}

function readSubscription(pbf: PbfReader): Subscription {
  const head = { filter: "", qos: qosOf(0), noLocal: false, retainAsPublished: false };
  const more: { identifier?: number } = {};
  let retainHandling = qosOf(0);
  pbf.readMessage((field, into, inner) => {
    if (field === 1) into.filter = inner.readString();
    else if (field === 2) into.qos = qosOf(inner.readVarint());
    else if (field === 3) into.noLocal = inner.readBoolean();
    else if (field === 4) into.retainAsPublished = inner.readBoolean();
    else if (field === 5) retainHandling = qosOf(inner.readVarint());
    else if (field === 6) more.identifier = inner.readVarint();
  }, head);
  return { ...head, retainHandling, ...more };
}

function readWill(pbf: PbfReader): StoredWill {
  const will: { message: Message | undefined; delaySeconds: number } = { message: undefined, delaySeconds: 0 };
  const more: { sender?: string } = {};
  pbf.readMessage((field, into, inner) => {
    if (field === 1) into.message = readMessage(inner);
    else if (field === 2) into.delaySeconds = inner.readVarint();
    else if (field === 3) more.sender = inner.readString();
  }, will);
  const { message, delaySeconds } = will;
  if (message === undefined) throw new RangeError("a stored will has no message");
  return { message, delaySeconds, ...more };
}

/** The bytes of a `weir.v1.MqttRetained`; without a message, the topic has none any more. */
export function encodeRetained(topic: string, message: Message | null): Uint8Array {
  const out = new PbfWriter();
  writeText(out, 1, topic);
  if (message !== null) out.writeMessage(2, writeMessage, message);
  return out.finish();
}

export function decodeRetained(bytes: Uint8Array): { readonly topic: string; readonly message: Message | null } {
  const retained: { topic: string; message: Message | null } = { topic: "", message: null };
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.topic = pbf.readString();
    else if (field === 2) into.message = readMessage(pbf);
  }, retained);
  return retained;
}
