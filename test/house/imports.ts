import { AROUND, DIRECTIONS, KITS, PURE } from "./directions.ts";
import type { Fault, Import } from "./source-file.ts";

/** Every import that goes against the directions, and why. */
export function forbiddenImports(imports: readonly Import[]): Fault[] {
  return imports.flatMap((each) => {
    const message = problemOf(each);
    return message === undefined ? [] : [{ path: each.from.path, line: each.line, message }];
  });
}

function problemOf({ from, specifier, target }: Import): string | undefined {
  const room = roomOf(from.path);
  if (AROUND.includes(room) || isTest(from.path)) return undefined;
  if (target === undefined) return packageProblem(room, from.path, specifier);
  const targetRoom = roomOf(target);
  if (isKit(from.path)) return undefined;
  if (isKit(target)) return `${target} is a test kit: only tests and other kits import it`;
  if (targetRoom === room) return undefined;
  if (AROUND.includes(targetRoom)) return `${targetRoom}/ is no part of the product`;
  const allowed = DIRECTIONS[room];
  if (allowed === undefined) return `${room}/ is missing in test/house/directions.ts`;
  if (allowed.includes(targetRoom)) return undefined;
  return `${room}/ does not import ${targetRoom}/ (allowed: ${allowed.join(", ") || "nothing else"})`;
}

function packageProblem(room: string, path: string, specifier: string): string | undefined {
  const allowed = PURE[room];
  if (allowed === undefined || isKit(path) || allowed.includes(specifier)) return undefined;
  return `${room}/ is pure and does not import ${specifier}`;
}

export function roomOf(path: string): string {
  return path.split("/")[0] ?? "";
}

export function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path);
}

export function isKit(path: string): boolean {
  return path.split("/").slice(0, -1).includes(KITS);
}
