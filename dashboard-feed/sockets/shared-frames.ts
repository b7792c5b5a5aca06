import type { Position } from "../cursor.ts";
import type { Channel } from "../protocol.ts";
import { type Batch, collect, type Matches, type StateView } from "../views/view.ts";
import { itemsFrame } from "./outlet.ts";

export interface FrameRequest {
  readonly channel: Channel;
  readonly id: string;
  readonly filterKey: string;
  readonly view: StateView;
  readonly matches: Matches;
  readonly after: Position;
  readonly bytesMax: number;
}

/**
 * Clients with equal filters are at equal positions after their first flush, since all flush at the same ticks. So
 * what one of them is sent serves the others: the items always, the whole frame when they also chose equal ids.
 */
export class SharedFrames {
  readonly #batches = new Map<string, Batch>();
  readonly #frames = new Map<string, Buffer>();

  batch(request: FrameRequest): Batch {
    const key = keyOf(request);
    let batch = this.#batches.get(key);
    if (batch === undefined) {
      batch = collect(request.view, request.matches, { after: request.after, bytesMax: request.bytesMax });
      this.#batches.set(key, batch);
    }
    return batch;
  }

  frame(kind: "snapshot" | "update", request: FrameRequest, batch: Batch): Buffer {
    const key = `${kind} ${keyOf(request)} ${request.id}`;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      frame = Buffer.from(itemsFrame(kind, request, { position: batch.position, text: batch.items }));
      this.#frames.set(key, frame);
    }
    return frame;
  }

  /** At every tick: what was shared is not kept. */
  clear(): void {
    this.#batches.clear();
    this.#frames.clear();
  }
}

function keyOf({ channel, filterKey, after, view }: FrameRequest): string {
  return `${channel} ${after} ${view.head} ${filterKey}`;
}
