import type { JSX } from "preact";
import { usePage } from "../app/page.ts";
import { formatSpeed } from "../lib/event-clock.ts";
import { formatInstant, formatTime, zoneName } from "../lib/format.ts";
import { Logo, SunMoon } from "./icons.tsx";

export function Header(): JSX.Element {
  const page = usePage();
  const screen = page.route.value.screen;
  const { critical, warning, info } = page.alerts.firing.value;
  const firing = critical + warning + info;
  return (
    <header class="header">
      <a class="brand" href="#/" aria-label="Weir, overview">
        <Logo />
        <span class="brand-name">Weir</span>
      </a>
      <nav class="nav" aria-label="Screens">
        <a href="#/" aria-current={screen === "overview" ? "page" : undefined}>
          Overview
        </a>
        <a href="#/alerts" aria-current={screen === "alerts" ? "page" : undefined}>
          Alerts
          <span class="nav-count" data-empty={firing === 0} data-severity={worst(critical, warning)}>
            {firing}
          </span>
        </a>
      </nav>
      <EventTimeNote />
      <Connection />
      <ThemeButton />
    </header>
  );
}

function worst(critical: number, warning: number): string {
  return critical > 0 ? "critical" : warning > 0 ? "warning" : "info";
}

/** In which time the data stands, and in which zone it is shown; a press changes the zone. */
function EventTimeNote(): JSX.Element {
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
        {time.kind === "replay"
          ? `Recorded data${time.speed === undefined ? "" : ` at ${formatSpeed(time.speed)}`} · `
          : ""}
        {zoneName(zone, shownUs)}
      </span>
    </button>
  );
}

/** The connection in plain words. */
function Connection(): JSX.Element {
  const { status, settings } = usePage();
  const { state, sinceMs, attempt } = status.value;
  // The very first attempt is no disconnection: nothing was there to lose.
  const lost = state !== "open" && (attempt > 1 || state === "closed");
  const since = formatTime(sinceMs * 1000, settings.zone.value);
  return (
    <p class="connection" data-state={state === "open" ? "live" : lost ? "lost" : "connecting"}>
      <span class="connection-dot" aria-hidden="true" />
      {state === "open" ? (
        "Live"
      ) : lost ? (
        <span>
          Disconnected since {since}
          <span class="connection-more">, trying again</span>
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
  const next = theme === "system" ? "dark" : theme === "dark" ? "light" : "system";
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
