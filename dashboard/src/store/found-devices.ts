import { type ReadonlySignal, signal } from "@preact/signals";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import type { FeedClient } from "../../../contracts/feed-client/feed-client.ts";
import { type Device, deviceKey } from "../../../domain/reading.ts";
import { filterOf } from "./device-filter.ts";

/** Bounded: thousands of devices may share a name. */
const FOUND_MAX = 1_000;

/** The devices of one name that have some tags, and perhaps more. Follows the feed until `close`. */
export interface FoundDevices {
  /** Undefined until the gateway has answered. */
  readonly items: ReadonlySignal<readonly DeviceItem[] | undefined>;
  close(): void;
}

export function findDevices(options: {
  readonly asked: Device;
  readonly feed: Pick<FeedClient, "subscribe">;
  readonly maxHz: number;
  onItems(items: readonly DeviceItem[]): void;
}): FoundDevices {
  const { asked, feed, maxHz, onItems } = options;
  const byKey = new Map<string, DeviceItem>();
  const items = signal<readonly DeviceItem[] | undefined>(undefined);

  function apply(changed: readonly DeviceItem[]): void {
    // The feed's filter has wildcards, and a name may contain them.
    const own = changed.filter((item) => has(item, asked));
    for (const item of own) {
      const key = deviceKey(item);
      if (byKey.size < FOUND_MAX || byKey.has(key)) byKey.set(key, item);
    }
    items.value = [...byKey.values()];
    onItems(own);
  }
  const subscription = feed.subscribe(
    { channel: "devices", filter: filterOf(asked), maxHz },
    {
      onSnapshot(snapshot) {
        byKey.clear();
        apply(snapshot);
      },
      onUpdate: apply,
      onRemoved(removed) {
        for (const device of removed) byKey.delete(deviceKey(device));
        items.value = [...byKey.values()];
      },
    },
  );
  return { items, close: subscription.end };
}

/** The one that the address means: the device with exactly these tags, or the only one with these and more. */
export function theDevice(asked: Device, items: readonly Device[]): Device | undefined {
  const key = deviceKey(asked);
  const exact = items.find((item) => deviceKey(item) === key);
  const only = items.length === 1 ? items[0] : undefined;
  const { device, tags } = exact ?? only ?? {};
  return device === undefined || tags === undefined ? undefined : { device, tags };
}

function has(item: Device, { device, tags }: Device): boolean {
  return item.device === device && Object.entries(tags).every(([name, value]) => item.tags[name] === value);
}
