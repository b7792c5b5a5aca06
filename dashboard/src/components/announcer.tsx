import { useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { usePage } from "../app/page.ts";

const QUIET_MS = 4_000;

/** Announces changes to screen readers: at most one short sentence every few seconds. */
export function Announcer(): JSX.Element {
  const page = usePage();
  const [text, setText] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const announced = useRef("");

  useSignalEffect(() => {
    const { critical, warning, info } = page.alerts.firing.value;
    const open = page.status.value.state === "open";
    const loaded = page.alerts.loaded.value;
    if (timer.current !== undefined || !loaded) return;
    timer.current = setTimeout(
      () => {
        timer.current = undefined;
        const counts = page.alerts.firing.peek();
        const now = page.status.peek().state === "open" ? countWords(counts) : "Disconnected, reconnecting.";
        if (now === announced.current) return;
        announced.current = now;
        setText(now);
      },
      open && critical + warning + info > 0 ? QUIET_MS / 2 : QUIET_MS,
    );
  });

  return (
    <div class="visually-hidden" role="status" aria-live="polite">
      {text}
    </div>
  );
}

function countWords(counts: { readonly critical: number; readonly warning: number; readonly info: number }): string {
  const { critical, warning, info } = counts;
  if (critical + warning + info === 0) return "No alert is firing.";
  const parts = [
    critical > 0 ? `${critical} critical` : "",
    warning > 0 ? `${warning} warning` : "",
    info > 0 ? `${info} info` : "",
  ];
  return `Firing alerts: ${parts.filter((part) => part !== "").join(", ")}.`;
}
