// A run is triggered, watched to its end, cancelled and re-run, as a person does it.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOOKS, type Look, checkPage, openBrowser, openPage, signIn } from "./browser.ts";
import { type Hub, startHub } from "./hub.ts";

let hub: Hub;
let browser: Browser;
let page: Page;
let errors: string[];
/** Addresses that the check of every page looks at. */
const seen = { run: "", job: "", failedJob: "", event: "" };

beforeAll(async () => {
  hub = await startHub();
  browser = await openBrowser();
  ({ page, errors } = await openPage(browser, "light"));
});

afterAll(async () => {
  await browser?.close();
  await hub?.stop();
});

/** Starts a workflow by its form, and follows the event to its run. */
async function dispatch(name: string, fill: () => Promise<void> = async () => undefined, tab = page): Promise<void> {
  await tab.goto(`${hub.base}/repos/${hub.repository}/workflows`);
  await tab.getByRole("button", { name: `Run ${name}`, exact: true }).click();
  await fill();
  await tab.getByRole("button", { name: "Run workflow" }).click();
  await tab.waitForURL(/\/events\/evt_/);
  seen.event = new URL(tab.url()).pathname;
  await tab.getByText("Led to runs").waitFor();
  await tab.getByRole("list", { name: "Runs of this event" }).getByRole("link").first().click();
  await tab.waitForURL(/\/runs\/run_/);
}

const status = (word: string) => page.locator(".run-status").getByText(word, { exact: true });
const job = (name: string | RegExp) => page.getByRole("navigation", { name: "Jobs" }).getByRole("link", { name });

