import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { DeadLetterWhole } from "../../../contracts/http/dead-letters.ts";
import { wordsOf } from "../app/api-error.ts";
import { usePage } from "../app/page.ts";
import { letterHref } from "../app/route.ts";
import { RetryLetter } from "../components/retry-letter.tsx";
import { formatInstant, plural, zoneName } from "../lib/format.ts";

const SHOWN_MAX = 20_000;

/** A look inside one dead letter: what came, why it could not be taken, and where it goes wrong. */
export function LetterScreen({ sequence }: { readonly sequence: number }): JSX.Element {
  const { api, kiosk, settings } = usePage();
  const letter = useSignal<DeadLetterWhole | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  useEffect(() => {
    let left = false;
    letter.value = undefined;
    problem.value = undefined;
    api.deadLetter(sequence).then(
      (answer) => {
        if (!left) letter.value = answer;
      },
      (error) => {
        if (!left) problem.value = wordsOf(error);
      },
    );
    return () => {
      left = true;
    };
  }, [sequence]);
  const zone = settings.zone.value;
  const known = letter.value;
  return (
    <div class="letter-screen">
      <h1>Dead letter {sequence}</h1>
      {problem.value !== undefined && <p class="quiet">{problem.value}</p>}
      {known !== undefined && (
        <>
          <p class="letter-why">{known.detail}</p>
          <dl class="why-facts letter-facts">
            <dt>Reason</dt>
            <dd>{known.reason}</dd>
            <dt>Topic</dt>
            <dd>
              <code>{known.topic}</code>
            </dd>
            <dt>Client</dt>
            <dd>{known.clientId === "" ? "not known" : known.clientId}</dd>
            <dt>Received</dt>
            <dd>
              {formatInstant(known.receivedAtUs, zone)}, {zoneName(zone, known.receivedAtUs)}
            </dd>
            <dt>Payload</dt>
            <dd>
              {plural(known.payloadBytes, "byte")}
              {known.position !== undefined && `, the first bad one at ${known.position}`}
            </dd>
            {known.retryOf !== undefined && (
              <>
                <dt>Retry of</dt>
                <dd>
                  <a href={letterHref(known.retryOf)}>letter {known.retryOf}</a>
                </dd>
              </>
            )}
          </dl>
          <section class="letter-retry" aria-label="Retry">
            <RetryLetter
              letter={known}
              size="large"
              onRetried={({ retry }) => {
                letter.value = { ...known, retryable: false, ...(retry === undefined ? {} : { retry }) };
              }}
            />
            {!kiosk && <p class="order-hint">{retryHint(known)}</p>}
          </section>
          <Payload letter={known} />
        </>
      )}
    </div>
  );
}

function retryHint({ retryable, retry, reason }: DeadLetterWhole): string {
  if (retry?.outcome === "refused") return "The new letter can be retried when its cause is mended.";
  if (retry !== undefined) return "A letter is retried once; readings that come twice count once.";
  if (!retryable) return `A letter of reason ${reason} is no message of a device: it cannot be retried.`;
  return "Mend weir.yaml first. The message then comes in as it did at first, with the time at which it came.";
}

/** As text with the bad place marked, or in hexadecimal where it is none. */
function Payload({ letter }: { readonly letter: DeadLetterWhole }): JSX.Element {
  const { text, position } = letter;
  if (text === null) return <pre class="payload">{hexLines(letter.base64)}</pre>;
  if (position === undefined || position >= text.length || !isAscii(text)) {
    return <pre class="payload">{text.slice(0, SHOWN_MAX)}</pre>;
  }
  return (
    <pre class="payload">
      {text.slice(0, position)}
      <mark>{text.slice(position, position + 1)}</mark>
      {text.slice(position + 1, SHOWN_MAX)}
    </pre>
  );
}

/** Only then is a byte's place a character's place. */
function isAscii(text: string): boolean {
  return /^[\t\n\r -~]*$/.test(text);
}

function hexLines(base64: string): string {
  const bytes = Uint8Array.from(atob(base64).slice(0, SHOWN_MAX / 4), (char) => char.charCodeAt(0));
  const lines: string[] = [];
  for (let i = 0; i < bytes.length; i += 16) {
    const row = [...bytes.subarray(i, i + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const shown = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${i.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${shown}`);
  }
  return lines.join("\n");
}
