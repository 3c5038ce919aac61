// Looks at the web console as a person would: a daemon of its own under load, a
// real browser, every page light and dark, wide and narrow, empty and full, with
// the pointer and with the keyboard alone. Fails at an error in the browser's
// console, a request to another host, a serious finding of axe-core, a page wider
// than its window, a stop of the Tab key that is hidden, unmarked or nameless, and
// where an open page does not say that the daemon is gone or does not come back
// with it.

import fs from "node:fs";
import puppeteer from "puppeteer-core";
import { base, daemon, dir, fed, feed, kill, killAll, loadgen, ready, up, wait } from "./daemon.mjs";
import { fault, look, open, shoot, windows, wrong } from "./look.mjs";

// The overview comes late, when there is something to see.
const pages = {
  objectives: "/console/slos", objective: "/console/slos/nexus-latency", explore: "/console/explore",
  query: "/console/explore?range=15m&expr=" + encodeURIComponent("sum by (region) (rate(shop_orders_total[1m]))"),
  ledger: "/console/ledger", cardinality: "/console/cardinality", docs: "/docs", overview: "/console/",
};
const found = { missing: "/console/nothing" };

// NEXUS_CONSOLE_PAGES=overview,query looks at those alone.
const wanted = (process.env.NEXUS_CONSOLE_PAGES || [...Object.keys(pages), ...Object.keys(found)].join(",")).split(",");
const sizes = Object.keys(windows);

// use works the explorer with the keyboard alone.
async function use(browser) {
  const page = await open(browser, "explore", pages.explore, "wide");
  await page.focus("#find");
  await page.keyboard.type("shop_ord");
  await ready("the finder", () => page.evaluate(() => document.querySelectorAll("#found [role=option]").length > 0));
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await ready("the chart of a chosen metric", () => page.evaluate(() => document.querySelectorAll("#result path.line").length > 0));
  await ready("its tags", () => page.evaluate(() => [...document.querySelectorAll("#by option")].some((o) => o.value === "region")));
  await page.select("#by", "region");
  await ready("a line a region", () => page.evaluate(() => document.querySelectorAll("#result tbody tr").length === 2));
  if (!decodeURIComponent(page.url().replaceAll("+", " ")).includes("sum by (region)")) fault("explore: the address does not say what is shown:", page.url());
  await page.focus("#result .canvas");
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowLeft");
  if (!await page.evaluate(() => document.querySelector("#result .tip")?.innerText.includes("region"))) fault("explore: the arrow keys read nothing");
  await shoot(page, "explore-used");
  await page.close();
  await broken(browser);
}

// broken shows what the explorer says of an expression that is none.
async function broken(browser) {
  const page = await browser.newPage();
  await page.setViewport(windows.wide);
  await page.goto(base + "/console/explore?expr=" + encodeURIComponent("sum("), { waitUntil: "load" });
  if (!await page.evaluate(() => document.body.innerText.includes("unclosed left parenthesis"))) fault("explore: a broken expression is not explained");
  await shoot(page, "explore-broken");
  await page.close();
}

// plain loads the pages without scripts: they must be readable all the same.
async function plain(browser) {
  const page = await browser.newPage();
  await page.setJavaScriptEnabled(false);
  await page.setViewport(windows.wide);
  for (const name of ["overview", "query", "ledger", "cardinality"]) {
    await page.goto(base + pages[name], { waitUntil: "load" });
    await shoot(page, `${name}-without-scripts`);
  }
  if (!(await page.content()).includes("shop.orders")) fault("cardinality without scripts has no figures");
  await page.close();
}

// survive kills the daemon under an open page, and starts it again.
async function survive(browser, running) {
  const page = await browser.newPage();
  page.on("pageerror", (e) => fault("survive: script:", e.message));
  await page.setViewport(windows.wide);
  await page.goto(base + pages.overview, { waitUntil: "load" });
  await ready("the page", () => page.evaluate(() => document.getElementById("pulse").textContent === "Live"));
  const before = await page.evaluate(() => document.querySelector("[data-v='ledger.received']").textContent);
  await kill(running);
  await ready("the stale banner", () => page.evaluate(() => !document.getElementById("banner").hidden));
  if (await page.evaluate(() => document.getElementById("pulse").textContent) !== "Stale") fault("survive: the page calls itself live");
  if (await page.evaluate(() => document.querySelector("[data-v='ledger.received']").textContent) < before) fault("survive: the figures did not stay");
  await shoot(page, "overview-stale", false);
  daemon();
  await up();
  await ready("the page's return", () => page.evaluate(() => document.getElementById("banner").hidden && document.getElementById("pulse").textContent === "Live"), 40);
  await page.close();
}

let browser;
async function close() {
  const process = browser?.process();
  await Promise.race([browser?.close().catch(() => {}), wait(5000)]);
  if (process && process.exitCode === null && process.signalCode === null) process.kill("SIGKILL");
  await killAll();
}

// Seconds that this process was awake; frozen ones do not count.
const LONGEST = 230;
let seconds = 0;
const clock = setInterval(async () => {
  if (++seconds < LONGEST) return;
  console.log(`✗ not done after ${LONGEST} s\n0 passed, 1 failed`);
  await close();
  process.exit(1);
}, 1000);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, async () => { await close(); process.exit(130); });

async function check() {
  let running = daemon();
  await up();
  browser = await puppeteer.launch({
    executablePath: process.env.NEXUS_CHROMIUM, protocolTimeout: 200_000, handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"],
  });
  for (const name of ["overview", "explore", "cardinality", "objective"]) if (wanted.includes(name)) await look(browser, "empty-" + name, pages[name], name === "overview" ? "phone" : "wide");
  loadgen();
  const rest = feed();
  await fed();
  for (const name of wanted) {
    for (const size of sizes) {
      if (name in pages) await look(browser, name, pages[name], size, { long: name === "docs" });
      if (name in found) await look(browser, name, found[name], size, { status: 404 });
    }
  }
  if (wanted.includes("explore")) await use(browser);
  await plain(browser);
  await survive(browser, running);
  rest();
}

try {
  await check();
} catch (e) {
  fault(e.stack);
}
clearInterval(clock);
await close();
if (wrong.length === 0) fs.rmSync(dir, { recursive: true, force: true });
console.log(`${wrong.length === 0 ? "1 passed, 0 failed" : "0 passed, 1 failed"}, ${seconds} s`);
console.log("pictures: .ci/console/pictures");
process.exit(wrong.length === 0 ? 0 : 1);
