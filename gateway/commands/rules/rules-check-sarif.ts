import { isAbsolute, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { Place } from "../../../platform/files/yaml-source.ts";
import { ERRORS } from "../../../rule-language/files/errors.ts";
import type { RuleProblem } from "../../../rule-language/files/problem.ts";
import { WARNINGS } from "../../../rule-language/lint/warning-kinds.ts";

const KINDS = Object.entries({ ...ERRORS, ...WARNINGS });
const CODES = KINDS.map(([code]) => code);

/** The problems as SARIF 2.1.0 (OASIS), which code hosts show beside the lines. Paths are relative to `folder`. */
export function sarifOf(
  problems: readonly RuleProblem[],
  options: { readonly version: string; readonly folder: string },
): unknown {
  const { version, folder } = options;
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "weir-rules-check",
            semanticVersion: version,
            rules: KINDS.map(([code, { title, text }]) => ({
              id: code,
              name: code,
              shortDescription: { text: title.replaceAll("`", "") },
              fullDescription: { text: text.replaceAll("`", "") },
              help: { text: text.replaceAll("`", ""), markdown: text },
              defaultConfiguration: { level: code.startsWith("E") ? "error" : "warning" },
            })),
          },
        },
        columnKind: "utf16CodeUnits",
        originalUriBaseIds: { SRCROOT: { uri: `${pathToFileURL(folder).href.replace(/\/$/, "")}/` } },
        results: problems.map(({ code, severity, file, place, message, help, related }) => ({
          ruleId: code,
          ruleIndex: CODES.indexOf(code),
          level: severity,
          message: { text: help === "" ? message : `${message} (${help})` },
          locations: [{ physicalLocation: locationOf(file, place, folder) }],
          ...(related.length === 0
            ? {}
            : {
                relatedLocations: related.map((other, id) => ({
                  id,
                  message: { text: other.message },
                  physicalLocation: locationOf(other.file, other.place, folder),
                })),
              }),
        })),
      },
    ],
  };
}

function locationOf(file: string, { line, column, length, text }: Place, folder: string) {
  const path = isAbsolute(file) ? relative(folder, file) : file;
  const isOutside = path.startsWith("..");
  const uri = isOutside ? pathToFileURL(file).href : path.split(/[\\/]/).map(encodeURIComponent).join("/");
  return {
    artifactLocation: isOutside ? { uri } : { uri, uriBaseId: "SRCROOT" },
    region: {
      startLine: line,
      startColumn: column,
      endColumn: column + length,
      ...(text === "" ? {} : { snippet: { text } }),
    },
  };
}
