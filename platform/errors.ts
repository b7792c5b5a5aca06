import { UserError } from "../domain/user-error.ts";

/** An address that a service should listen on is in use. Retrying helps only once the other program has ended. */
export class PortInUseError extends UserError {
  override readonly name = "PortInUseError";
  readonly host: string;
  readonly port: number;

  constructor(options: {
    /** The service that should listen: `the MQTT broker`. */
    readonly what: string;
    readonly host: string;
    readonly port: number;
    /** How to choose another port: `--mqtt-port or WEIR_MQTT_PORT`. */
    readonly setting: string;
  }) {
    const { what, host, port, setting } = options;
    super(
      `${what} cannot listen on ${host}:${port}: another program uses this port. Choose another port with ${setting}.`,
    );
    this.host = host;
    this.port = port;
  }
}
