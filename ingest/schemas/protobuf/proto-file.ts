import protobuf from "protobufjs";
import { reasonOf } from "../../../domain/reason.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";

/** A .proto file that others import. */
export interface ImportedFile {
  readonly name: string;
  readonly text: string;
}

/** A parsed .proto file. */
export interface ProtoFile {
  readonly root: protobuf.Root;
  /** The messages of the file itself, as they are declared: a payload names one by its place. */
  readonly messages: readonly protobuf.Type[];
}

const TEXT_MAX = 512 * 1_024;
const NESTED_MAX = 64;

/** Parses a .proto file with its imports. Throws `BadSchemaError`. */
export function parseProto(text: string, imported: readonly ImportedFile[] = []): ProtoFile {
  if (text.length > TEXT_MAX) throw new BadSchemaError(`it has more than ${TEXT_MAX} characters`);
  // The parser calls itself for each level.
  if (depthOf(text) > NESTED_MAX) throw new BadSchemaError(`it is nested deeper than ${NESTED_MAX}`);
  const root = new protobuf.Root();
  try {
    const { imports = [], weakImports = [], package: packageName } = protobuf.parse(text, root, { keepCase: true });
    const messages = messagesOf(root, packageName);
    addImports(root, [...imports, ...weakImports], new Map(imported.map((file) => [file.name, file.text])));
    root.resolveAll();
    if (messages.length === 0) throw new BadSchemaError("it has no message");
    return { root, messages };
  } catch (cause) {
    if (cause instanceof BadSchemaError) throw cause;
    throw new BadSchemaError(`not a .proto file: ${reasonOf(cause)}`, { cause });
  }
}

function addImports(root: protobuf.Root, names: readonly string[], files: ReadonlyMap<string, string>): void {
  const added = new Set<string>();
  const waiting = [...names];
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    if (added.has(name)) continue;
    added.add(name);
    const text = files.get(name);
    if (text !== undefined) {
      const { imports = [], weakImports = [] } = protobuf.parse(text, root, { keepCase: true });
      waiting.push(...imports, ...weakImports);
      continue;
    }
    const known = protobuf.common.get(name)?.nested;
    if (known === undefined) throw new BadSchemaError(`it imports "${name}", which is none of its references`);
    root.addJSON(known);
  }
}

function messagesOf(root: protobuf.Root, packageName: string | undefined): protobuf.Type[] {
  const namespace = packageName === undefined ? root : root.lookup(packageName);
  if (!(namespace instanceof protobuf.Namespace)) return [];
  return namespace.nestedArray.filter((each): each is protobuf.Type => each instanceof protobuf.Type);
}

function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if ("{[<(".includes(character)) deepest = Math.max(deepest, ++depth);
    else if ("}]>)".includes(character)) depth--;
  }
  return deepest;
}

/** The message that a serializer's indexes name: its place in the file, then within the one before. */
export function messageAt(file: ProtoFile, indexes: readonly number[]): protobuf.Type | undefined {
  let among: readonly protobuf.Type[] = file.messages;
  let found: protobuf.Type | undefined;
  for (const index of indexes) {
    found = among[index];
    if (found === undefined) return undefined;
    among = found.nestedArray.filter((each): each is protobuf.Type => each instanceof protobuf.Type);
  }
  return found;
}

/** By its name, with or without the package. */
export function messageNamed(file: ProtoFile, name: string): protobuf.Type | undefined {
  for (const message of file.messages) {
    if (nameOf(message) === name || message.name === name) return message;
  }
  const found = file.root.lookup(name);
  return found instanceof protobuf.Type ? found : undefined;
}

/** The full name, without the dot in front. */
export function nameOf(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, "");
}
