// One heart for a page: it asks for what the page shows, every so often, while
// somebody can see it. When the daemon does not answer, the figures stay, a
// banner says how old they are, and asking goes on with growing pauses until an
// answer comes.

import { age } from "./format.js";

const TIMEOUT = 10_000, LONGEST = 15_000; // milliseconds
const LARGEST = 32 << 20; // bytes of one answer

const banner = document.getElementById("banner");
const pulse = document.getElementById("pulse");
const pause = document.getElementById("pause");

const tasks = [];
let failures = 0, lastGood = Date.now(), nextTry = 0, paused = false, why = "", running = false;

// Failure is an answer that says what is wrong.
export class Failure extends Error {
  constructor(status, title, detail, next) {
    super(detail || title);
    Object.assign(this, { status, title, detail, next });
  }
}

async function body(response) {
  const reader = response.body.getReader(), parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).text();
    size += value.length;
    if (size > LARGEST) {
      await reader.cancel();
      throw new Failure(0, "The answer is too large", "It holds more than a page can show.", "Aggregate, as in sum by (tag) (…), or choose a longer step.");
    }
    parts.push(value);
  }
}

// ask fetches JSON. It throws a Failure where the daemon says no, and another
// error where it says nothing.
export async function ask(url, signal) {
  const limit = AbortSignal.timeout(TIMEOUT);
  const response = await fetch(url, { signal: signal ? AbortSignal.any([signal, limit]) : limit, headers: { Accept: "application/json" }, cache: "no-store" });
  const text = await body(response);
  let said;
  try { said = JSON.parse(text); } catch { said = {}; }
  if (!response.ok) {
    throw new Failure(response.status, said.error ? "The query was not evaluated" : said.title || response.statusText, said.error || said.detail || "", said.fix || "");
  }
  return said;
}

// every runs a task at the start and then now and again, seconds apart, as long as
// the page is seen.
export function every(seconds, run) {
  tasks.push({ every: seconds * 1000, due: 0, run });
}

// soon makes all tasks due.
export function soon() {
  for (const t of tasks) t.due = 0;
  nextTry = 0;
  beat();
}

async function beat() {
  const now = Date.now();
  if (running || paused || document.hidden || now < nextTry) return;
  const due = tasks.filter((t) => t.due <= now);
  if (due.length === 0) return;
  running = true;
  const trouble = await runAll(due);
  running = false;
  if (trouble) {
    failures++;
    why = trouble instanceof Failure ? `${trouble.title}${trouble.detail ? ": " + trouble.detail : ""}` : "The daemon does not answer.";
    nextTry = Date.now() + Math.min(1000 * 2 ** failures, LONGEST);
  } else {
    failures = 0;
    lastGood = Date.now();
  }
  show();
}

// runAll runs tasks one after the other: a page must not load the daemon that it
// watches. A daemon that says no to one may answer the others; one that says
// nothing is asked no further.
async function runAll(due) {
  let trouble = null;
  for (const t of due) {
    try {
      await t.run();
      t.due = Date.now() + t.every;
    } catch (e) {
      trouble ??= e;
      if (!(e instanceof Failure)) break;
    }
  }
  return trouble;
}

function write(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

function show() {
  document.body.classList.toggle("stale", failures > 0);
  const state = paused ? "Paused" : failures > 0 ? "Stale" : "Live";
  write(pulse, state);
  pulse.className = "pulse is-" + state.toLowerCase();
  banner.hidden = failures === 0;
  if (failures === 0) return;
  if (banner.childElementCount === 0) {
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Try now";
    again.addEventListener("click", soon);
    banner.append(document.createElement("strong"), document.createElement("span"), again);
  }
  write(banner.children[0], why);
  write(banner.children[1], ` The figures are ${age((Date.now() - lastGood) / 1000)} old. The page goes on asking and comes back by itself.`);
}

// start begins to beat.
export function start() {
  document.getElementById("live").hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    show();
    if (!paused) soon();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  window.addEventListener("online", soon);
  beat();
  setInterval(() => { beat(); if (failures > 0) show(); }, 500);
}
