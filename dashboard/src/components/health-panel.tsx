import type { JSX } from "preact";
import type { Readiness } from "../../../contracts/http/gateway.ts";
import { partsOf } from "../app/api.ts";
import { usePage } from "../app/page.ts";
import { SeverityIcon } from "./icons.tsx";

const DURABILITY: Readonly<Record<Readiness["log"]["durability"], string>> = {
  synced: "Acknowledged readings are on disk.",
  stored: "Acknowledged readings are in the log server.",
  replicated: "Acknowledged readings are on several servers.",
  unknown: "",
};

/** Whether each part of the gateway works. */
export function HealthPanel(): JSX.Element {
  const { readiness } = usePage();
  const known = readiness.value;
  return (
    <section class="panel health" aria-labelledby="health-title">
      <div class="panel-head">
        <h2 id="health-title">Health</h2>
      </div>
      {known === undefined ? (
        <p class="quiet">Loading</p>
      ) : (
        <ul>
          {partsOf(known).map(({ name, ready, detail, notice }) => (
            <li key={name} data-ready={ready} data-notice={notice !== undefined}>
              <SeverityIcon severity="warning" state={ready && notice === undefined ? "resolved" : "firing"} />
              <span class="health-name">{name}</span>
              <span class="health-detail">{ready ? (notice ?? "ready") : detail || "not ready"}</span>
            </li>
          ))}
        </ul>
      )}
      <p class="health-durability">{DURABILITY[known?.log.durability ?? "unknown"]}</p>
    </section>
  );
}
