import type { JSX } from "preact";
import type { FeedStatus } from "../../../contracts/feed-client/feed-client.ts";
import { usePage } from "../app/page.ts";
import { formatAge } from "../lib/format.ts";

/** Shorter absences are no news: the header tells them. */
const LONG_US = 3_000_000;

/** The very first attempt is no disconnection: nothing was there to lose. */
export function isLost({ state, attempt }: FeedStatus): boolean {
  return state !== "open" && (attempt > 1 || state === "closed");
}

/** Says over all else how old the picture is while the connection is away. It covers, and moves nothing. */
export function DisconnectedBar(): JSX.Element | null {
  const { status, nowUs, kiosk } = usePage();
  const { sinceMs } = status.value;
  if (!isLost(status.value)) return null;
  const awayUs = nowUs.value - sinceMs * 1000;
  if (awayUs < LONG_US && !kiosk) return null;
  return (
    <p class="disconnected-bar">
      No connection to the gateway for {formatAge(awayUs)}. What you see is from before; the page goes on by itself.
    </p>
  );
}
