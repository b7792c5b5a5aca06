/** A refusal, with the status and the code that clients of registries know. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly status: number;
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // 40401 is a 404.
    this.status = code < 1_000 ? code : Math.floor(code / 100);
  }
}

export function subjectNotFound(subject: string): RegistryError {
  return new RegistryError(40_401, `Subject '${subject}' not found.`);
}

export function versionNotFound(version: string | number): RegistryError {
  return new RegistryError(40_402, `Version ${version} not found.`);
}

export function schemaNotFound(what = ""): RegistryError {
  return new RegistryError(40_403, `Schema ${what}${what === "" ? "" : " "}not found`);
}
