import { useEffect, useState } from "preact/hooks";
import type { Severity } from "../../../domain/alert.ts";
import { usePage } from "../app/page.ts";

/** The theme's colours, for canvases. */
export interface Palette {
  readonly ink: string;
  readonly muted: string;
  readonly grid: string;
  readonly surface: string;
  readonly line: string;
  readonly window: string;
  readonly severity: Readonly<Record<Severity, string>>;
  readonly severitySoft: Readonly<Record<Severity, string>>;
  /** For states, which have no order. */
  readonly states: readonly string[];
  readonly font: string;
}

let current: Palette | undefined;

/** The current palette. A component that uses it renders again when the theme changes. */
export function usePalette(): Palette {
  const { settings } = usePage();
  const theme = settings.theme.value;
  const [, redraw] = useState(0);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => {
      current = undefined;
      redraw((count) => count + 1);
    };
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, []);
  if (current === undefined || paletteTheme !== theme) {
    current = readPalette();
    paletteTheme = theme;
  }
  return current;
}

let paletteTheme: string | undefined;

function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: color("ink"),
    muted: color("muted"),
    grid: color("grid"),
    surface: color("surface"),
    line: color("line"),
    window: color("window"),
    severity: { info: color("info"), warning: color("warning"), critical: color("critical") },
    severitySoft: { info: color("info-wash"), warning: color("warning-wash"), critical: color("critical-wash") },
    states: [1, 2, 3, 4, 5, 6].map((number) => color(`state-${number}`)),
    font: `12px ${color("font")}`,
  };
}
