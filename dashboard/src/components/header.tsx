import type { JSX } from "preact";
import { usePage } from "../app/page.ts";
import { themeAfter } from "../app/settings.ts";
import { formatSpeed } from "../lib/event-clock.ts";
import { formatInstant, formatTime, zoneName } from "../lib/format.ts";
import { isLost } from "./disconnected-bar.tsx";
import { Logo, SunMoon } from "./icons.tsx";

const SCREENS = [
  { href: "#/devices", label: "Devices", screens: ["devices", "device"] },
  { href: "#/rules", label: "Rules", screens: ["rules", "rule"] },
  { href: "#/pipeline", label: "Pipeline", screens: ["pipeline", "letter"] },
] as const;

export function Header({ onHelp }: { onHelp(): void }): JSX.Element {
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
        <ScreenLink {...SCREENS[0]} screen={screen} />
        <a href="#/alerts" aria-current={screen === "alerts" || screen === "incident" ? "page" : undefined}>
          Alerts
          <span class="nav-count" data-empty={firing === 0} data-severity={worst(critical, warning)}>
            {firing}
          </span>
        </a>
        <ScreenLink {...SCREENS[1]} screen={screen} />
        <ScreenLink {...SCREENS[2]} screen={screen} />
      </nav>
      <div class="header-end">
        <EventTimeNote />
        <Connection />
        <ThemeButton />
        <button type="button" class="icon-button help-button" aria-label="Keys" title="Keys (?)" onClick={onHelp}>
          ?
        </button>
      </div>
    </header>
  );
}

function ScreenLink(props: {
  readonly href: string;
  readonly label: string;
  readonly screens: readonly string[];
  readonly screen: string;
}): JSX.Element {
  const { href, label, screens, screen } = props;
  return (
    <a href={href} aria-current={screens.includes(screen) ? "page" : undefined}>
      {label}
    </a>
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
