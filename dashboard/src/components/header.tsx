import type { JSX } from "preact";
import { usePage } from "../app/page.ts";
import { themeAfter } from "../app/settings.ts";
import { type EventTime, formatSpeed } from "../lib/event-clock.ts";
import { formatDay, formatInstant, formatTime, type Zone, zoneName } from "../lib/format.ts";
import { isLost } from "./disconnected-bar.tsx";
import { Logo, SunMoon } from "./icons.tsx";

export interface HeaderLink {
  readonly href: string;
  readonly text: string;
  /** The link leads to the current screen, or to its parent. */
  readonly current: boolean;
  readonly badge: (() => JSX.Element) | undefined;
}

export function Header(props: { readonly links: readonly HeaderLink[]; onHelp(): void }): JSX.Element {
  return (
    <header class="header">
      <a class="brand" href="#/" aria-label="Weir, overview">
        <Logo />
        <span class="brand-name">Weir</span>
      </a>
      <nav class="nav" aria-label="Screens">
        {props.links.map(({ href, text, current, badge }) => (
          <a key={href} href={href} aria-current={current ? "page" : undefined}>
            {text}
            {badge?.()}
          </a>
        ))}
      </nav>
      <div class="header-end">
        <DataTime />
        <Connection />
        <ThemeButton />
        <button
          type="button"
          class="icon-button help-button"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
          onClick={props.onHelp}
        >
          ?
        </button>
      </div>
    </header>
  );
}

/** The time of the data, and the time zone of the page. A press changes the zone. */
function DataTime(): JSX.Element {
  const { eventTime, nowUs, settings } = usePage();
  const zone = settings.zone.value;
  const time = eventTime.value;
  const shownUs = time.kind === "replay" ? time.newestUs : nowUs.value;
  const other = zone === "utc" ? "local time" : "UTC";
  return (
    <button
      type="button"
      class="time-note"
      title={`Show times in ${other}`}
      onClick={() => settings.setZone(zone === "utc" ? "local" : "utc")}
    >
      <span class="time-note-main">
        {time.kind === "replay" ? formatInstant(shownUs, zone) : formatTime(shownUs, zone)}
      </span>
      <span class="time-note-sub">
        {recordedWords(time, zone)}
        {zoneName(zone, shownUs)}
      </span>
    </button>
  );
}

/** `Recorded data at 7,200× · `; beside live data also its time: `Live, and recorded data of 14 Mar 2013 at 7,200× · ` */
function recordedWords(time: EventTime, zone: Zone): string {
  if (time.kind !== "replay" && time.kind !== "mixed") return "";
  const speed = time.speed === undefined ? "" : ` at ${formatSpeed(time.speed)}`;
  if (time.kind === "replay") return `Recorded data${speed} · `;
  return `Live, and recorded data of ${formatDay(time.newestUs, zone)}${speed} · `;
}

/** The state of the connection in plain words. */
function Connection(): JSX.Element {
  const { status, settings } = usePage();
  const { state, sinceMs } = status.value;
  const lost = isLost(status.value);
  return (
    <p class="connection" data-state={state === "open" ? "live" : lost ? "lost" : "connecting"}>
      <span class="connection-dot" aria-hidden="true" />
      {state === "open" ? (
        "Live"
      ) : lost ? (
        <span>
          Disconnected since {formatTime(sinceMs * 1000, settings.zone.value)}
          <span class="connection-more">, reconnecting</span>
        </span>
      ) : (
        "Connecting"
      )}
    </p>
  );
}

function ThemeButton(): JSX.Element {
  const { settings } = usePage();
  const theme = settings.theme.value;
  const next = themeAfter(theme);
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={`Theme: ${theme}. Change to ${next}`}
      title={`Theme: ${theme}`}
      onClick={() => settings.setTheme(next)}
    >
      <SunMoon />
    </button>
  );
}
