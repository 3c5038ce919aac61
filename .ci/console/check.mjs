// Looks at the web console as a person would: a daemon of its own under load, a
// real browser, every page light and dark, wide and narrow. Fails at an error in
// the browser's console, a request to another host, a serious finding of
// axe-core, a page wider than its window, and where an open page does not say
// that the daemon is gone or does not come back with it.

import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import puppeteer from "puppeteer-core";

const binary = path.resolve("../../bin/nexusctl");
const pictures = path.resolve("pictures");
const axe = fs.readFileSync("node_modules/axe-core/axe.min.js", "utf8");
const dir = fs.mkdtempSync(path.join(os.tmpdir(), "nexus-console-"));
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const wrong = [];
const fault = (...what) => { wrong.push(what.join(" ")); console.log("✗", ...what); };

const pages = {
  overview: "/console/", objectives: "/console/slos", objective: "/console/slos/nexus-latency", explore: "/console/explore",
  query: "/console/explore?range=15m&expr=" + encodeURIComponent("sum by (region) (rate(shop_orders_total[1m]))"),
  ledger: "/console/ledger", cardinality: "/console/cardinality",
};
const windows = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true } };

// NEXUS_CONSOLE_PAGES=overview,query looks at those alone.
const wanted = (process.env.NEXUS_CONSOLE_PAGES || Object.keys(pages).join(",")).split(",").filter((name) => name in pages);

function freePort() {
  return new Promise((done) => {
    const s = net.createServer().listen(0, "127.0.0.1", () => { const { port } = s.address(); s.close(() => done(port)); });
  });
}

const port = await freePort();
const base = `http://127.0.0.1:${port}`;

function daemon() {
  const log = fs.openSync(path.join(dir, "daemon.log"), "a");
  return spawn(binary, ["daemon", "--listen", `127.0.0.1:${port}`, "--data-dir", path.join(dir, "data"), "--set", "aggregate.resolution=5s", "--set", "ingest.max_name_series=50"],
    { stdio: ["ignore", log, log], env: { ...process.env, NEXUS_CONFIG: "" } });
}

async function ready(what, probe, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await wait(250)) if (await probe().catch(() => false)) return;
  throw new Error(`${what}: not within ${seconds} s; ${dir}/daemon.log may say why`);
}

const up = () => ready("the daemon", async () => (await fetch(base + "/ready")).ok);
const gone = (p) => p.exitCode !== null || p.signalCode !== null ? Promise.resolve() : new Promise((done) => p.once("exit", done));

async function stop(p) {
  if (p) { p.kill("SIGKILL"); await gone(p); }
}

// feed sends what the pages show: some good, some hostile, some refused.
function feed() {
  const s = net.connect(port, "127.0.0.1");
  s.on("error", () => {});
  const timer = setInterval(() => {
    for (const region of ["eu", "us"]) s.write(`shop.orders:${1 + Math.floor(Math.random() * 9)}|c|#region:${region}\nshop.latency:${20 + Math.random() * 50}|ms|#region:${region}\n`);
    s.write(`a.b:1|c|#k:<img src=x onerror=alert(1)>\nmany:1|c|#user:${Math.floor(Math.random() * 1e6)}\nbro ken:1|c\nno.number:x|c\n`);
  }, 100);
  return () => { clearInterval(timer); s.destroy(); };
}

// open loads a page and watches over it.
async function open(browser, name, scheme, size) {
  const page = await browser.newPage();
  const where = `${name} ${scheme} ${size}:`;
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warn") fault(where, "console:", m.text()); });
  page.on("pageerror", (e) => fault(where, "script:", e.message));
  page.on("request", (r) => { const u = r.url(); if (!u.startsWith(base + "/") && !u.startsWith("data:")) fault(where, "asked elsewhere:", u); });
  page.on("response", (r) => { if (r.status() >= 400) fault(where, r.status(), r.url()); });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setViewport(windows[size]);
  await page.goto(base + pages[name], { waitUntil: "load" });
  await ready(where + " it never lived", () => page.evaluate(() => document.getElementById("pulse").textContent === "Live" && !document.getElementById("live").hidden));
  return page;
}

async function look(browser, name, scheme, size) {
  const page = await open(browser, name, scheme, size);
  await wait(1500);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) fault(name, scheme, size + ": the page is", over, "pixels too wide");
  await page.screenshot({ path: path.join(pictures, `${name}-${scheme}-${size}.png`), fullPage: true });
  await page.evaluate(axe + ";0"); // by the debugger, which the page's policy does not bind
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  for (const v of found.violations) {
    const text = `${name} ${scheme} ${size}: axe ${v.impact}: ${v.id}: ${v.nodes.map((n) => n.target).slice(0, 3).join(" ; ")}`;
    if (v.impact === "serious" || v.impact === "critical") fault(text); else console.log("·", text);
  }
  await page.close();
}

// use works the explorer with the keyboard alone.
async function use(browser) {
  const page = await open(browser, "explore", "light", "wide");
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
  await page.screenshot({ path: path.join(pictures, "explore-used.png"), fullPage: true });
  await page.close();
  const bad = await browser.newPage();
  await bad.goto(base + "/console/explore?expr=" + encodeURIComponent("sum("), { waitUntil: "load" });
  if (!await bad.evaluate(() => document.body.innerText.includes("unclosed left parenthesis"))) fault("explore: a broken expression is not explained");
  await bad.close();
}

// plain loads the pages without scripts: they must be readable all the same.
async function plain(browser) {
  const page = await browser.newPage();
  await page.setJavaScriptEnabled(false);
  await page.setViewport(windows.wide);
  for (const name of ["overview", "query", "ledger", "cardinality"]) {
    await page.goto(base + pages[name], { waitUntil: "load" });
    await page.screenshot({ path: path.join(pictures, `${name}-without-scripts.png`), fullPage: true });
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
  await stop(running);
  await ready("the stale banner", () => page.evaluate(() => !document.getElementById("banner").hidden));
  await page.screenshot({ path: path.join(pictures, "overview-stale.png") });
  const again = daemon();
  await up();
  await ready("the page's return", () => page.evaluate(() => document.getElementById("banner").hidden), 40);
  await page.close();
  return again;
}

let running, load, rest, browser;
try {
  fs.mkdirSync(pictures, { recursive: true });
  running = daemon();
  await up();
  load = spawn(binary, ["loadgen", "--server", base, "--rate", "1k", "--duration", "10m", "--series", "200", "--tags", "2"], { stdio: "ignore" });
  rest = feed();
  await wait(15_000);
  browser = await puppeteer.launch({ executablePath: process.env.NEXUS_CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  for (const name of wanted) for (const scheme of ["light", "dark"]) for (const size of Object.keys(windows)) await look(browser, name, scheme, size);
  if (wanted.includes("explore")) await use(browser);
  await plain(browser);
  running = await survive(browser, running);
} catch (e) {
  fault(e.message);
} finally {
  rest?.();
  await browser?.close();
  await stop(load);
  await stop(running);
  if (wrong.length === 0) fs.rmSync(dir, { recursive: true, force: true });
}
console.log(`${wrong.length === 0 ? "1 passed, 0 failed" : "0 passed, 1 failed"}`);
console.log(`pictures: ${pictures}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
