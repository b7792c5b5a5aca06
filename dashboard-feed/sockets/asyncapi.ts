import { stringify } from "yaml";
import type { z } from "zod";
import { CHANNEL_KINDS, CHANNELS, isDeliveredAs } from "../../contracts/feed/channels.ts";
import { CLIENT_FRAMES, SERVER_FRAMES } from "../../contracts/feed/frames.ts";
import { SchemaDocument } from "../common/json-schema.ts";

const FRAMES = { ...CLIENT_FRAMES, ...SERVER_FRAMES };

/** AsyncAPI 3.0 for the feed, generated from the frames and channels that the server itself reads and writes. */
function asyncApiDocument(version: string): Record<string, unknown> {
  const schemas: Record<string, z.ZodType> = {};
  for (const { schemaName, schema } of Object.values(FRAMES)) schemas[schemaName] = schema;
  for (const { itemName, item } of Object.values(CHANNEL_KINDS)) schemas[itemName] = item;
  const components = new SchemaDocument(schemas, "draft-7").components();
  for (const { itemName, doc } of Object.values(CHANNEL_KINDS)) {
    components[itemName] = { description: doc, ...components[itemName] };
  }
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Weir dashboard feed",
      version,
      description: description(),
      license: { name: "Apache-2.0" },
    },
    defaultContentType: "application/json",
    servers: SERVERS,
    channels: {
      feed: { address: "/feed", title: "The WebSocket", messages: references(FRAMES, "components/messages") },
    },
    operations: {
      receiveFromClient: operation("receive", CLIENT_FRAMES),
      sendToClient: operation("send", SERVER_FRAMES),
    },
    components: {
      securitySchemes: SECURITY_SCHEMES,
      messages: Object.fromEntries(
        Object.entries(FRAMES).map(([name, { summary, schemaName, examples }]) => [
          name,
          { summary, payload: { $ref: `#/components/schemas/${schemaName}` }, examples },
        ]),
      ),
      schemas: withoutEmpty(components),
    },
  };
}

/** The document, as in `docs/asyncapi.yaml`. */
export function asyncApiText(version: string): string {
  return stringify(asyncApiDocument(version), { lineWidth: 0, blockQuote: "literal", aliasDuplicateObjects: false });
}

function description(): string {
  const channels = CHANNELS.map((channel) => {
    const pace = isDeliveredAs(channel, "changes") ? "Every change, immediately." : "Conflated to the client's pace.";
    return `- \`${channel}\`: ${CHANNEL_KINDS[channel].doc} ${pace}`;
  });
  return DESCRIPTION.replace("CHANNELS", channels.join("\n"));
}

function references(names: object, under: string): Record<string, { readonly $ref: string }> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, { $ref: `#/${under}/${name}` }]));
}

function operation(action: "receive" | "send", frames: object) {
  const messages = Object.values(references(frames, "channels/feed/messages"));
  return { action, channel: { $ref: "#/channels/feed" }, messages };
}

/**
 * Items may have further members, as the description says. Repeating `additionalProperties: {}` at each adds nothing.
 */
function withoutEmpty(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutEmpty);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(
        ([name, value]) =>
          !(name === "additionalProperties" && Object.keys(Object(value)).length === 0 && value !== false),
      )
      .map(([name, value]) => [name, withoutEmpty(value)]),
  );
}

const DESCRIPTION = `\
Live windows, alerts, readings, devices and statistics of the gateway, over one WebSocket.

Channels:

CHANNELS

Frames and subscriptions:

- Frames are JSON texts of at most 64 KiB from the client. The subprotocol is \`weir.v1\`; a client that offers none gets
  it, and one that offers only others is refused.
- A client subscribes to channels, each subscription with an id and an optional filter. It gets a \`snapshot\`, and then
  \`update\`s, without a gap or a repeat between the two.
- A long snapshot comes in pieces: the first as \`snapshot\`, the rest as \`update\`s right after it. Merge items by what
  names them (see each item).
- Each \`snapshot\` and \`update\` carries a \`cursor\`. A client that reconnects sends its last one and gets exactly what it
  missed, starting with an \`update\` (without items when it missed nothing). If the server no longer has what was missed,
  it sends a \`gap\` and then a \`snapshot\`. An \`update\` without items only moves the cursor.
- On a conflated channel, an update holds the newest version of each item that changed since the last one.
- The server keeps the newest windows of each rule and group. If it drops windows before it can send them, it
  sends a \`gap\` without a snapshot (which would not hold them either), and the updates continue.
- The server sends something at least every \`heartbeatMs\` (15 seconds): a \`heartbeat\` with its time, which a browser can
  see. A client may ask for one with \`ping\`. Every 30 seconds the server sends a WebSocket ping, and ends a connection
  that has not answered the last one.
- If the feed has tokens, a client sends one in the Authorization header, as a subprotocol, or in its first frame,
  \`auth\`, within 5 seconds. A token shows some channels and some sites; the server sends nothing of the rest.
- Ignore unknown members of items: a newer server may add some.

Limits (the defaults; all can be configured): 64 KiB for a frame from the client, 64 subscriptions a connection, 2,000
connections, 50 frames a second from the client on average, and 130 at once. A client with more than 256 KiB unsent
gets no updates except alerts, and the newest state afterwards. Beyond 4 MiB it gets no alerts either. If it then reads
hardly anything for 5 seconds, the server closes it with 4008.

Close codes: 1001 the server is shutting down; 1008 too many frames were refused; 1009 a frame was too large; 1011 an
error in the server; 4008 the client was too slow for its alerts; 4401 no token or an unknown one. After all but 1008,
1009 and 4401 a client should reconnect with its cursors, after a pause that grows and is partly random. Before the
handshake the server refuses with a status and a body of type \`application/problem+json\`: 400 another subprotocol, 401
an unknown token, 403 a foreign page or host name, 404 another path, 503 too many clients.
`;

const SERVERS = {
  gateway: {
    host: "localhost:8080",
    pathname: "/feed",
    protocol: "ws",
    security: ["bearer", "bearerSubprotocol", "firstFrame"].map((name) => ({
      $ref: `#/components/securitySchemes/${name}`,
    })),
  },
};

const SECURITY_SCHEMES = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "Where the feed has tokens: one of them in the Authorization header of the upgrade request.",
  },
  bearerSubprotocol: {
    type: "userPassword",
    description:
      "Browsers cannot set that header. They offer two subprotocols: `weir.v1`, and `weir.bearer.` followed by the token " +
      "as base64url without padding.",
  },
  firstFrame: {
    type: "userPassword",
    description:
      "Or they send the token as their first frame, `auth`. An unknown token gets an `error` and the close code 4401.",
  },
};
