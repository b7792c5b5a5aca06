import { generate, type Packet, parser } from "mqtt-packet";
import type { MessageProperties } from "../../platform/publish-gate.ts";
import { messageProperties, packetProperties } from "../connection/properties.ts";

/** A message as it goes out. */
export interface OutgoingMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  readonly properties?: MessageProperties;
}

const FORMAT = { protocolVersion: 5 } as const;

/** An entry of the log is a sequence of these: PUBLISH packets of MQTT 5, whatever version they go out with. */
export function encodeMessage({ topic, payload, qos, retain, properties }: OutgoingMessage): Buffer {
  return generate(
    {
      cmd: "publish",
      topic,
      payload: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
      qos,
      retain,
      dup: false,
      // QoS 1 needs one; the real one is chosen when it is sent.
      ...(qos === 0 ? {} : { messageId: 1 }),
      ...(properties === undefined ? {} : { properties: packetProperties(properties) }),
    },
    FORMAT,
  );
}

/** The messages of an entry. Throws if it is damaged. */
export function decodeMessages(bytes: Uint8Array): OutgoingMessage[] {
  const messages: OutgoingMessage[] = [];
  const packets = parser(FORMAT);
  packets.on("packet", (packet: Packet) => {
    if (packet.cmd !== "publish") throw new Error(`a ${packet.cmd} packet`);
    const { topic, payload, qos, retain } = packet;
    const properties = messageProperties(packet.properties);
    const message = { topic, payload: Buffer.from(payload), qos: qos === 0 ? 0 : 1, retain } as const;
    messages.push(properties === undefined ? message : { ...message, properties });
  });
  packets.on("error", (error: Error) => {
    throw error;
  });
  const rest = packets.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (rest > 0) throw new Error(`${rest} bytes after the last message`);
  return messages;
}
