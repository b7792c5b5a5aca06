/** What a topic of Sparkplug says. `key` names the node: the JSON text of its group and its own name. */
export type SparkplugTopic =
  | {
      readonly kind: "NBIRTH" | "NDEATH" | "NDATA" | "DBIRTH" | "DDEATH" | "DDATA";
      readonly key: string;
      readonly node: string;
      readonly device: string | undefined;
    }
  /** Commands, and the states of host applications: they have no readings. */
  | { readonly kind: "other" };

const OF_NODE: ReadonlySet<string> = new Set(["NBIRTH", "NDEATH", "NDATA"]);
const OF_DEVICE: ReadonlySet<string> = new Set(["DBIRTH", "DDEATH", "DDATA"]);
const OTHER: ReadonlySet<string> = new Set(["NCMD", "DCMD", "STATE"]);

/** Returns what is wrong for a topic that is none. */
export function parseSparkplugTopic(text: string): SparkplugTopic | string {
  const [namespace, group = "", kind = "", node = "", device, ...rest] = text.split("/");
  if (namespace !== "spBv1.0") return `the topic does not begin with spBv1.0, the namespace of Sparkplug B`;
  if (group === "STATE" || OTHER.has(kind)) return { kind: "other" };
  const isOfNode = OF_NODE.has(kind) && device === undefined;
  const isOfDevice = OF_DEVICE.has(kind) && device !== undefined && rest.length === 0;
  if (!isOfNode && !isOfDevice) {
    return "the topic is not spBv1.0/group/NDATA/node or spBv1.0/group/DDATA/node/device, or one of births and deaths";
  }
  const key = JSON.stringify([group, node]);
  return { kind: kind as Exclude<SparkplugTopic["kind"], "other">, key, node, device } as SparkplugTopic;
}
