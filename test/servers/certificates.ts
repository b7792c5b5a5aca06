import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** PEM files. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Authority extends Certificate {
  /** Signs a certificate. `names`: `DNS:localhost,IP:127.0.0.1`. `days` below 0: it has expired. */
  issue(name: string, options?: { readonly names?: string; readonly days?: number }): Promise<Certificate>;
}

/** An authority of certificates in a folder, made with openssl. */
export async function makeAuthority(folder: string, name: string): Promise<Authority> {
  const place = (file: string) => join(folder, `${name}-${file}`);
  const [certFile, keyFile] = [place("ca.pem"), place("ca.key")];
  await run("openssl", [
    "req",
    "-x509",
    ...KEY,
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
    "-keyout",
    keyFile,
    "-out",
    certFile,
  ]);

  async function issue(subject: string, { names = "DNS:localhost,IP:127.0.0.1", days = 2 } = {}) {
    const issued = { certFile: place(`${subject}.pem`), keyFile: place(`${subject}.key`) };
    const [request, extensions] = [place(`${subject}.csr`), place(`${subject}.ext`)];
    await run("openssl", ["req", ...KEY, "-subj", `/CN=${subject}`, "-keyout", issued.keyFile, "-out", request]);
    await writeFile(extensions, `subjectAltName=${names}\n`);
    const signing = ["-CA", certFile, "-CAkey", keyFile, "-CAcreateserial", "-days", `${days}`, "-extfile", extensions];
    await run("openssl", ["x509", "-req", "-in", request, ...signing, "-out", issued.certFile]);
    return issued;
  }

  return { certFile, keyFile, issue };
}