describe("the pages of a hub", () => {
  it("ask for a token, and say what is wrong with one", async () => {
    await page.goto(`${hub.base}/queue`);
    await page.waitForURL(/\/sign-in/);
    await checkPage(page, "sign-in", "light");
    await page.getByLabel("Access token").fill("gantry_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    expect(await page.getByText(/request/).textContent()).toMatch(/request \S+/);
    await signIn(page, hub.base, hub.token);
    await page.getByRole("link", { name: hub.repository }).waitFor();
  });

  it("start a run and show it to its end", async () => {
    await dispatch("CI");
    seen.run = new URL(page.url()).pathname;
    await status("Succeeded").waitFor();
    await page.getByRole("region", { name: "Graph of jobs" }).getByText("report").waitFor();
    for (const shard of ["1", "2", "3"]) expect(await job(`Succeeded ${shard}`).count()).toBe(1);
    await page.getByText("a variable is not used").waitFor();
    await page.getByText("src/a.c:3").waitFor();
    await page.getByRole("link", { name: "Download result as zip" }).waitFor();
  });

  it("show a summary without what could do harm", async () => {
    await page.getByRole("heading", { name: "Covered" }).waitFor();
    await page.getByRole("cell", { name: "91 %" }).waitFor();
    // In a tab of its own: the page's policy says on the console what it refused, as it should.
    const other = await openPage(browser, "light");
    await signIn(other.page, hub.base, hub.token);
    await dispatch("Harm", undefined, other.page);
    await other.page.getByRole("heading", { name: "Covered" }).waitFor();
    const summary = other.page.locator(".markdown");
    expect(await summary.textContent()).toContain("a badge");
    expect(await summary.locator("script, iframe, img, form, [style], [onclick], [href^=javascript]").count()).toBe(0);
    await summary.getByText("press").click();
    expect(await other.page.evaluate(() => "harm" in window)).toBe(false);
    await other.page.context().close();
  });

  it("search the logs of all jobs, and lead to the line", async () => {
    await page.getByLabel("Search the logs of all jobs").fill("needle-2");
    await page.getByRole("list", { name: "Hits" }).getByRole("link", { name: /^test.*echo|needle-2$/ }).last().click();
    await page.waitForURL(/#L\d+$/);
    await page.locator(".log-line.current").getByText("needle-2").waitFor();
    seen.job = new URL(page.url()).pathname;
  });

  it("fold groups, and show colours", async () => {
    const group = page.getByRole("button", { name: "group One to fifty" });
    expect(await group.getAttribute("aria-expanded")).toBe("false");
    await group.click();
    await page.locator(".log-text.depth-1").first().waitFor();
    await job("lint").click();
    await page.getByRole("button", { name: /Colours/ }).click();
    await page.locator(".ansi-fg-2", { hasText: "green" }).waitFor();
  });

  it("open a failed job at its first error, and say whose fault it was", async () => {
    await dispatch("Failing");
    await status("Failed").waitFor();
    await page.locator(".run-status").getByText("your code").waitFor();
    await job("break").click();
    await page.locator(".log-line.kind-error").getByText("it does not hold").waitFor();
    seen.failedJob = new URL(page.url()).pathname;
  });

  it("follow a log as it is written, and cancel the run", async () => {
    await dispatch("Slow", async () => {
      await page.getByRole("button", { name: "Run workflow" }).click();
      await page.getByText("This input is required.").waitFor();
      await page.getByLabel("note (required)").fill("from the browser");
      await page.getByLabel("target").selectOption("staging");
      await page.getByLabel("quick").uncheck();
    });
    await job("wait").click();
    await page.locator(".log-line.kind-out").getByText("to staging: from the browser (false)").waitFor();
    await page.locator(".log-line", { hasText: "line 15" }).first().waitFor();
    await page.getByRole("button", { name: "Cancel run" }).click();
    await status("Cancelled").waitFor();
  });

  it("start it again as another attempt", async () => {
    await page.getByRole("button", { name: "Re-run" }).click();
    await page.getByLabel(/^All 1 jobs/).check();
    await page.getByRole("dialog").getByRole("button", { name: "Re-run" }).click();
    await page.getByLabel("Attempt of this run").waitFor();
    await job("wait").click();
    await page.locator(".log-line", { hasText: "line 3" }).first().waitFor();
    await page.getByRole("button", { name: "Cancel job" }).click();
    await status("Cancelled").waitFor();
  });

  it("draw only what is in view of 100,000 lines", async () => {
    await dispatch("Long");
    await status("Succeeded").waitFor();
    await job("lines").click();
    await page.getByRole("button", { name: /^Succeeded Lines/ }).click();
    await page.getByLabel("Find in this log").fill("line number 99999 of");
    await page.getByText("1 of 1").waitFor();
    await page.keyboard.press("Enter");
    await page.locator(".log-line.current").getByText("line number 99999 of").waitFor();
    expect(await page.locator(".log-line").count()).toBeLessThan(300);
  });

  it("make a token that is shown once, and revoke it", async () => {
    await page.goto(`${hub.base}/tokens`);
    await page.getByRole("button", { name: "New token" }).click();
    await page.getByLabel("Name").fill("browser test");
    await page.getByRole("button", { name: "Make token" }).click();
    expect(await page.locator("[data-secret]").textContent()).toMatch(/^gantry_/);
    await page.getByRole("button", { name: "I have copied it" }).click();
    await page.getByRole("button", { name: "Revoke browser test" }).click();
    await page.getByRole("button", { name: "Revoke token" }).click();
    await page.getByText("Revoked", { exact: true }).first().waitFor();
  });

  it("drain a runner and let it go on", async () => {
    await page.goto(`${hub.base}/runners`);
    await page.getByRole("button", { name: /^Drain / }).click();
    await page.getByRole("button", { name: /^Resume / }).click();
    await page.getByRole("button", { name: /^Drain / }).waitFor();
  });

  it("say that the connection broke, and go on by themselves", async () => {
    await page.goto(hub.base);
    const sign = page.locator(".connection");
    await sign.getByText("Live", { exact: true }).waitFor();
    // The state may be short: the page itself notes that it was shown.
    await page.evaluate(() => {
      const shown = document.querySelector(".connection");
      const note = () => shown?.textContent?.startsWith("Reconnecting") && document.body.classList.add("was-away");
      if (shown) new MutationObserver(note).observe(shown, { subtree: true, childList: true, characterData: true });
    });
    await hub.restart();
    await page.locator("body.was-away").waitFor();
    await sign.getByText("Live", { exact: true }).waitFor();
  });

  it("go by the keyboard", async () => {
    await page.goto(hub.base);
    await page.getByRole("link", { name: hub.repository }).waitFor();
    await page.keyboard.press("/");
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("INPUT");
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/repos\//);
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("e");
    await page.waitForURL(/\/events$/);
  });

  it.each(Object.keys(LOOKS) as Look[])("are clean in every look: %s", async (look) => {
    const other = await openPage(browser, look);
    await signIn(other.page, hub.base, hub.token);
    const pages: Record<string, string> = {
      fleet: "/",
      runs: "/runs",
      repository: `/repos/${hub.repository}`,
      workflows: `/repos/${hub.repository}/workflows`,
      run: seen.run,
      job: seen.job,
      "failed-job": seen.failedJob,
      queue: "/queue",
      runners: "/runners",
      events: "/events",
      event: seen.event,
      tokens: "/tokens",
      "not-found": "/repos/no/such",
    };
    for (const [name, path] of Object.entries(pages)) {
      await other.page.goto(hub.base + path);
      await other.page.locator("h1").first().waitFor();
      await other.page.waitForFunction(() => document.querySelector(".skeleton, [aria-busy]") === null);
      await checkPage(other.page, name, look);
    }
    expect(other.errors).toEqual([]);
    await other.page.context().close();
  });

  it("say nothing on the console that is an error", () => expect(errors).toEqual([]));
});
