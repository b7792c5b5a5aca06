/** A message from Weir to devices: a command, or what it says about itself. The broker gives it to its subscribers. */
export interface DevicePublish {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1;
  readonly retain: boolean;
}
