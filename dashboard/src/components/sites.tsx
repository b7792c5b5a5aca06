import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { usePage } from "../app/page.ts";
import { devicesHref } from "../app/route.ts";
import { formatCount, plural } from "../lib/format.ts";
import { isWell, type SiteSummary, summariseSites } from "../store/sites.ts";
import { SeverityIcon } from "./icons.tsx";

const SITES_SHOWN = 24;
const AGAIN_US = 5_000_000;

/** The state of each site. Nothing for a single site, because the headline covers it. */
export function Sites(): JSX.Element | null {
  const { devices, alerts, asOfUs } = usePage();
  const again = useComputed(() => Math.floor(asOfUs.value / AGAIN_US)).value;
  const list = devices.list.value;
  const byDevice = alerts.byDevice.value;
  const sites = useMemo(() => summariseSites(list, byDevice, asOfUs.peek()), [list, byDevice, again]);
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
    <a
      class="site-card"
      href={devicesHref({ site: site.site })}
      data-row
      data-severity={site.worst}
      data-site={site.site}
    >
      {isWell(site) ? (
        <SeverityIcon severity="info" state="resolved" />
      ) : (
        <SeverityIcon severity={site.worst ?? "warning"} state={site.worst === undefined ? "pending" : "firing"} />
      )}
      <span class="site-card-name" title={site.site}>
        {site.site === "" ? "No site" : site.site}
      </span>
      <span class="site-card-words">
        <span>{plural(site.devices, "device")}</span>
        {site.alerting > 0 && <strong>· {formatCount(site.alerting)} with alerts</strong>}
        {site.silent > 0 && <span class="note-warning">· {formatCount(site.silent)} silent</span>}
        {site.unwatched > 0 && <span class="note-warning">· {formatCount(site.unwatched)} not watched</span>}
      </span>
    </a>
  );
}
