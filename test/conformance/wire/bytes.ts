/** MQTT packets as bytes. Shares no code with the broker, nor with the library that the broker reads packets with. */

/** 4 is MQTT 3.1.1. */
export type Version = 4 | 5;
export type Qos = 0 | 1 | 2;
export type Part = readonly number[] | Uint8Array;

export const HEAD = {
  connect: 0x10,
  puback: 0x40,
  pubrec: 0x50,
  pubrel: 0x62,
  pubcomp: 0x70,
  subscribe: 0x82,
  unsubscribe: 0xa2,
  pingreq: 0xc0,
  disconnect: 0xe0,
  auth: 0xf0,
} as const;

export function u16(value: number): readonly number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

export function u32(value: number): readonly number[] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

/** A variable byte integer. */
export function varint(value: number): readonly number[] {
  const bytes: number[] = [];
  let left = value;
  do {
    const byte = left % 128;
    left = Math.floor(left / 128);
    bytes.push(left > 0 ? byte | 0x80 : byte);
  } while (left > 0);
  return bytes;
}

/** Bytes with their length before them; a string is written as UTF-8. */
export function prefixed(value: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from(u16(bytes.length)), bytes]);
}

/** A packet: its first byte, its remaining length, and the parts. */
export function packet(head: number, ...parts: readonly Part[]): Uint8Array {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([head, ...varint(body.length)]), body]);
}

export const PINGREQ = packet(HEAD.pingreq);
