import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { usePage } from "./app/page.ts";
import type { Route } from "./app/route.ts";
import { Announcer } from "./components/announcer.tsx";
import { DisconnectedBar } from "./components/disconnected-bar.tsx";
import { Header } from "./components/header.tsx";
import { Help } from "./components/help.tsx";
import { listenToKeys } from "./keyboard.ts";
import { AlertsScreen } from "./screens/alerts.tsx";
import { DeviceScreen } from "./screens/device.tsx";
import { DevicesScreen } from "./screens/devices.tsx";
import { IncidentScreen } from "./screens/incident.tsx";
import { LetterScreen } from "./screens/letter.tsx";
import { LoginScreen } from "./screens/login.tsx";
import { OverviewScreen } from "./screens/overview.tsx";
import { PipelineScreen } from "./screens/pipeline.tsx";
import { RuleScreen } from "./screens/rule.tsx";
import { RulesScreen } from "./screens/rules.tsx";

export function App(): JSX.Element {
  const { session } = usePage();
  return session.state.value === "enough" ? <Screens /> : <LoginScreen />;
}

function Screens(): JSX.Element {
  const page = usePage();
  const route = page.route.value;
  const name = screenName(route);
  const main = useRef<HTMLElement>(null);
  const shown = useRef(name);
  const help = useSignal(false);

  // Together with the new screen: an effect after it would take the focus away from who was quick to press a key.
  useLayoutEffect(() => {
    document.title = name === "Overview" ? "Weir" : `${name} · Weir`;
    if (shown.current === name) return;
    shown.current = name;
    // A new screen starts at its top, and a screen reader goes on there.
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [name]);
  useEffect(() => {
    const { settings } = page;
    return listenToKeys(window, {
      help: () => (help.value = true),
      theme: settings.nextTheme,
      zone: () => settings.setZone(settings.zone.peek() === "utc" ? "local" : "utc"),
    });
  }, [page]);

  return (
    <>
      {!page.kiosk && (
        <>
          <nav aria-label="Shortcut">
            <a class="skip" href={location.hash || "#/"} onClick={(event) => skipTo(event, main.current)}>
              Skip to content
            </a>
          </nav>
          <Header onHelp={() => (help.value = true)} />
        </>
      )}
      <DisconnectedBar />
      <main ref={main} tabIndex={-1} aria-label={name} data-connection={page.status.value.state}>
        <Screen route={route} />
      </main>
      <Announcer />
      {help.value && <Help onClose={() => (help.value = false)} />}
    </>
  );
}

function Screen({ route }: { readonly route: Route }): JSX.Element {
  switch (route.screen) {
    case "overview":
      return <OverviewScreen />;
    case "devices":
      return <DevicesScreen filter={route.filter} />;
    case "device":
      return <DeviceScreen key={route.device} device={route.device} range={route.range} span={route.span} />;
    case "alerts":
      return <AlertsScreen />;
    case "incident":
      return <IncidentScreen key={route.incident} incident={route.incident} />;
    case "rules":
      return <RulesScreen />;
    case "rule":
      return <RuleScreen key={route.rule} rule={route.rule} />;
    case "pipeline":
      return <PipelineScreen />;
    case "letter":
      return <LetterScreen key={route.sequence} sequence={route.sequence} />;
    case "unknown":
      return (
        <div class="empty">
          <h1>There is no such page</h1>
          <p>
            Nothing stands at <code>{route.path}</code>. <a href="#/">Go to the overview</a>
          </p>
        </div>
      );
  }
}

/** The address is the screen's, so the link moves the focus itself. */
function skipTo(event: Event, main: HTMLElement | null): void {
  event.preventDefault();
  main?.focus();
}

function screenName(route: Route): string {
  switch (route.screen) {
    case "overview":
      return "Overview";
    case "devices":
      return "Devices";
    case "device":
      return route.device;
    case "alerts":
      return "Alerts";
    case "incident":
      return "Incident";
    case "rules":
      return "Rules";
    case "rule":
      return `Rule ${route.rule}`;
    case "pipeline":
      return "Pipeline";
    case "letter":
      return `Dead letter ${route.sequence}`;
    case "unknown":
      return "Not found";
  }
}
