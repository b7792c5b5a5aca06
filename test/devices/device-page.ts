import { stringify } from "yaml";
import { type Family, type FamilyCase, messagesOf } from "./family.ts";

const WIDTH = 118;

/** A page of docs/devices. */
export function devicePage({ title, about, cases, name }: Family): string {
  const note = `<!-- Written by the tests from test/devices/families/${name}.yaml: change that file. -->`;
  return `${[`# ${title}`, note, wrapped(about), ...cases.map(section)].join("\n\n")}\n`;
}

/** The first page of docs/devices. */
export function devicesIndex(families: readonly Family[]): string {
  const intro = [
    "# Devices",
    "<!-- Written by the tests from test/devices/families: change the files there. -->",
    wrapped(
      "For everyone who connects devices: what each family sends, the sources that read it, and the readings that come out. All of it is tested on a gateway.",
    ),
  ];
  const links = families.map(({ title, name }) => `- [${title}](${name}.md)`).join("\n");
  return `${[...intro, links].join("\n\n")}\n`;
}

function section(one: FamilyCase): string {
  const { what, sources, readings, letters } = one;
  const used = sources === undefined ? "" : `\`\`\`yaml\n${stringify({ sources }, { lineWidth: WIDTH })}\`\`\``;
  const sent = `\`\`\`text\n${messagesOf(one).map(sentLines).join("\n")}\n\`\`\``;
  const parts = [`## ${what}`, used, sent, readings.length === 0 ? "No readings." : table(readings)];
  for (const { reason, detail } of letters) parts.push(wrapped(`A dead letter with the reason ${reason}: ${detail}.`));
  return parts.filter((part) => part !== "").join("\n\n");
}

const PAYLOAD_CHARACTERS_MAX = 900;

function sentLines({ topic, payload }: { readonly topic: string; readonly payload: Uint8Array }): string {
  const text = Buffer.from(payload).toString();
  const isText = [...text].every((character) =>
    character >= " " ? !/[\ufffd\ufeff]/.test(character) : character.trim() === "",
  );
  const shown = isText ? text.trimEnd() : `(bytes) ${Buffer.from(payload).toString("hex")}`;
  if (shown === "") return `${topic}  (empty)`;
  const cut = shown.length > PAYLOAD_CHARACTERS_MAX ? `${shown.slice(0, PAYLOAD_CHARACTERS_MAX)}...` : shown;
  const line = `${topic}  ${cut}`;
  return line.length <= WIDTH && !cut.includes("\n")
    ? line
    : [topic, ...cut.split("\n").flatMap(brokenLine)].join("\n");
}

/** Broken after commas, or where the width ends. */
function brokenLine(text: string): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > WIDTH - 2) {
    const comma = rest.lastIndexOf(",", WIDTH - 4);
    const end = comma > WIDTH / 2 ? comma + 1 : WIDTH - 2;
    lines.push(`  ${rest.slice(0, end)}`);
    rest = rest.slice(end);
  }
  return [...lines, `  ${rest}`];
}

const ROWS_MAX = 12;

function table(readings: FamilyCase["readings"]): string {
  const rows = readings.slice(0, ROWS_MAX).map(({ device, tags, metric, value, time }) => {
    const inTags = Object.entries(tags).map(([name, text]) => `${name}=${text}`);
    return [device, inTags.join(", "), metric, JSON.stringify(value), time ?? "received"];
  });
  const lines = rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
  const more = readings.length > ROWS_MAX ? [`\nand ${readings.length - ROWS_MAX} more.`] : [];
  return ["| Device | Tags | Metric | Value | Time |", "|---|---|---|---|---|", ...lines, ...more].join("\n");
}

function wrapped(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.trim().split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
