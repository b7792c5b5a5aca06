import type {
  ExplainedChange,
  ExplainedWindow,
  IncidentExplanation,
  WhyNotAnswer,
} from "../../contracts/explanations.ts";
import { formatDurationUs, formatInstantUs } from "../../domain/time.ts";

const READINGS_SHOWN = 40;

/** For a terminal: the timeline of an incident, with the window behind each change. */
export function incidentText({ incident, rule, key, severity, state, steps, notes }: IncidentExplanation): string {
  const about = Object.entries(key).map(([name, text]) => `${name}=${text}`);
  const lines = [
    `${incident}`,
    `${rule} ${about.join(" ")}, ${severity}, ${state === "resolved" || state === "inactive" ? "over" : state} `.trimEnd(),
    "",
  ];
  for (const step of steps) lines.push(...stepLines(step), "");
  lines.push(...notes.map((note) => `Note: ${note}.`));
  return `${lines.join("\n").trimEnd()}\n`;
}

function computedLine({ recomputed, agrees, readingsInAll }: ExplainedWindow, name: string): string[] {
  if (recomputed === null) return [];
  const comparison = agrees === null ? "" : agrees ? ", as emitted" : ", WHICH DIFFERS FROM THE EMITTED VALUE";
  return [`  computed  ${name} of ${readingsInAll} readings is ${recomputed}${comparison}`];
}

function stepLines(step: ExplainedChange): string[] {
  const { from, state, atUs, processedAtUs, window, predicate, watermarkUs, latenessUs, input, closedBy, notes } = step;
  const { readings, readingsInAll } = step;
  const more = readingsInAll - Math.min(readings.length, READINGS_SHOWN);
  const clock = [
    ...(watermarkUs === null ? [] : [`watermark ${formatInstantUs(watermarkUs)}`]),
    ...(latenessUs === null ? [] : [`lateness ${formatDurationUs(latenessUs)}`]),
    ...(closedBy === "unknown" ? [] : [`closed by ${closedBy}`]),
  ];
  return [
    `${formatInstantUs(atUs)}  ${from} -> ${state}`,
    `  because   ${predicate}`,
    `  window    ${formatInstantUs(window.startUs)} to ${formatInstantUs(window.endUs)}`,
    ...(clock.length > 0 ? [`  clock     ${clock.join(", ")}`] : []),
    `  log       ${input.stream} ${input.partition}, entry ${input.sequence}, stored ${formatInstantUs(processedAtUs)}`,
    ...(step.parts?.flatMap((part) => computedLine(part, `${part.name}, ${part.aggregate}`)) ??
      computedLine(step, step.aggregate)),
    ...readings
      .slice(0, READINGS_SHOWN)
      .map(
        ({ atUs: observedUs, value, device, metric, sequence }) =>
          `    ${formatInstantUs(observedUs)}  ${String(value).padStart(10)}  ${device} ${metric}  (entry ${sequence})`,
      ),
    ...(more > 0 ? [`    ... and ${more} more`] : []),
    ...notes.map((note) => `  note      ${note}`),
  ];
}

/** For a terminal: the parts of the condition, and whether each holds. */
export function whyNotText({ rule, labels, atUs, alerts, reasons }: WhyNotAnswer): string {
  const name = (tags: Readonly<Record<string, string>>) =>
    Object.entries(tags)
      .map(([label, text]) => `${label}=${text}`)
      .join(" ");
  const lines = [`${rule} ${name(labels)} at ${formatInstantUs(atUs)}`.replaceAll(/ +/g, " ")];
  const mark = (holds: boolean) => (holds ? "yes" : "NO ");
  lines.push(...reasons.map(({ part, holds, text }) => `  ${mark(holds)}  ${part.padEnd(9)}  ${text}`));
  for (const alert of alerts) {
    lines.push("", `${name(alert.key)}: ${alert.state}`);
    lines.push(...alert.reasons.map(({ part, holds, text }) => `  ${mark(holds)}  ${part.padEnd(9)}  ${text}`));
  }
  return `${lines.join("\n")}\n`;
}
