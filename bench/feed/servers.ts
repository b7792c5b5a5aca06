import { once } from "node:events";
import type { AddressInfo } from "node:net";
import pino from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import { feedConfigSchema } from "../../dashboard-feed/common/config.ts";
import { startDashboardFeed } from "../../dashboard-feed/dashboard-feed.ts";
import { windowsSubject } from "../../domain/subjects.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { encodeWindows } from "../../domain/windows-codec.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { type FeedLoad, FLUSH_MS, startSource } from "./world.ts";

/** The dashboard feed on a log in memory, with the source in the same process. Returns its port. */
export async function serveWeir(load: FeedLoad): Promise<number> {
  const log = createMemoryLog({ nowUs: systemClock.nowUs, messagesMax: 2_000 });
  const deps = { clock: systemClock, logger: pino({ level: "warn" }), log, metrics: createMetrics() };
  const feed = await startDashboardFeed(feedConfigSchema.parse({ port: 0 }), deps);
  let input = 0;
  startSource(load, (results) => {
    input++;
    const payload = encodeWindows({ partition: 0, firstInput: input, lastInput: input, part: 0, parts: 1, results });
    void log.append({ subject: windowsSubject(0), payload });
  });
  return feed.address.port;
}

/**
 * The obvious alternative to a feed: rooms, and a loop that sends the new results of a room to all its clients. No
 * filters, cursors, snapshots or bound for slow clients.
 */
export async function servePlain(load: FeedLoad): Promise<number> {
  const rooms = new Map<string, { pending: WindowResult[]; readonly members: Set<WebSocket> }>();
  const roomOf = (name: string) => {
    const room = rooms.get(name) ?? { pending: [], members: new Set<WebSocket>() };
    rooms.set(name, room);
    return room;
  };
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", (socket) => {
    socket.on("message", (data) => {
      const { id, filter }: { id: string; filter: { line: string } } = JSON.parse(String(data));
      roomOf(filter.line).members.add(socket);
      socket.send(JSON.stringify({ type: "snapshot", id, items: [] }));
    });
    socket.on("close", () => {
      for (const room of rooms.values()) room.members.delete(socket);
    });
  });
  await once(server, "listening");
  startSource(load, (results) => {
    for (const result of results) roomOf(result.labels.line ?? "").pending.push(result);
  });
  setInterval(() => {
    for (const [name, room] of rooms) {
      if (room.pending.length === 0) continue;
      const text = JSON.stringify({ type: "update", id: name, items: room.pending });
      room.pending = [];
      for (const member of room.members) member.send(text);
    }
  }, FLUSH_MS);
  return (server.address() as AddressInfo).port;
}
