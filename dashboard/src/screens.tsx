import type { JSX } from "preact";
import { readDeviceFilter, readDeviceView } from "./app/route.ts";
import { findScreen, type ShownScreen, screenTable } from "./app/screen.ts";
import { FiringCount } from "./components/firing-count.tsx";
import { AlertsScreen } from "./screens/alerts.tsx";
import { DeviceScreen } from "./screens/device.tsx";
import { DevicesScreen } from "./screens/devices.tsx";
import { IncidentScreen } from "./screens/incident.tsx";
import { LetterScreen } from "./screens/letter.tsx";
import { OverviewScreen } from "./screens/overview.tsx";
import { PipelineScreen } from "./screens/pipeline.tsx";
import { RuleScreen } from "./screens/rule.tsx";
import { RulesScreen } from "./screens/rules.tsx";

/**
 * The page's screens, in the order of the header's links. Addresses, titles, links, keys and the way back derive from
 * this table. `dev/screens.ts` must say for each screen how tests visit it.
 */
export const SCREENS = screenTable({
  overview: {
    path: "",
    link: "Overview",
    key: "o",
    open: () => ({ title: "Overview", view: <OverviewScreen /> }),
  },
  devices: {
    path: "devices",
    link: "Devices",
    key: "d",
    open: ({ query }) => ({ title: "Devices", view: <DevicesScreen filter={readDeviceFilter(query)} /> }),
  },
  device: {
    path: "device/*",
    parent: "devices",
    open: ({ name, query }) => ({
      title: name,
      view: <DeviceScreen key={`${name}?${query}`} device={name} {...readDeviceView(query)} />,
    }),
  },
  alerts: {
    path: "alerts",
    link: "Alerts",
    key: "a",
    badge: () => <FiringCount />,
    open: ({ query }) => ({ title: "Alerts", view: <AlertsScreen show={query.get("show") ?? undefined} /> }),
  },
  incident: {
    path: "alerts/*",
    parent: "alerts",
    open: ({ name }) => ({ title: "Incident", view: <IncidentScreen key={name} incident={name} /> }),
  },
  rules: {
    path: "rules",
    link: "Rules",
    key: "r",
    open: () => ({ title: "Rules", view: <RulesScreen /> }),
  },
  rule: {
    path: "rules/*",
    parent: "rules",
    open: ({ name }) => ({ title: `Rule ${name}`, view: <RuleScreen key={name} rule={name} /> }),
  },
  pipeline: {
    path: "pipeline",
    link: "Pipeline",
    key: "p",
    open: () => ({ title: "Pipeline", view: <PipelineScreen /> }),
  },
  letter: {
    path: "dead-letters/*",
    parent: "pipeline",
    open: ({ name }) =>
      /^\d+$/.test(name)
        ? { title: `Dead letter ${name}`, view: <LetterScreen key={name} sequence={Number(name)} /> }
        : undefined,
  },
});

export type ScreenName = keyof typeof SCREENS;

/** The screen that the part of the address from its `#` names. */
export function screenAt(hash: string): ShownScreen<ScreenName> {
  return findScreen(SCREENS, hash) ?? { name: undefined, title: "Not found", view: <NoScreen hash={hash} /> };
}

function NoScreen({ hash }: { readonly hash: string }): JSX.Element {
  return (
    <div class="empty">
      <h1>Page not found</h1>
      <p>
        The dashboard has no page at <code>{hash}</code>. <a href="#/">Go to the overview</a>
      </p>
    </div>
  );
}
