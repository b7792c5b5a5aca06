import { PbfReader, PbfWriter } from "pbf";
import { writeText } from "../../domain/proto-text.ts";
import { readMessage, writeMessage } from "../store/codec/message-codec.ts";
import type { Message } from "../store/port.ts";

/** A message for one member of a shared subscription. */
export interface SharedMessage {
  /** `$share/group/filter` */
  readonly filter: string;
  readonly message: Message;
}

/** The bytes of a `weir.v1.MqttShared` (`domain/proto/weir/v1/mqtt_store.proto`). */
export function encodeShared({ filter, message }: SharedMessage): Uint8Array {
  const out = new PbfWriter();
  writeText(out, 1, filter);
  out.writeMessage(2, writeMessage, message);
  return out.finish();
}

export function decodeShared(bytes: Uint8Array): SharedMessage {
  const shared: { filter: string; message: Message | undefined } = { filter: "", message: undefined };
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.filter = pbf.readString();
    else if (field === 2) into.message = readMessage(pbf);
  }, shared);
  const { filter, message } = shared;
  if (message === undefined) throw new RangeError("a shared message is missing");
  return { filter, message };
}
