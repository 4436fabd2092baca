// A browser, and what every page must keep: no violation of the page's policy, no error, no accessibility violation, no
// scrolling sideways.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { expect } from "vitest";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const LOOKS = {
  light: { viewport: { width: 1360, height: 860 }, colorScheme: "light" },
  dark: { viewport: { width: 1360, height: 860 }, colorScheme: "dark" },
  phone: { viewport: { width: 360, height: 760 }, colorScheme: "light", isMobile: true, hasTouch: true },
} as const;

export type Look = keyof typeof LOOKS;

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["GANTRY_CHROMIUM"] ?? "/usr/bin/chromium",
    // Chromium's own sandbox does not start as root; it looks at nothing here but this hub.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** A tab whose errors are collected: an answer that refuses, or none from a hub that starts anew, is no error;
 * everything else that the console says is. */
export async function openPage(browser: Browser, look: Look): Promise<{ page: Page; errors: string[] }> {
  const context: BrowserContext = await browser.newContext(LOOKS[look]);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    const isAnswer = /^Failed to load resource: (the server responded with a status of 4|net::ERR_)/.test(message.text());
    if (message.type() === "error" && !isAnswer) errors.push(message.text());
  });
  return { page, errors };
}

export async function signIn(page: Page, base: string, token: string): Promise<void> {
  await page.goto(base);
  await page.getByLabel("Access token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Fleet" }).waitFor();
}

interface Violation {
  id: string;
  nodes: { target: unknown[]; any: { message: string }[] }[];
}

/** Violations that axe finds, each with its place. */
export async function violations(page: Page): Promise<string[]> {
  // Evaluated from outside, so the page's policy stays in force for the page.
  const found = await page.evaluate<Violation[]>(
    `${axe}; axe.run(document, { resultTypes: ["violations"] }).then((result) => result.violations)`,
  );
  return found.map((one) => `${one.id}: ${one.nodes.map((n) => `${n.target.join(" ")} ${n.any[0]?.message ?? ""}`).join("; ")}`);
}

/** Checks the page as it is now, and keeps a picture when `GANTRY_SCREENSHOTS` names a folder. */
export async function checkPage(page: Page, name: string, look: Look): Promise<void> {
  const folder = process.env["GANTRY_SCREENSHOTS"];
  if (folder) {
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: `${folder}/${name}-${look}.png`, fullPage: look === "phone" });
  }
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(sideways, `${name} (${look}) scrolls sideways`).toBeLessThanOrEqual(0);
  expect(await violations(page), `${name} (${look})`).toEqual([]);
}
