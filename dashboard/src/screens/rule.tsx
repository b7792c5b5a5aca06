import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { AlertChange } from "../../../domain/alert.ts";
import type { WindowResult } from "../../../domain/window-result.ts";
import { usePage } from "../app/page.ts";
import { deviceHref } from "../app/route.ts";
import { AlertRow } from "../components/alert-row.tsx";
import { SeverityIcon } from "../components/icons.tsx";
import { SearchField } from "../components/search-field.tsx";
import { VirtualList } from "../components/virtual-list.tsx";
import { formatInstant, formatValue, plural } from "../lib/format.ts";
import { describeRule, describeWhere } from "../lib/rules.ts";
import { textSearch } from "../lib/search.ts";
import { GROUPS_MAX, groupWords, type RuleState } from "../store/rule-state.ts";
import { useActivity } from "./rules.tsx";

const ROW_PX = 52;
const ALERTS_SHOWN = 12;

/** One rule: its definition, its open alerts and the state of each group. */
export function RuleScreen({ rule: id }: { readonly rule: string }): JSX.Element {
  const page = usePage();
  const { rules, rulesLoaded, alerts, settings } = page;
  const [state, setState] = useState<RuleState | undefined>(undefined);
  useEffect(() => {
    const opened = page.openRule(id);
    setState(opened);
    return () => opened.close();
  }, [page, id]);
  const rule = rules.value.find((one) => one.id === id);
  const known = useActivity()?.rules.find((one) => one.rule === id);
  const own = useComputed(() => alerts.open.value.filter((change) => change.rule === id)).value;
  return (
    <div class="rule-screen">
      <div class="rule-head" data-severity={rule?.severity}>
        <h1>{id}</h1>
        {rule === undefined ? (
          <p class="quiet">{rulesLoaded.value ? "No rule of this name is in force." : "Loading rules"}</p>
        ) : (
          <>
            <p class="rule-sentence">
              {describeRule(rule) === undefined
                ? "Computes windows"
                : `${rule.conditions.length > 1 ? "Alerts" : rule.severity} if ${describeRule(rule)}`}
              , {describeWhere(rule)}
            </p>
            <p class="device-tags">
              {rule.window !== undefined && (
                <span>
                  {rule.window.kind} windows of {rule.window.text}
                </span>
              )}
              {known !== undefined && known.fired > 0 && (
                <span>
                  fired {known.fired}×, last change {formatInstant(known.lastAtUs, settings.zone.value)}
                </span>
              )}
            </p>
          </>
        )}
      </div>
      {own.length > 0 && (
        <ul class="alert-list alert-columns rule-alerts" aria-label="Open alerts of this rule">
          {own.slice(0, ALERTS_SHOWN).map((change) => (
            <li key={change.incident}>
              <AlertRow change={change} />
            </li>
          ))}
        </ul>
      )}
      {own.length > ALERTS_SHOWN && <p class="quiet">{plural(own.length - ALERTS_SHOWN, "more open alert")}</p>}
      {state !== undefined && <Groups state={state} open={own} absence={rule?.absent !== undefined} />}
    </div>
  );
}

function Groups(props: {
  readonly state: RuleState;
  readonly open: readonly AlertChange[];
  readonly absence: boolean;
}): JSX.Element {
  const { state, open, absence } = props;
  const find = useSignal("");
  const isFound = textSearch(find.value);
  const groups = state.groups.value.filter((group) => isFound(() => groupWords(group.labels)));
  return (
    <section class="panel" aria-labelledby="groups-title">
      <div class="panel-head">
        <h2 id="groups-title">State of each group</h2>
        <span class="count">{groups.length}</span>
        <SearchField label="Find groups" value={find.value} onInput={(next) => (find.value = next)} />
      </div>
      {groups.length === 0 && (
        <p class="quiet">
          {absence
            ? "A rule for absent readings has no windows. Silent groups are its open alerts."
            : state.loaded.value
              ? "No window has closed yet."
              : "Loading windows"}
        </p>
      )}
      {groups.length > 0 && (
        <VirtualList items={groups} rowHeight={ROW_PX} label="Groups" keyOf={(group) => groupWords(group.labels)}>
          {(group) => <GroupRow group={group} change={open.find((change) => isOf(change, group))} />}
        </VirtualList>
      )}
      {state.overflow.value > 0 && <p class="quiet">This page lists the first {plural(GROUPS_MAX, "group")}.</p>}
    </section>
  );
}

/** Whether the alert is about this group, that is, its group has all labels of the key. */
function isOf(change: AlertChange, { labels }: WindowResult): boolean {
  return Object.entries(change.key).every(([name, value]) => labels[name] === value);
}

function GroupRow(props: { readonly group: WindowResult; readonly change: AlertChange | undefined }): JSX.Element {
  const { group, change } = props;
  const { settings } = usePage();
  const { device, metric: _, ...tags } = group.labels;
  const content = (
    <>
      <SeverityIcon severity={change?.severity ?? "info"} state={change?.state ?? "resolved"} />
      <span class="group-name">{Object.values(group.labels).join(" · ") || "everything"}</span>
      <span class="group-state">{change?.state ?? "inactive"}</span>
      <span class="group-values">
        {Object.entries(group.aggregates)
          .slice(0, 4)
          .map(([name, value]) => (
            <span key={name}>
              <span class="tag-name">{name}</span> {formatValue(value ?? undefined)}
            </span>
          ))}
      </span>
      <span class="group-when">window until {formatInstant(group.endUs, settings.zone.value)}</span>
    </>
  );
  const data = { "data-severity": change?.severity, "data-state": change?.state };
  return device === undefined ? (
    <div class="group-row" {...data}>
      {content}
    </div>
  ) : (
    <a class="group-row" href={deviceHref({ device, tags })} data-row {...data}>
      {content}
    </a>
  );
}
