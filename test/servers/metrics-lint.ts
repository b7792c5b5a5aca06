// The rules that `promtool check metrics` applies, in our own words:
// https://prometheus.io/docs/practices/naming/

interface Family {
  readonly name: string;
  help: string;
  type: string;
  readonly samples: { readonly name: string; readonly labels: string; readonly labelNames: readonly string[] }[];
}

const BASE_UNITS = ["amperes", "bytes", "celsius", "grams", "joules", "kelvin", "meters", "metres", "seconds", "volts"];
const OTHER_UNITS: Readonly<Record<string, string>> = {
  ...{ minutes: "seconds", hours: "seconds", days: "seconds", weeks: "seconds" },
  ...{ kelvins: "kelvin", fahrenheit: "celsius", rankine: "celsius" },
  ...{ inches: "meters", yards: "meters", miles: "meters" },
  ...{ bits: "bytes", calories: "joules", pounds: "grams", ounces: "grams" },
};
const PREFIX = /^(pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mebi|giga|gibi|tera|tebi|peta|pebi)/;
const ABBREVIATED = new Set(["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"]);
/** Labels that Prometheus attaches to each target. */
const OF_PROMETHEUS = new Set(["instance", "job"]);
const SUFFIXES = ["_bucket", "_count", "_sum"];

/** What is wrong with metrics in the text format: one line for each problem, with the name of the metric. */
export function lintMetrics(text: string): readonly string[] {
  return familiesOf(text).flatMap((family) => problemsOf(family).map((problem) => `${family.name}: ${problem}`));
}

function familiesOf(text: string): readonly Family[] {
  const families = new Map<string, Family>();
  const familyOf = (name: string) => {
    const family = families.get(name) ?? { name, help: "", type: "untyped", samples: [] };
    families.set(name, family);
    return family;
  };
  for (const line of text.split("\n")) {
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === "HELP") familyOf(name).help = rest;
    else if (kind === "TYPE") familyOf(name).type = rest;
    else if (line !== "" && !line.startsWith("#")) {
      const [, sample = "", labels = ""] = /^([^{\s]+)(?:\{(.*)\})? /.exec(line) ?? [];
      const base = SUFFIXES.map((suffix) => sample.slice(0, -suffix.length)).find(
        (each) => sample.startsWith(`${each}_`) && families.get(each)?.type === "histogram",
      );
      const labelNames = [...labels.matchAll(/(?:^|,)([A-Za-z0-9_]+)="/g)].map(([, label = ""]) => label);
      familyOf(base ?? sample).samples.push({ name: sample, labels, labelNames });
    }
  }
  return [...families.values()];
}

function problemsOf({ name, help, type, samples }: Family): readonly string[] {
  const words = name.toLowerCase().split("_");
  const labels = new Set(samples.flatMap(({ labelNames }) => labelNames));
  const keys = samples.map((sample) => `${sample.name}{${sample.labels}}`);
  const isCounter = type === "counter";
  const checks: readonly [boolean, string][] = [
    [help === "", "no help text"],
    [type === "untyped", "no type"],
    [isCounter && !name.endsWith("_total"), 'a counter ends in "_total"'],
    [!isCounter && name.endsWith("_total"), 'only a counter ends in "_total"'],
    [type !== "histogram" && SUFFIXES.some((suffix) => name.endsWith(suffix)), "a suffix of histograms"],
    [type !== "histogram" && labels.has("le"), 'only a histogram has the label "le"'],
    [type !== "summary" && labels.has("quantile"), 'only a summary has the label "quantile"'],
    [words.includes(type), `the name contains its type, ${type}`],
    [name.includes(":"), 'a name contains no ":"'],
    [/[a-z][A-Z]/.test(name) || [...labels].some((label) => /[a-z][A-Z]/.test(label)), "snake_case, not camelCase"],
    [words.some((word) => ABBREVIATED.has(word)), "an abbreviated unit"],
    [new Set(keys).size < keys.length, "a sample appears twice"],
    ...[...labels].map((label): [boolean, string] => [OF_PROMETHEUS.has(label), `"${label}" is Prometheus' own label`]),
  ];
  return [...unitProblem(words), ...checks.filter(([isBad]) => isBad).map(([, problem]) => problem)];
}

function unitProblem(words: readonly string[]): readonly string[] {
  for (const word of words) {
    const unit = word.replace(PREFIX, "");
    const base = BASE_UNITS.includes(unit) ? unit : OTHER_UNITS[unit];
    if (base === undefined) continue;
    return word === base ? [] : [`use ${base}, not ${word}`];
  }
  return [];
}
