import { type Fault, lineOf, type SourceFile, visit } from "./source-file.ts";

/** A phrase that Weir's texts do not use, and what to write instead. */
export interface Phrase {
  readonly pattern: RegExp;
  readonly instead: string;
}

export const PHRASES: readonly Phrase[] = [
  phrase(String.raw`\btold\b`, "notified, emitted, reported"),
  phrase(String.raw`\bmend(?:s|ed|ing)?\b`, "fix"),
  phrase(String.raw`\banew\b`, "again"),
  phrase(String.raw`\bso many\b`, "this many, or the number"),
  phrase(String.raw`\bwhoever\b`, "anyone who"),
  phrase(String.raw`\bstands? in\b`, "is in"),
  phrase(String.raw`\blooked at\b`, "evaluated, read"),
  phrase(String.raw`\btaken? in\b`, "accepted, read"),
  phrase(String.raw`\b(?:let|lets) be\b`, "left alone"),
  phrase(String.raw`\bthat which\b`, "what, or name it"),
  phrase(String.raw`\b(?:is|are|was) to be had\b`, "is available"),
  phrase(String.raw`\bnobody\b.*\bany more\b`, "no longer"),
  phrase(String.raw`\bgoes its way\b|\bgo their way\b`, "continues"),
  phrase(String.raw`\bthe one who\b`, "name who"),
  phrase(String.raw`\blikewise\b`, "also, the same way"),
  phrase(String.raw`\breckons?\b`, "computes"),
  phrase(String.raw`\ball the same\b`, "still, anyway"),
];

/** A line may break where the phrase has a blank. */
function phrase(source: string, instead: string): Phrase {
  return { pattern: new RegExp(source.replaceAll(" ", String.raw`\s+`), "i"), instead };
}

/** Banned phrases in a file's comments and texts (string literals, templates and JSX). */
export function bannedPhrases(file: SourceFile, phrases: readonly Phrase[] = PHRASES): Fault[] {
  const faults: Fault[] = [];
  const search = (text: string, start: number) => {
    for (const { pattern, instead } of phrases) {
      const found = pattern.exec(text);
      if (!found) continue;
      const message = `"${found[0]}": write ${instead}`;
      faults.push({ path: file.path, line: lineOf(file, start + found.index), message });
    }
  };
  for (const { value, start } of file.parsed.comments) search(value.replace(/\s*\n\s*\*?\s*/g, blanks), start + 2);
  visit(file.parsed.program, (node) => {
    if (node.type === "Literal" && typeof node.value === "string") search(node.value, node.start);
    if (node.type === "TemplateElement" || node.type === "JSXText") {
      search(file.text.slice(node.start, node.end), node.start);
    }
  });
  return faults;
}

/** Banned phrases in a page of documentation. Code blocks count: their comments are prose. */
export function bannedInText(path: string, text: string, phrases: readonly Phrase[] = PHRASES): Fault[] {
  return text.split("\n").flatMap((line, i) =>
    phrases.flatMap(({ pattern, instead }) => {
      const found = pattern.exec(line);
      return found ? [{ path, line: i + 1, message: `"${found[0]}": write ${instead}` }] : [];
    }),
  );
}

/** A line break inside a comment is a space, of the same length so that positions stay. */
function blanks(text: string): string {
  return " ".repeat(text.length);
}
