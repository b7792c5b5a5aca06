import protobuf from "protobufjs";

// Payloads of Sparkplug B by an independent encoder: the schema here is written from the specification (6.4), for
// protobufjs, and shares nothing with the reader.
const SCHEMA = `syntax = "proto2"; package sparkplug;
message Payload {
  optional uint64 timestamp = 1; repeated Metric metrics = 2; optional uint64 seq = 3; optional string uuid = 4;
  optional bytes body = 5;
  message Metric {
    optional string name = 1; optional uint64 alias = 2; optional uint64 timestamp = 3; optional uint32 datatype = 4;
    optional bool is_historical = 5; optional bool is_transient = 6; optional bool is_null = 7;
    optional PropertySet properties = 9;
    oneof value {
      uint32 int_value = 10; uint64 long_value = 11; float float_value = 12; double double_value = 13;
      bool boolean_value = 14; string string_value = 15; bytes bytes_value = 16; DataSet dataset_value = 17;
      Template template_value = 18;
    }
  }
  message PropertySet { repeated string keys = 1; repeated PropertyValue values = 2; }
  message PropertyValue {
    optional uint32 type = 1; optional bool is_null = 2;
    oneof value {
      uint32 int_value = 3; uint64 long_value = 4; float float_value = 5; double double_value = 6;
      bool boolean_value = 7; string string_value = 8;
    }
  }
  message DataSet {
    optional uint64 num_of_columns = 1; repeated string columns = 2; repeated uint32 types = 3; repeated Row rows = 4;
    message Row { repeated DataSetValue elements = 1; }
    message DataSetValue {
      oneof value {
        uint32 int_value = 1; uint64 long_value = 2; float float_value = 3; double double_value = 4;
        bool boolean_value = 5; string string_value = 6;
      }
    }
  }
  message Template {
    optional string version = 1; repeated Metric metrics = 2; repeated Parameter parameters = 3;
    optional string template_ref = 4; optional bool is_definition = 5;
    message Parameter {
      optional string name = 1; optional uint32 type = 2;
      oneof value {
        uint32 int_value = 3; uint64 long_value = 4; float float_value = 5; double double_value = 6;
        bool boolean_value = 7; string string_value = 8;
      }
    }
  }
}`;

const type = protobuf.parse(SCHEMA, new protobuf.Root(), { keepCase: true }).root.lookupType("sparkplug.Payload");

export interface PeerMetric {
  readonly name?: string;
  readonly alias?: number | string;
  readonly timestamp?: number;
  readonly datatype?: number;
  readonly [field: string]: unknown;
}

export interface PeerPayload {
  readonly timestamp?: number;
  readonly seq?: number;
  readonly metrics?: readonly PeerMetric[];
}

export function sparkplugPayload(payload: PeerPayload): Buffer {
  return Buffer.from(type.encode(type.fromObject(payload)).finish());
}

/** What a command of Weir says. */
export function readSparkplug(bytes: Uint8Array): PeerPayload {
  return type.toObject(type.decode(bytes), { longs: Number }) as PeerPayload;
}

const DOUBLE = 10;
const BOOLEAN = 11;
const TEXT = 12;

/** A metric of the type that its value has. */
export function peerMetric(value: number | boolean | string): PeerMetric {
  if (typeof value === "number") return { datatype: DOUBLE, double_value: value };
  return typeof value === "boolean"
    ? { datatype: BOOLEAN, boolean_value: value }
    : { datatype: TEXT, string_value: value };
}
