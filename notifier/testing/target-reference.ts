import { stringify } from "yaml";
import { type FieldSchema, jsonSchemaOf } from "../../platform/files/known-keys.ts";
import { KIND_NAMES, type KindName, TARGET_KINDS } from "../targets/kinds.ts";
import { TARGET_SETTINGS } from "../targets/target-settings.ts";

/** Generates docs/notification-targets.md from the table of kinds. */
export function targetReference(): string {
  const [first = "webhook"] = KIND_NAMES;
  const sections = KIND_NAMES.map(
    (kind) => `## ${kind}\n\n${TARGET_KINDS[kind].doc}\n\n${exampleOf(kind)}\n\n${tableOf(ownFields(kind))}\n`,
  );
  return `# Targets of notifications

<!-- Generated from notifier/targets/kinds.ts: vitest run notifier/targets/kinds.test.ts -u -->

A receiver of \`notifier.receivers\` in weir.yaml has one or more targets. Each is one of these kinds. How alerts reach
them is in [notifier.md](notifier.md).

| Kind | What it sends | How the other side recognizes a duplicate |
| --- | --- | --- |
${KIND_NAMES.map((kind) => `| [${kind}](#${kind}) | ${TARGET_KINDS[kind].doc} | ${TARGET_KINDS[kind].recognizedBy} |`).join("\n")}

## Every kind

${tableOf(fieldsOf(first).filter(({ name }) => isShared(name)))}

${sections.join("\n")}`;
}

interface Field {
  readonly name: string;
  readonly schema: FieldSchema;
  readonly required: boolean;
}

function fieldsOf(kind: KindName): Field[] {
  const { properties = {}, required } = jsonSchemaOf(TARGET_KINDS[kind].schema);
  const isRequired = (name: string) => Array.isArray(required) && required.includes(name);
  return Object.entries(properties).flatMap(([name, schema]): Field[] => [
    { name, schema, required: isRequired(name) },
    ...Object.entries(schema.properties ?? {}).map(([inner, below]) => ({
      ...{ name: `${name}.${inner}`, schema: below, required: false },
    })),
  ]);
}

/** The fields of a kind that are not in the table of all kinds, or have a different default there. */
function ownFields(kind: KindName): Field[] {
  const [first = "webhook"] = KIND_NAMES;
  const shared = fieldsOf(first).filter(({ name }) => isShared(name));
  return fieldsOf(kind).filter(({ name, schema }) => {
    const common = shared.find((each) => each.name === name)?.schema;
    return common === undefined || JSON.stringify(common.default) !== JSON.stringify(schema.default);
  });
}

function isShared(name: string): boolean {
  return Object.hasOwn(TARGET_SETTINGS, name.split(".", 1)[0] ?? "");
}

function tableOf(fields: readonly Field[]): string {
  const rows = fields.map(({ name, schema, required }) => {
    const isScalar = schema.default !== undefined && typeof schema.default !== "object";
    const standard = required ? "required" : isScalar ? `\`${String(schema.default)}\`` : "";
    return `| \`${name}\` | ${standard} | ${(schema.description ?? "").replaceAll("|", "\\|")} |`;
  });
  return ["| Key | Default | Meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

function exampleOf(kind: KindName): string {
  const yaml = stringify({ notifier: { receivers: { ops: [{ [kind]: TARGET_KINDS[kind].example }] } } });
  return `\`\`\`yaml\n${yaml}\`\`\``;
}
