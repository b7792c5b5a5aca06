import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Announcer } from "../components/announcer.tsx";
import { Header } from "../components/header.tsx";
import { AlertsScreen } from "../screens/alerts.tsx";
import { DeviceScreen } from "../screens/device.tsx";
import { OverviewScreen } from "../screens/overview.tsx";
import { usePage } from "./page.ts";
import type { Route } from "./route.ts";

export function App(): JSX.Element {
  const page = usePage();
  const route = page.route.value;
  const name = screenName(route);
  const main = useRef<HTMLElement>(null);
  const shown = useRef(name);

  useEffect(() => {
    document.title = name === "Overview" ? "Weir" : `${name} · Weir`;
    if (shown.current === name) return;
    shown.current = name;
    // A new screen starts at its top, and a screen reader goes on there.
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [name]);

  return (
    <>
      <a class="skip" href={location.hash || "#/"} onClick={(event) => skipTo(event, main.current)}>
        Skip to content
      </a>
      <Header />
      <main ref={main} tabIndex={-1} aria-label={name} data-connection={page.status.value.state}>
        <Screen route={route} />
      </main>
      <Announcer />
    </>
  );
}

function Screen({ route }: { readonly route: Route }): JSX.Element {
  switch (route.screen) {
    case "overview":
      return <OverviewScreen />;
    case "device":
      return <DeviceScreen key={route.device} device={route.device} range={route.range} />;
    case "alerts":
      return <AlertsScreen />;
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
    case "device":
      return route.device;
    case "alerts":
      return "Alerts";
    case "unknown":
      return "Not found";
  }
}
