import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { usePage } from "../app/page.ts";
import { devicesHref } from "../app/route.ts";
import { plural } from "../lib/format.ts";
import { type SiteSummary, summariseSites } from "../store/sites.ts";
import { SeverityIcon } from "./icons.tsx";

const SITES_SHOWN = 24;
const AGAIN_US = 5_000_000;

/** The state of each site. Nothing for a single site, because the headline covers it. */
export function Sites(): JSX.Element | null {
  const { devices, alerts, nowUs } = usePage();
  const again = useComputed(() => Math.floor(nowUs.value / AGAIN_US)).value;
  const list = devices.list.value;
  const byDevice = alerts.byDevice.value;
  const sites = useMemo(() => summariseSites(list, byDevice, nowUs.peek()), [list, byDevice, again]);
  if (sites.length < 2) return null;
  return (
    <section class="sites-panel" aria-labelledby="sites-title">
      <div class="panel-head">
        <h2 id="sites-title">Sites</h2>
        <span class="count">{sites.length}</span>
      </div>
      <ul class="sites">
        {sites.slice(0, SITES_SHOWN).map((site) => (
          <li key={site.site}>
            <SiteCard site={site} />
          </li>
        ))}
      </ul>
      {sites.length > SITES_SHOWN && <p class="quiet">{plural(sites.length - SITES_SHOWN, "more site")}</p>}
    </section>
  );
}

function SiteCard({ site }: { readonly site: SiteSummary }): JSX.Element {
  return (
    <a class="site-card" href={devicesHref({ site: site.site })} data-row data-severity={site.worst}>
      <SeverityIcon severity={site.worst ?? "info"} state={site.worst === undefined ? "resolved" : "firing"} />
      <span class="site-card-name">{site.site === "" ? "No site" : site.site}</span>
      <span class="site-card-words">
        {plural(site.devices, "device")}
        {site.alerting > 0 && <strong> · {site.alerting} with alerts</strong>}
        {site.silent > 0 && <span class="note-warning"> · {site.silent} silent</span>}
      </span>
    </a>
  );
}
