import { WebSocket } from "ws";
import { type ServerFrame, SUBPROTOCOL } from "../contracts/feed/protocol.ts";

/** Subscribes to windows and readings as a page does, and counts the items. */
export async function countFeed(httpPort: number): Promise<{ items: () => number; close: () => void }> {
  const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/feed`, SUBPROTOCOL);
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  let items = 0;
  socket.on("message", (data) => {
    const frame: ServerFrame = JSON.parse(String(data));
    if (frame.type === "update" || frame.type === "snapshot") items += frame.items.length;
  });
  for (const [i, channel] of (["windows", "readings", "devices", "alerts"] as const).entries()) {
    socket.send(JSON.stringify({ type: "subscribe", id: String(i), channel }));
  }
  return { items: () => items, close: () => socket.terminate() };
}
