import { MQTT_STREAMS, type StreamName } from "../../domain/subjects.ts";

/**
 * The least size of a stream, unless weir.yaml asks for less: below it, a burst of readings would drop others at
 * once.
 */
const SHARE_BYTES_MIN = 16 * 1_048_576;
/** Sessions of a small site need little, and what waits to go out needs nothing most of the time. */
const SMALL_SHARE_BYTES_MIN = 3 * 1_048_576;
const SMALL: ReadonlySet<StreamName> = new Set(["BRIDGES", ...MQTT_STREAMS]);
/** The rest is for checkpoints, the store, and the server's other files. */
const USABLE = 0.6;
/** Shares follow a disk that has grown by this factor, not every file that appears or disappears. */
const GROWTH_MIN = 1.25;

/** A stream that needs space. */
export interface StreamDemand {
  readonly name: StreamName;
  readonly wantedBytes: number;
  /** Undefined when the stream does not exist yet; Infinity without a limit. */
  readonly givenBytes: number | undefined;
  readonly heldBytes: number;
}

export type Division =
  | { readonly state: "fits"; readonly sizes: ReadonlyMap<StreamName, number> }
  | { readonly state: "scaled"; readonly sizes: ReadonlyMap<StreamName, number> }
  | { readonly state: "too-small"; readonly neededBytes: number };

/**
 * Divides a disk among the streams. If the wanted sizes do not fit, all shrink in proportion: never below
 * their minimum, and never below the wanted part of a stream's content. An existing stream keeps its size, unless
 * the others need its space or the disk has grown. Without missing streams, it always finds a division.
 */
export function divideDisk(streams: readonly StreamDemand[], freeBytes: number): Division {
  const missing = streams.filter(({ givenBytes }) => givenBytes === undefined);
  const neededBytes = Math.ceil(sumOf(missing, leastOf) / USABLE);
  if (neededBytes > freeBytes) return { state: "too-small", neededBytes };
  const room = USABLE * (freeBytes + sumOf(streams, ({ heldBytes }) => heldBytes));
  const wanted = new Map(streams.map(({ name, wantedBytes }) => [name, wantedBytes]));
  if (sumOf(streams, ({ wantedBytes }) => wantedBytes) <= room) return { state: "fits", sizes: wanted };
  const shares = scaled(streams, room);
  const shareOf = ({ name }: StreamDemand) => shares.get(name) ?? 0;
  const there = streams.filter(({ givenBytes }) => givenBytes !== undefined);
  const given = sumOf(there, ({ givenBytes = 0 }) => givenBytes);
  const crowded = missing.length > 0 && given + sumOf(missing, shareOf) > room;
  const grown = sumOf(there, shareOf) > GROWTH_MIN * given;
  const sizes = streams.map((stream): [StreamName, number] => {
    const { name, wantedBytes, givenBytes } = stream;
    const share = shareOf(stream);
    if (givenBytes === undefined || givenBytes > wantedBytes) return [name, share];
    if (crowded) return [name, Math.min(givenBytes, share)];
    return [name, grown ? Math.max(givenBytes, share) : givenBytes];
  });
  return { state: "scaled", sizes: new Map(sizes) };
}

/**
 * Proportional shares of the space. A stream whose share would be below its minimum gets its minimum; the others
 * share the rest.
 */
function scaled(streams: readonly StreamDemand[], room: number): ReadonlyMap<StreamName, number> {
  const floor = (stream: StreamDemand) => Math.max(leastOf(stream), Math.min(stream.heldBytes, stream.wantedBytes));
  const fixed = new Set<StreamDemand>();
  for (;;) {
    const open = streams.filter((stream) => !fixed.has(stream));
    const rest = Math.max(room - sumOf([...fixed], floor), 0);
    const ratio = rest / sumOf(open, ({ wantedBytes }) => wantedBytes);
    const below = open.filter((stream) => stream.wantedBytes * ratio < floor(stream));
    for (const stream of below) fixed.add(stream);
    if (below.length > 0) continue;
    return new Map(
      streams.map((stream) => [
        stream.name,
        fixed.has(stream) ? floor(stream) : Math.floor(stream.wantedBytes * ratio),
      ]),
    );
  }
}

export function leastOf({ name, wantedBytes }: Pick<StreamDemand, "name" | "wantedBytes">): number {
  return Math.min(wantedBytes, SMALL.has(name) ? SMALL_SHARE_BYTES_MIN : SHARE_BYTES_MIN);
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
