import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { DeadLetterWhole } from "../../../contracts/http/dead-letters.ts";
import { wordsOf } from "../app/api-error.ts";
import { usePage } from "../app/page.ts";
import { letterHref } from "../app/route.ts";
import { LetterTrial } from "../components/letter-trial.tsx";
import { RetryLetter } from "../components/retry-letter.tsx";
import { formatInstant, plural, zoneName } from "../lib/format.ts";

const SHOWN_MAX = 20_000;

/** One dead letter: what arrived, why it could not become readings, and where the error is. */
export function LetterScreen({ sequence }: { readonly sequence: number }): JSX.Element {
  const { kiosk } = usePage();
  const { letter, problem } = useLetter(sequence);
  const known = letter.value;
  return (
    <div class="letter-screen">
      <h1>Dead letter {sequence}</h1>
      {problem.value !== undefined && <p class="quiet">{problem.value}</p>}
      {known !== undefined && (
        <>
          <p class="letter-why">{known.detail}</p>
          <Facts letter={known} />
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
          {isMessage(known) && <LetterTrial sequence={sequence} />}
        </>
      )}
    </div>
  );
}

/** Only messages of devices concern the sources. */
function isMessage({ retryable, retry }: DeadLetterWhole): boolean {
  return retryable || retry !== undefined;
}

function useLetter(sequence: number) {
  const { api } = usePage();
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
  return { letter, problem };
}

function Facts({ letter }: { readonly letter: DeadLetterWhole }): JSX.Element {
  const zone = usePage().settings.zone.value;
  const { reason, topic, source, clientId, receivedAtUs, payloadBytes, position, retryOf } = letter;
  return (
    <dl class="why-facts letter-facts">
      <dt>Reason</dt>
      <dd>{reason}</dd>
      <dt>Topic</dt>
      <dd>
        <code>{topic}</code>
      </dd>
      {source !== undefined && (
        <>
          <dt>Source tried</dt>
          <dd>
            <code>{source}</code>
          </dd>
        </>
      )}
      <dt>Client</dt>
      <dd>{clientId === "" ? "unknown" : clientId}</dd>
      <dt>Received</dt>
      <dd>
        {formatInstant(receivedAtUs, zone)}, {zoneName(zone, receivedAtUs)}
      </dd>
      <dt>Payload</dt>
      <dd>
        {plural(payloadBytes, "byte")}
        {position !== undefined && `, first bad byte at ${position}`}
      </dd>
      {retryOf !== undefined && (
        <>
          <dt>Retry of</dt>
          <dd>
            <a href={letterHref(retryOf)}>letter {retryOf}</a>
          </dd>
        </>
      )}
    </dl>
  );
}

function retryHint({ retry, advice }: DeadLetterWhole): string {
  if (retry?.outcome === "refused") return "You can retry the new letter once its cause is fixed.";
  if (retry !== undefined) return "A letter can be retried once. Readings that arrive twice count once.";
  return advice;
}

/** As text with the first bad byte marked, or in hexadecimal when it is not text. */
function Payload({ letter }: { readonly letter: DeadLetterWhole }): JSX.Element {
  const { text, position } = letter;
  if (text === null) return <pre class="payload">{hexLines(letter.base64)}</pre>;
  const at = position === undefined ? text.length : characterAt(text, position);
  if (at >= text.length) return <pre class="payload">{text.slice(0, SHOWN_MAX)}</pre>;
  // An emoji is two characters.
  const [bad = ""] = text.slice(at, at + 2);
  return (
    <pre class="payload">
      {text.slice(0, at)}
      <mark>{bad}</mark>
      {text.slice(at + bad.length, SHOWN_MAX)}
    </pre>
  );
}

/** The character that has this byte in UTF-8. */
function characterAt(text: string, byte: number): number {
  const bytes = new TextEncoder().encode(text);
  let start = Math.min(byte, bytes.length);
  // Of a character's bytes, all but the first begin with the bits 10.
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, start)).length;
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
