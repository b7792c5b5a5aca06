import { partsOfInstance } from "../../platform/instance.ts";
import { type Metric, type Report, sampleName } from "../views/stats-view.ts";

/**
 * The metrics of several processes in Prometheus' text format. The labels `service` and `process` say whose they are;
 * `instance` would be Prometheus' own.
 */
export function metricsText(reports: readonly Report[]): string {
  const families = new Map<string, { readonly metric: Metric; readonly lines: string[] }>();
  for (const { instance, metrics } of reports) {
    const labels = partsOfInstance(instance);
    for (const metric of metrics) {
      let family = families.get(metric.name);
      if (family === undefined) {
        family = { metric, lines: [] };
        families.set(metric.name, family);
      }
      for (const sample of metric.values) {
        family.lines.push(`${sampleName(metric, sample, labels)} ${numberText(sample.value)}`);
      }
    }
  }
  let text = "";
  for (const { metric, lines } of families.values()) {
    const help = metric.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
    text += `# HELP ${metric.name} ${help}\n# TYPE ${metric.name} ${metric.type}\n`;
    for (const line of lines) text += `${line}\n`;
  }
  return text;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}
