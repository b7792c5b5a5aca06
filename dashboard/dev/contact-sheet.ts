import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Browser } from "playwright-core";

const WIDTH = 1_900;

/** Puts several pictures on one sheet, each with its name. */
export async function drawContactSheet(
  browser: Browser,
  pictures: readonly string[],
  to: { readonly folder: string; readonly name: string; readonly pictureWidth: number; readonly pictureHeight: number },
): Promise<string> {
  const { pictureWidth: width, pictureHeight: height } = to;
  const figures = await Promise.all(
    pictures.map(async (path) => {
      const data = (await readFile(path)).toString("base64");
      const name = basename(path).replace(/-.*$/, "");
      return `<figure><img src="data:image/png;base64,${data}"><figcaption>${name}</figcaption></figure>`;
    }),
  );
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 800 } });
  await page.setContent(
    `<style>body{margin:8px;background:#dfe3e6;font:15px system-ui,sans-serif;display:flex;flex-wrap:wrap;gap:10px}
    figure{margin:0}img{display:block;width:${width}px;height:${height}px;object-fit:cover;object-position:top;border-radius:6px}
    figcaption{padding:4px 2px;color:#333}</style>${figures.join("")}`,
    { waitUntil: "load" },
  );
  const path = join(to.folder, `all-${to.name}.png`);
  await page.screenshot({ path, fullPage: true });
  await page.close();
  return path;
}
