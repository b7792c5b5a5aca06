import type { WindowsSpec } from "../rules/rule.ts";
import type { FillBudget } from "../state/step-context.ts";
import { CalendarWindows } from "./calendar-windows.ts";
import { CountWindows } from "./count-windows.ts";
import { FilledWindows } from "./filled-windows.ts";
import { PaneWindows } from "./pane-windows.ts";
import { SessionWindows } from "./session-windows.ts";
import { SlidingWindows } from "./sliding-windows.ts";
import type { OnWindow, Windows } from "./windows.ts";

export function makeWindows(
  spec: Exclude<WindowsSpec, { kind: "absent" }>,
  fillBudget: FillBudget,
  onWindow: OnWindow,
): Windows {
  switch (spec.kind) {
    case "panes":
      return new PaneWindows(spec, onWindow);
    case "filled":
      return new FilledWindows({ ...spec, fillBudget }, onWindow);
    case "calendar":
      return new CalendarWindows(spec, onWindow);
    case "sliding":
      return new SlidingWindows(spec, onWindow);
    case "session":
      return new SessionWindows(spec, onWindow);
    case "count":
      return new CountWindows(spec, onWindow);
  }
}
