/**
 * A failure that the user can fix: the message says what is wrong, where, and how to fix it. The command prints the
 * message alone, without a stack, and exits with 1. Such an error stays one on its way from a service's thread.
 */
export class UserError extends Error {
  override readonly name: string = "UserError";
}

/** An address that a service should listen on is taken. Trying again helps only once the other program is gone. */
export class PortInUseError extends UserError {
  override readonly name = "PortInUseError";
  readonly host: string;
  readonly port: number;

  constructor(options: {
    /** What wants to listen: `the MQTT broker`. */
    readonly what: string;
    readonly host: string;
    readonly port: number;
    /** How to choose another port: `--mqtt-port or WEIR_MQTT_PORT`. */
    readonly setting: string;
  }) {
    const { what, host, port, setting } = options;
    super(`${what} cannot listen on ${host}:${port}: another program does. Choose another port with ${setting}.`);
    this.host = host;
    this.port = port;
  }
}
