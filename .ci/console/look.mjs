// What is looked at on one page: errors, requests, accessibility, width, and the
// way of the keyboard over it.

import fs from "node:fs";
import path from "node:path";
import { base, ready } from "./daemon.mjs";

const axe = fs.readFileSync("node_modules/axe-core/axe.min.js", "utf8");
const pictures = path.resolve("pictures");
fs.mkdirSync(pictures, { recursive: true });

export const windows = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true } };

export const wrong = [];
export const fault = (...what) => { wrong.push(what.join(" ")); console.log("✗", ...what); };

export const shoot = (page, name, fullPage = true) => page.screenshot({ path: path.join(pictures, name + ".png"), fullPage });

// watch reports what a page does wrong by itself. status is what it may answer.
function watch(page, where, status) {
  page.on("console", (m) => { if ((m.type() === "error" || m.type() === "warn") && !(status === 404 && m.text().includes("404"))) fault(where, "console:", m.text(), m.location().url ?? ""); });
  page.on("pageerror", (e) => fault(where, "script:", e.message));
  page.on("request", (r) => { const u = r.url(); if (!u.startsWith(base + "/") && !u.startsWith("data:")) fault(where, "asked elsewhere:", u); });
  page.on("response", (r) => { if (r.status() >= 400 && r.status() !== status) fault(where, r.status(), r.url()); });
}

// lives tells whether the page's script has answers for all that it shows.
const lives = () => {
  const pulse = document.getElementById("pulse");
  if (pulse === null) return document.readyState === "complete"; // a page without figures
  const drawn = [...document.querySelectorAll("figure.chart[data-seconds]")].every((f) => f.querySelector(".tip") || !f.querySelector(".empty").hidden);
  return pulse.textContent === "Live" && !document.getElementById("live").hidden && drawn;
};

// open loads a page and watches over it.
export async function open(browser, name, address, size, status = 200) {
  const page = await browser.newPage();
  page.setDefaultTimeout(200_000);
  watch(page, `${name} ${size}:`, status);
  await page.setViewport(windows[size]);
  await page.goto(base + address, { waitUntil: "load" });
  await ready(`${name} ${size}: it never lived`, () => page.evaluate(lives));
  return page;
}

// painted waits until what was changed is on the screen.
const painted = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

async function judge(page, where, context) {
  const found = await page.evaluate((context) => axe.run(context ?? document, { resultTypes: ["violations"] }), context);
  for (const v of found.violations) {
    const text = `${where}: axe ${v.impact}: ${v.id}: ${v.nodes.map((n) => n.target).slice(0, 3).join(" ; ")}`;
    if (v.impact === "serious" || v.impact === "critical") fault(text); else console.log("·", text);
  }
}

// cut names what is wider than its place: text that nobody can read.
const cut = () => [...document.querySelectorAll("main *")].filter((el) => {
  const style = getComputedStyle(el);
  return el.scrollWidth > el.clientWidth + 1 && el.clientWidth > 1 && (style.overflowX === "hidden" || style.overflowX === "clip") && style.textOverflow !== "ellipsis" && !(el instanceof SVGElement);
}).map((el) => el.tagName.toLowerCase() + "." + el.className);

// look takes a page in one size, light and dark. A long one is the same all the way
// down: its beginning is enough, where the whole takes axe-core minutes.
export async function look(browser, name, address, size, { status, long } = {}) {
  const page = await open(browser, name, address, size, status);
  await page.evaluate(axe + ";0"); // by the debugger, which the page's policy does not bind
  for (const scheme of ["light", "dark"]) {
    const where = `${name} ${scheme} ${size}`;
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }, { name: "prefers-reduced-motion", value: "reduce" }]);
    await painted(page);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) fault(where + ": the page is", over, "pixels too wide");
    for (const what of await page.evaluate(cut)) fault(where + ": cut off:", what);
    await shoot(page, `${name}-${scheme}-${size}`, !long);
    await judge(page, where, long ? { include: ["nav", "main > section:first-of-type"] } : null);
  }
  if (size === "wide") await walk(page, name, long ? 30 : MOST);
  await page.close();
}

// step tells what has the focus after a Tab: null behind the last.
const step = () => {
  const el = document.activeElement;
  if (!el || el === document.body || el === document.documentElement) return null;
  const style = getComputedStyle(el), box = el.getBoundingClientRect();
  const name = el.getAttribute("aria-label") || el.labels?.[0]?.textContent || document.getElementById(el.getAttribute("aria-labelledby"))?.textContent || el.textContent || "";
  const again = el.walked === true;
  el.walked = true;
  return {
    again, name: name.trim(), what: el.outerHTML.slice(0, 80),
    shown: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
    marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
  };
};

// missed names what takes the focus and was not reached.
const missed = () => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter((el) => !el.walked && !el.disabled && el.checkVisibility({ visibilityProperty: true })).map((el) => el.outerHTML.slice(0, 80));

const MOST = 400; // stops of one page

// walk goes over a page with the Tab key, or over its first stops: every one is
// seen, marked and named, none is left out, and the way out is open.
async function walk(page, name, most) {
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
  let stops = 0;
  for (; stops < most; stops++) {
    await page.keyboard.press("Tab");
    const s = await page.evaluate(step);
    if (s === null || s.again) break;
    if (stops === 0 && !s.what.includes("skip")) fault(name, "keyboard: the first stop does not skip the navigation:", s.what);
    if (!s.shown) fault(name, "keyboard: out of sight:", s.what);
    if (!s.marked) fault(name, "keyboard: the focus is not to be seen:", s.what);
    if (s.name === "") fault(name, "keyboard: without a name:", s.what);
  }
  if (stops === MOST) fault(name, "keyboard: no way out after", MOST, "stops");
  if (most === MOST) for (const what of await page.evaluate(missed)) fault(name, "keyboard: not reached:", what);
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
  await page.focus(".skip").catch(() => {});
  await page.keyboard.press("Enter");
  if (!await page.evaluate(() => document.activeElement?.tagName === "MAIN")) fault(name, "keyboard: the skip link does not lead to the content");
}
