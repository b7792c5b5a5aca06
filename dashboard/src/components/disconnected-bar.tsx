import type { JSX } from "preact";
import type { FeedStatus } from "../../../contracts/feed-client/feed-client.ts";
import { usePage } from "../app/page.ts";
import { formatAge } from "../lib/format.ts";

/** Shorter interruptions appear only in the header. */
const LONG_US = 3_000_000;

/** The first attempt to connect does not count: there was no connection to lose. */
export function isLost({ state, attempt }: FeedStatus): boolean {
  return state !== "open" && (attempt > 1 || state === "closed");
}

/** Shows the age of the data during a lost connection. It covers part of the page, so nothing moves. */
export function DisconnectedBar(): JSX.Element | null {
  const { status, nowUs, kiosk } = usePage();
  const { sinceMs } = status.value;
  if (!isLost(status.value)) return null;
  const awayUs = nowUs.value - sinceMs * 1000;
  if (awayUs < LONG_US && !kiosk) return null;
  return (
    <p class="disconnected-bar">
      No connection to the gateway for {formatAge(awayUs)}. You see the last known state. The page reconnects
      automatically.
    </p>
  );
}
