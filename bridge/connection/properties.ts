import type { IPublishPacket } from "mqtt-packet";
import type { MessageProperties } from "../../platform/publish-gate.ts";

type PacketProperties = NonNullable<IPublishPacket["properties"]>;

/** The properties of a PUBLISH that belong to its message; undefined if it has none. */
export function messageProperties(properties: PacketProperties | undefined): MessageProperties | undefined {
  if (properties === undefined) return undefined;
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties = {} } = properties;
  const pairs = Object.entries(userProperties).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  );
  const kept: MessageProperties = {
    ...(payloadFormatIndicator === undefined ? {} : { payloadFormatIndicator }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData }),
    ...(pairs.length === 0 ? {} : { userProperties: pairs }),
  };
  return Object.keys(kept).length === 0 ? undefined : kept;
}

/** The properties of a PUBLISH with these of its message. */
export function packetProperties(properties: MessageProperties): PacketProperties {
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties;
  // Without a prototype: a name may be that of one of its members.
  const user: Record<string, string[]> = Object.create(null);
  for (const [name, value] of userProperties ?? []) {
    const values = user[name];
    if (values === undefined) user[name] = [value];
    else values.push(value);
  }
  return {
    ...(payloadFormatIndicator === undefined ? {} : { payloadFormatIndicator }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData) }),
    ...(userProperties === undefined ? {} : { userProperties: user }),
  };
}
