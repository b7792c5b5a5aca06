import type { JSX } from "preact";
import type { AlertState, Severity } from "../../../domain/alert.ts";
import type { Tone } from "./headline-facts.ts";

interface IconProps {
  readonly class?: string;
}

/** The mark: water stepping down over a weir. */
export function Logo(): JSX.Element {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" class="logo-ground" />
      <path d="M6 11h7c3 0 3 10 6 10h7" class="logo-flow" />
      <path d="M6 17h3c3 0 3 5 6 5M13 11h3c3 0 3 5 6 5h4" class="logo-step" />
    </svg>
  );
}

/** Each severity has its own outline, so that colour is never the only sign. */
export function SeverityIcon(props: { readonly severity: Severity; readonly state: AlertState }): JSX.Element {
  const { severity, state } = props;
  if (state === "resolved" || state === "inactive") {
    return (
      <svg class="icon icon-ok" viewBox="0 0 20 20" aria-hidden="true">
        <circle cx="10" cy="10" r="8" class="icon-shape" />
        <path d="m6.4 10.2 2.4 2.5 4.8-5.2" class="icon-sign" />
      </svg>
    );
  }
  return (
    <svg class={`icon icon-${severity} icon-${state}`} viewBox="0 0 20 20" aria-hidden="true">
      {severity === "critical" && <path d="M6.7 2h6.6L18 6.7v6.6L13.3 18H6.7L2 13.3V6.7Z" class="icon-shape" />}
      {severity === "warning" && <path d="M10 2.4 18.4 17H1.6Z" class="icon-shape" />}
      {severity === "info" && <circle cx="10" cy="10" r="8" class="icon-shape" />}
      {severity === "info" ? (
        <path d="M10 9.4v4.4M10 6.2v.2" class="icon-sign" />
      ) : (
        <path d={severity === "warning" ? "M10 8v4M10 14.4v.2" : "M10 5.8v5M10 13.9v.2"} class="icon-sign" />
      )}
    </svg>
  );
}

/** Beside the headline. Only `calm` has the tick. */
export function HeadlineIcon({ tone }: { readonly tone: Tone }): JSX.Element | null {
  switch (tone) {
    case "critical":
    case "warning":
      return <SeverityIcon severity={tone} state="firing" />;
    case "calm":
      return <SeverityIcon severity="info" state="resolved" />;
    case "quiet":
      return null;
  }
}

export function ArrowLeft({ class: name = "icon-line" }: IconProps): JSX.Element {
  return (
    <svg class={name} viewBox="0 0 20 20" aria-hidden="true">
      <path d="M12.5 4.5 7 10l5.5 5.5" />
    </svg>
  );
}

export function SunMoon({ class: name = "icon-line" }: IconProps): JSX.Element {
  return (
    <svg class={name} viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="10" cy="10" r="6.5" />
      <path d="M10 3.5a6.5 6.5 0 0 1 0 13Z" class="icon-half" />
    </svg>
  );
}

export function Search({ class: name = "icon-line" }: IconProps): JSX.Element {
  return (
    <svg class={name} viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="9" cy="9" r="5" />
      <path d="m13 13 3.5 3.5" />
    </svg>
  );
}
