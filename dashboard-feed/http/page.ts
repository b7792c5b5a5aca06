import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { UserError } from "../../domain/user-error.ts";

const FILES_MAX = 2_000;
const FILE_BYTES_MAX = 16 * 1024 * 1024;
/** Smaller files do not gain from compression. */
const GZIP_BYTES_MIN = 1_024;

export interface PageFile {
  readonly bytes: Buffer;
  readonly gzipped: Buffer | undefined;
  readonly type: string;
  readonly etag: string;
  /** The file's name changes with its content. */
  readonly immutable: boolean;
}

/** The built page, in memory. It serves only files that its folder had at the start. */
export interface Page {
  /** The file at a URL path; for a path within the page, the page itself. */
  find(path: string): PageFile | undefined;
}

class PageTooLargeError extends UserError {
  override readonly name = "PageTooLargeError";
}

/** A missing folder is an empty page. */
export async function loadPage(folder: string | undefined): Promise<Page> {
  const files = new Map<string, PageFile>();
  for (const path of folder === undefined ? [] : await listFiles(folder)) {
    const name = `/${relative(folder ?? "", path)
      .split(sep)
      .join("/")}`;
    files.set(name, await loadFile(path, name));
  }
  const index = files.get("/index.html");
  return {
    find(path) {
      const exact = files.get(path);
      if (exact !== undefined) return exact;
      // Names with an extension are files; all others are paths within the page.
      return extname(path) === "" ? index : undefined;
    },
  };
}

async function listFiles(folder: string): Promise<string[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  // Skips links: they may lead anywhere.
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  if (files.length > FILES_MAX)
    throw new PageTooLargeError(`${folder} has ${files.length} files, at most ${FILES_MAX}`);
  return files;
}

async function loadFile(path: string, name: string): Promise<PageFile> {
  const bytes = await readFile(path);
  if (bytes.length > FILE_BYTES_MAX) throw new PageTooLargeError(`${path} has ${bytes.length} bytes`);
  const type = TYPES[extname(path).toLowerCase()] ?? "application/octet-stream";
  const worthIt = bytes.length >= GZIP_BYTES_MIN && /^text\/|javascript|json|svg/.test(type);
  return {
    bytes,
    gzipped: worthIt ? await promisify(gzip)(bytes) : undefined,
    type,
    etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
    immutable: /^\/assets\/.+-[\w-]{8,}\.\w+$/.test(name),
  };
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json; charset=utf-8",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};
