import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** A new certificate for 127.0.0.1 that certifies itself. */
export async function makeCertificate(
  folder: string,
): Promise<{ readonly certFile: string; readonly keyFile: string }> {
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile];
  const name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  await promisify(execFile)("openssl", ["req", "-x509", ...key, ...name, "-days", "2", "-out", certFile]);
  return { certFile, keyFile };
}
