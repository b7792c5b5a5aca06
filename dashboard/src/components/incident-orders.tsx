import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Acknowledgement, Matchers } from "../../../contracts/notifications.ts";
import type { AlertChange } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";
import { formatInstant } from "../lib/format.ts";
import { isOpen } from "../store/alerts.ts";
import { InhibitedBy } from "./inhibited-by.tsx";
import { OrderForm } from "./order-form.tsx";
import { matcherWords } from "./silences.tsx";

const MINUTE_US = 60_000_000;
const LENGTHS = [
  ["30 minutes", 30],
  ["2 hours", 120],
  ["8 hours", 480],
  ["1 day", 1_440],
  ["1 week", 10_080],
] as const;

/** What a person can do about an incident: acknowledge it, or silence it and similar alerts for some time. */
export function IncidentOrders(props: {
  readonly change: AlertChange;
  readonly acknowledgement: Acknowledgement | undefined;
}): JSX.Element {
  const { change, acknowledgement } = props;
  const { attention } = usePage();
  const open = useSignal<"acknowledge" | "silence" | undefined>(undefined);
  if (attention.state.value === "unavailable") {
    return (
      <>
        <Handled incident={change.incident} acknowledgement={acknowledgement} />
        <p class="quiet">The notifier does not answer. You cannot acknowledge or silence this incident now.</p>
      </>
    );
  }
  return (
    <section class="panel orders" aria-label="Actions">
      <Handled incident={change.incident} acknowledgement={acknowledgement} />
      <div class="order-buttons">
        {isOpen(change) && acknowledgement === undefined && (
          <button
            type="button"
            class="order-button"
            aria-expanded={open.value === "acknowledge"}
            onClick={() => (open.value = open.value === "acknowledge" ? undefined : "acknowledge")}
          >
            Acknowledge
          </button>
        )}
        <button
          type="button"
          class="order-button order-second"
          aria-expanded={open.value === "silence"}
          onClick={() => (open.value = open.value === "silence" ? undefined : "silence")}
        >
          Silence
        </button>
      </div>
      {open.value === "acknowledge" && (
        <OrderForm
          title="Acknowledge this incident"
          button="I'm on it"
          send={async (form, by) => {
            await attention.acknowledge(change.incident, { by, note: String(form.get("note") ?? "") });
            open.value = undefined;
          }}
        >
          <label>
            Note
            <input name="note" maxLength={2_000} placeholder="on my way" />
          </label>
          <p class="order-hint">Notifications stop until the incident ends. Its end is still notified.</p>
        </OrderForm>
      )}
      {open.value === "silence" && <SilenceForm change={change} onDone={() => (open.value = undefined)} />}
    </section>
  );
}

/** Who acknowledged it, also after its end; and whether it is silenced or inhibited now. */
function Handled(props: {
  readonly incident: string;
  readonly acknowledgement: Acknowledgement | undefined;
}): JSX.Element {
  const { incident, acknowledgement } = props;
  const { attention, settings } = usePage();
  const { silencedBy = [], inhibitedBy = [] } = attention.byIncident.value.get(incident) ?? {};
  const zone = settings.zone.value;
  return (
    <>
      {acknowledgement !== undefined && (
        <p class="handled">
          Acknowledged by <strong>{acknowledgement.by}</strong> at {formatInstant(acknowledgement.atUs, zone)}
          {acknowledgement.note !== "" && `: ${acknowledgement.note}`}
        </p>
      )}
      {silencedBy.length > 0 && <p class="handled">Silenced: nobody is notified now.</p>}
      <InhibitedBy incidents={inhibitedBy} />
    </>
  );
}

function SilenceForm({ change, onDone }: { readonly change: AlertChange; onDone(): void }): JSX.Element {
  const { attention, nowUs } = usePage();
  const scopes = scopesOf(change);
  return (
    <OrderForm
      title="Silence"
      button="Silence it"
      send={async (form, by) => {
        const matchers = scopes[Number(form.get("scope"))] ?? { incident: change.incident };
        const untilUs = nowUs.peek() + Number(form.get("minutes")) * MINUTE_US;
        await attention.silence({ matchers, untilUs: Math.round(untilUs), by, why: String(form.get("why") ?? "") });
        onDone();
      }}
    >
      <label>
        Alerts
        <select name="scope">
          {scopes.map((matchers, index) => (
            <option key={matcherWords(matchers)} value={index}>
              {matcherWords(matchers)}
            </option>
          ))}
        </select>
      </label>
      <label>
        Duration
        <select name="minutes">
          {LENGTHS.map(([words, minutes]) => (
            <option key={words} value={minutes}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <label>
        Reason
        <input name="why" required maxLength={2_000} placeholder="defrosting" />
      </label>
    </OrderForm>
  );
}

/** From only this alert to all alerts of its site. */
function scopesOf({ rule, key, labels }: AlertChange): readonly Matchers[] {
  const scopes: Matchers[] = [{ rule, ...key }, { rule }];
  const device = key.device ?? labels.device;
  const site = key.site ?? labels.site;
  if (device !== undefined) scopes.push({ device });
  if (site !== undefined) scopes.push({ site });
  return scopes;
}
