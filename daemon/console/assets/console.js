// The pages' one script. A page says in its elements what it shows and where that
// comes from; this sees to it that it stays of now.

import { setReasons } from "./format.js";
import { fill } from "./bind.js";
import { Chart } from "./chart.js";
import { classOf, range } from "./series.js";
import { ask, every, start } from "./live.js";
import { explore } from "./explore.js";

function documents() {
  for (const el of document.querySelectorAll("[data-doc]")) {
    every(Number(el.dataset.every), async () => fill(el, await ask(el.dataset.doc)));
  }
}

// charts draws each chart of the page, and again as often as it can have changed.
function charts() {
  for (const figure of document.querySelectorAll("figure.chart[data-seconds]")) {
    const { unit, top, title, seconds, step } = figure.dataset;
    const chart = new Chart(figure.querySelector(".canvas"), { unit, title, top: Number(top) });
    const lines = [...figure.querySelectorAll("[data-expr]")];
    every(Math.min(Math.max(Number(step), 10), 60), () => draw(figure, chart, lines, Number(seconds), Number(step)));
  }
}

async function draw(figure, chart, elements, seconds, step) {
  const to = Math.floor(Date.now() / 1000 / step) * step, from = to - seconds;
  const answers = [];
  for (const el of elements) answers.push(await range(el.dataset.expr.replaceAll("$window", Math.max(step, 60) + "s"), from, to, step));
  const lines = answers.flatMap(({ series }, i) => series.slice(0, 8).map((s) => {
    const { area, split } = elements[i].dataset, own = elements[i].textContent;
    return { label: split ? own + " " + (s.labels[split] ?? "") : own, points: s.points, area: Boolean(area), split, class: elements[i].className };
  }));
  if (lines.some((l) => l.split)) legend(figure, lines);
  chart.set(lines, from, to, step);
  figure.querySelector(".empty").hidden = !chart.empty;
  figure.querySelector(".legend").hidden = chart.empty;
}

// legend names the lines that nobody knew before the answer.
function legend(figure, lines) {
  lines.forEach((l, i) => { l.class = classOf(i); });
  const list = figure.querySelector(".legend");
  for (const el of list.querySelectorAll(":not([data-expr])")) if (el.parentElement === list) el.remove();
  list.append(...lines.map((l) => {
    const li = document.createElement("li");
    li.className = l.class;
    li.append(document.createElement("i"), l.label);
    return li;
  }));
}

async function main() {
  const here = new URL("./reasons.json", import.meta.url);
  if (document.querySelector('[data-f="reason"], #why-row')) setReasons(await (await fetch(here)).json());
  documents();
  charts();
  if (document.body.dataset.page === "explore") explore();
  start();
}

main();
