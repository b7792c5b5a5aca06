import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { BrokerListeners } from "../../../contracts/listeners.ts";
import { usePage } from "../app/page.ts";
import { deviceHref } from "../app/route.ts";
import { publishCommand, reachFrom } from "../lib/publish-command.ts";
import { Command } from "./command.tsx";

const AGAIN_MS = 10_000;
const TOPICS_SHOWN = 4;

/** How to send the first reading, to the broker that listens here. */
export function NoDevices(): JSX.Element {
  const { devices } = usePage();
  const listeners = useListeners();
  if (!devices.loaded.value) return <div class="grid grid-waiting" aria-hidden="true" />;
  return (
    <div class="empty">
      <h3>No readings yet</h3>
      {listeners === undefined ? (
        <p>The MQTT broker does not answer: start the edge service.</p>
      ) : (
        <FirstReading listeners={listeners} />
      )}
      <p class="empty-more">
        This page shows the first reading the moment it arrives. <code>weir simulate</code> sends made-up ones.
      </p>
    </div>
  );
}

function FirstReading({ listeners }: { readonly listeners: BrokerListeners }): JSX.Element {
  const { urls, note } = reachFrom(listeners, location.hostname);
  const command = publishCommand(listeners, location.hostname);
  const topics = listeners.topics.slice(0, TOPICS_SHOWN);
  const more = listeners.topics.length - topics.length;
  return (
    <>
      <p>
        Devices connect to{" "}
        {urls.map((url, index) => (
          <span key={url}>
            {index > 0 && " or "}
            <code>{url}</code>
          </span>
        ))}
        {listeners.users ? ", with a user name and a password." : "."}
      </p>
      {note !== undefined && <p class="note-warning">{note}</p>}
      {command !== undefined && (
        <>
          <p>Send a first reading:</p>
          <Command text={command} />
        </>
      )}
      <p class="empty-more">
        Topics:{" "}
        {topics.map((topic, index) => (
          <span key={topic}>
            {index > 0 && ", "}
            <code>{topic}</code>
          </span>
        ))}
        {more > 0 && `, and ${more} more in weir.yaml`}
      </p>
    </>
  );
}

/** Says that the first reading has arrived, to the person who watched the empty page. */
export function GotIt(): JSX.Element | null {
  const { devices } = usePage();
  const waited = useSignal(false);
  const list = devices.list.value;
  const isEmpty = devices.loaded.value && list.length === 0;
  useEffect(() => {
    if (isEmpty) waited.value = true;
  }, [isEmpty]);
  const [first] = list;
  if (!waited.value || first === undefined || isEmpty) return null;
  const device = first.item.value;
  const metrics = Object.keys(device.metrics);
  return (
    <p class="got-it" role="status">
      <strong>Got it.</strong> The first reading is from <a href={deviceHref(device)}>{first.name}</a>
      {metrics.length > 0 && `: ${metrics.slice(0, TOPICS_SHOWN).join(", ")}`}.{" "}
      <button type="button" class="plain" onClick={() => (waited.value = false)}>
        Close
      </button>
    </p>
  );
}

/** Asked while there is nothing to show: the edge may start later than the page. */
function useListeners(): BrokerListeners | undefined {
  const { api, status } = usePage();
  const listeners = useSignal<BrokerListeners | undefined>(undefined);
  const connection = status.value.state;
  useEffect(() => {
    const ask = () => {
      api.listeners().then(
        (answer) => {
          listeners.value = answer;
        },
        () => {},
      );
    };
    ask();
    const timer = setInterval(ask, AGAIN_MS);
    return () => clearInterval(timer);
  }, [connection]);
  return listeners.value;
}
