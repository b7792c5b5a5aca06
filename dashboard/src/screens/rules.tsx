import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { RuleActivity } from "../../../contracts/http/data.ts";
import { usePage } from "../app/page.ts";
import { ruleHref } from "../app/route.ts";
import { SeverityIcon } from "../components/icons.tsx";
import { RuleProblems } from "../components/rule-problems.tsx";
import { SearchField } from "../components/search-field.tsx";
import { formatCount, formatInstant, formatSince, zoneName } from "../lib/format.ts";
import { describeRule, describeWhere, type RuleView } from "../lib/rules.ts";
import { textSearch } from "../lib/search.ts";

const AGAIN_MS = 15_000;

/** The rules in force, their state, and how often they fired. */
export function RulesScreen(): JSX.Element {
  const { rules, rulesLoaded, settings } = usePage();
  const activity = useActivity();
  const find = useSignal("");
  const zone = settings.zone.value;
  const isFound = textSearch(find.value);
  const found = rules.value.filter((rule) =>
    isFound(() => `${rule.id} ${describeWhere(rule)} ${describeRule(rule) ?? ""}`),
  );
  const sinceUs = activity?.inForceSinceUs;
  return (
    <div class="rules-screen">
      <div class="screen-head">
        <h1>Rules</h1>
        <span class="count">{rules.value.length}</span>
        <SearchField label="Find rules" value={find.value} onInput={(text) => (find.value = text)} />
      </div>
      <p class="screen-words">
        {sinceUs === null || sinceUs === undefined
          ? "The rules in force."
          : `In force since ${formatInstant(sinceUs, zone)}, ${zoneName(zone, sinceUs)}.`}
        {activity?.sinceUs !== null &&
          activity?.sinceUs !== undefined &&
          ` Incidents are counted since ${formatInstant(activity.sinceUs, zone)}, in event time.`}
      </p>
      <RuleProblems />
      {found.length === 0 ? (
        <p class="quiet">
          {!rulesLoaded.value
            ? "Loading rules"
            : rules.value.length === 0
              ? "No rule is in force. Put YAML files into the rules folder: the gateway loads them at once."
              : "No matching rules."}
        </p>
      ) : (
        <ul class="rule-list">
          {found.map((rule) => (
            <li key={rule.id}>
              <RuleRow rule={rule} activity={activity} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function RuleRow(props: { readonly rule: RuleView; readonly activity: RuleActivity | undefined }): JSX.Element {
  const { rule, activity } = props;
  const { alerts, settings, eventTime, nowUs } = usePage();
  const open = useComputed(() => {
    const own = alerts.open.value.filter((change) => change.rule === rule.id);
    return { firing: own.filter(({ state }) => state === "firing").length, all: own.length };
  }).value;
  const known = activity?.rules.find((one) => one.rule === rule.id);
  const alerting = describeRule(rule) !== undefined;
  const time = eventTime.value;
  const referenceUs = time.kind === "replay" ? time.newestUs : nowUs.peek();
  const state = open.firing > 0 ? "firing" : open.all > 0 ? "pending" : "resolved";
  return (
    <a
      class="rule-row"
      href={ruleHref(rule.id)}
      data-row
      data-rule={rule.id}
      data-severity={rule.severity}
      data-state={state}
    >
      <SeverityIcon severity={rule.severity} state={state} />
      <span class="rule-name">
        <strong>{rule.id}</strong>
        <span class="rule-words">{describeRule(rule) ?? computes(rule)}</span>
        <span class="rule-where">{describeWhere(rule)}</span>
      </span>
      <span class="rule-state">
        {alerting
          ? open.all === 0
            ? "inactive"
            : [
                open.firing > 0 ? `${open.firing} firing` : "",
                open.all > open.firing ? `${open.all - open.firing} pending` : "",
              ]
                .filter((part) => part !== "")
                .join(", ")
          : "computes windows"}
      </span>
      <span class="rule-fired">
        {alerting && activity !== undefined && (
          <>
            fired {formatCount(known?.fired ?? 0)}×
            <span class="rule-last">
              {known === undefined
                ? ""
                : `last change ${formatSince(known.lastAtUs, referenceUs, settings.zone.value)}`}
            </span>
          </>
        )}
      </span>
    </a>
  );
}

function computes(rule: RuleView): string {
  return `${rule.aggregates.join(", ")} over ${rule.window?.text ?? "each window"}`;
}

/** How often rules fired, reloaded at intervals while the screen is open. */
export function useActivity(): RuleActivity | undefined {
  const { api, status } = usePage();
  const activity = useSignal<RuleActivity | undefined>(undefined);
  const connection = status.value.state;
  useEffect(() => {
    const ask = () => {
      api.ruleActivity().then(
        (answer) => {
          activity.value = answer;
        },
        () => {},
      );
    };
    ask();
    const timer = setInterval(ask, AGAIN_MS);
    return () => clearInterval(timer);
  }, [connection]);
  return activity.value;
}
