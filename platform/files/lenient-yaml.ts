import { explainFault, type YamlFault } from "./yaml-faults.ts";
import { openYaml, type Place, type YamlSource } from "./yaml-source.ts";

/** A YAML text with its faults explained. */
export interface LenientYaml {
  /** Its value is undefined when the text is too broken to have one. */
  readonly yaml: YamlSource;
  readonly faults: readonly YamlFault[];
}

/** Faults of the library that leave the rest of the text readable as intended. */
const READABLE = new Set(["DUPLICATE_KEY"]);
/** Each fixed line costs one more parse. */
const FIXES_MAX = 50;

/**
 * Parses a text. If a broken line has only one possible meaning, it is fixed and the text is parsed again. So the
 * rest of the file is checked as well, and all faults are reported at once.
 */
export function openLenient(source: string): LenientYaml {
  const faults: YamlFault[] = [];
  const original = source.split("\n");
  const lines = [...original];
  const isFixed = ({ line }: Place) => lines[line - 1] !== original[line - 1];
  let yaml = openYaml(source);
  for (let round = 0; round < FIXES_MAX; round++) {
    const { openBrackets } = yaml;
    const found = yaml.faults.map((fault) => ({ ...fault, explained: explainFault(fault, { lines, openBrackets }) }));
    // Each line once: a second fix would quote the quotes.
    const fixable = found.find(({ explained: { fixedLine, place } }) => fixedLine !== undefined && !isFixed(place));
    if (fixable?.explained.fixedLine === undefined) {
      // A structural fault usually causes the faults after it.
      const own = found.filter(({ code }, i) => i === 0 || READABLE.has(code)).map(({ explained }) => explained);
      faults.push(...own.filter(({ place }) => !isFixed(place)));
      const isReadable = yaml.faults.every(({ code }) => READABLE.has(code));
      return { yaml: asWritten(yaml, original, isReadable), faults };
    }
    faults.push(fixable.explained);
    lines[fixable.explained.place.line - 1] = fixable.explained.fixedLine;
    yaml = openYaml(lines.join("\n"));
  }
  return { yaml: asWritten(yaml, original, false), faults };
}

/** Maps places on a fixed line to the line of the file. */
function asWritten(yaml: YamlSource, original: readonly string[], isReadable: boolean): YamlSource {
  function written(place: Place): Place {
    const text = (original[place.line - 1] ?? "").replace(/\r$/, "");
    return { ...place, text, length: Math.max(1, Math.min(place.length, text.length - place.column + 1)) };
  }
  return {
    ...yaml,
    value: isReadable ? yaml.value : undefined,
    comments: yaml.comments.map(written),
    placeOf: (...path) => written(yaml.placeOf(...path)),
  };
}
