// The metric explorer: find a metric, shape an expression, draw and tabulate it.
// The address always says what is shown, so that it can be kept and sent on.

import { nameExpr, quote, value, visible } from "./format.js";
import { Chart } from "./chart.js";
import { API, classOf, range } from "./series.js";
import { Failure, ask, every } from "./live.js";

const $ = (id) => document.getElementById(id);
const MOST_NAMES = 10_000, SHOWN = 50, MOST_LINES = 16, MOST_ROWS = 100;
const SECONDS = { "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800, "30d": 2592000 };
const STEPS = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

export function h(tag, attributes = {}, ...children) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) if (k.startsWith("on")) el.addEventListener(k.slice(2), v); else el.setAttribute(k, v);
  el.append(...children);
  return el;
}

export function explore() {
  const runner = new Runner();
  const builder = new Builder((expr) => { $("expr").value = expr; runner.go(); });
  new Finder((metric) => builder.choose(metric));
  $("explore").addEventListener("submit", (e) => { e.preventDefault(); runner.go(); });
  $("expr").addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); runner.go(); }
  });
  for (const id of ["range", "step"]) $(id).addEventListener("change", () => { runner.span = null; runner.go(); });
  window.addEventListener("popstate", () => runner.recall());
  every(10, () => runner.renew());
  if ($("expr").value.trim() !== "") runner.go(false);
}

// Finder is the search for a metric's name: a combobox.
class Finder {
  constructor(chosen) {
    Object.assign(this, { chosen, names: [], active: -1 });
    this.input = $("find");
    this.list = $("found");
    for (const [k, v] of [["role", "combobox"], ["aria-controls", "found"], ["aria-expanded", "false"], ["aria-autocomplete", "list"]]) this.input.setAttribute(k, v);
    this.input.addEventListener("focus", () => this.load());
    this.input.addEventListener("input", () => this.show());
    this.input.addEventListener("keydown", (e) => this.key(e));
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
  }

  async load() {
    try {
      const { data } = await ask(API + "metadata?limit=" + MOST_NAMES);
      this.names = Object.keys(data).sort().map((name) => ({ name, type: data[name][0]?.type ?? "" }));
      this.show();
    } catch { /* the list stays as it was; the expression can still be typed */ }
  }

  show() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const own = (n) => n.name.startsWith("nexus_") ? 1 : 0;
    const fits = this.names.filter((n) => words.every((w) => n.name.toLowerCase().includes(w))).sort((a, b) => own(a) - own(b));
    this.shown = fits.slice(0, SHOWN);
    this.active = -1;
    this.list.replaceChildren(...this.shown.map((n, i) =>
      h("li", { role: "option", id: "found-" + i, "aria-selected": "false", onpointerdown: (e) => { e.preventDefault(); this.take(i); } }, h("span", {}, visible(n.name)), h("small", {}, n.type))));
    if (fits.length > SHOWN) this.list.append(h("li", { class: "more", role: "presentation" }, `${fits.length - SHOWN} more; type to narrow them`));
    if (fits.length === 0) this.list.append(h("li", { class: "more", role: "presentation" }, this.names.length ? "No metric has this in its name." : "There is no metric yet."));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  key(e) {
    if (e.key === "Escape") return this.close();
    if (e.key === "Enter") {
      e.preventDefault(); // or the form would be sent
      if (!this.list.hidden && this.shown?.length > 0) this.take(Math.max(this.active, 0));
      return;
    }
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    e.preventDefault();
    if (this.list.hidden) return this.show();
    const n = this.shown.length;
    if (n === 0) return;
    this.list.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = (this.active + (e.key === "ArrowDown" ? 1 : -1) + n) % n;
    const now = this.list.children[this.active];
    now.setAttribute("aria-selected", "true");
    now.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", now.id);
  }

  take(i) {
    this.input.value = this.shown[i].name;
    this.close();
    this.chosen(this.shown[i]);
  }
}

// How each type of metric can be shown. s is the selector, by the clause in front
// of the aggregation's argument.
const SHAPES = {
  counter: [["rate a second", (s, by) => `sum${by}(rate(${s}[1m]))`], ["increase in 5 min", (s, by) => `sum${by}(increase(${s}[5m]))`], ["total", (s, by) => `sum${by}(${s})`]],
  histogram: [
    ["P99", (s, by) => `histogram_quantile(0.99, sum${by}(sum_over_time(${s}[1m])))`], ["P95", (s, by) => `histogram_quantile(0.95, sum${by}(sum_over_time(${s}[1m])))`],
    ["P50", (s, by) => `histogram_quantile(0.5, sum${by}(sum_over_time(${s}[1m])))`], ["samples a second", (s, by) => `histogram_count(sum${by}(sum_over_time(${s}[1m]))) / 60`],
    ["mean", (s, by) => `histogram_avg(sum${by}(sum_over_time(${s}[1m])))`],
  ],
  gauge: [["value", (s) => s], ["sum", (s, by) => `sum${by}(${s})`], ["mean", (s, by) => `avg${by}(${s})`], ["highest", (s, by) => `max${by}(${s})`]],
};

// Builder makes an expression from choices.
class Builder {
  constructor(done) {
    Object.assign(this, { done, filters: [] });
    $("shape").addEventListener("change", () => this.make());
    $("by").addEventListener("change", () => this.make());
    $("tag").addEventListener("change", () => this.values());
    $("add").addEventListener("click", () => this.add());
  }

  async choose(metric) {
    Object.assign(this, { metric, filters: [], shapes: SHAPES[metric.type] ?? SHAPES.gauge });
    options($("shape"), this.shapes.map(([name], i) => [String(i), name]));
    options($("by"), [["", "nothing"]]);
    options($("tag"), []);
    $("builder").hidden = false;
    this.make();
    const { data } = await ask(API + "labels?" + new URLSearchParams({ "match[]": this.selector() })).catch(() => ({ data: [] }));
    const tags = data.filter((t) => t !== "__name__").map((t) => [t, visible(t)]);
    options($("by"), [["", "nothing"], ...tags]);
    options($("tag"), tags);
    await this.values();
  }

  async values() {
    const tag = $("tag").value;
    $("add").disabled = $("is").disabled = $("tag").disabled = tag === "";
    if (tag === "") return options($("is"), []);
    const { data } = await ask(`${API}label/${encodeURIComponent(tag)}/values?` + new URLSearchParams({ "match[]": this.selector(), limit: 1000 })).catch(() => ({ data: [] }));
    options($("is"), data.map((v) => [v, visible(v)]));
  }

  add() {
    const filter = [$("tag").value, $("is").value];
    this.filters = this.filters.filter(([k]) => k !== filter[0]).concat([filter]).slice(0, 20);
    this.make();
  }

  selector() {
    const matchers = this.filters.map(([k, v]) => `${k}=${quote(v)}`);
    if (/^[A-Za-z_:][A-Za-z0-9_:]*$/.test(this.metric.name)) return this.metric.name + (matchers.length ? `{${matchers.join(", ")}}` : "");
    return nameExpr(this.metric.name, "", matchers.map((m) => ", " + m).join(""));
  }

  make() {
    $("filters").replaceChildren(...this.filters.map(([k, v]) => h("li", {}, visible(`${k}=${v}`), h("button", {
      type: "button", "aria-label": `Remove the filter ${visible(k)}`, onclick: () => { this.filters = this.filters.filter(([x]) => x !== k); this.make(); },
    }, "×"))));
    const by = $("by").value;
    this.done(this.shapes[Number($("shape").value)][1](this.selector(), by ? ` by (${by}) ` : " "));
  }
}

function options(select, list) {
  select.replaceChildren(...list.map(([v, text]) => h("option", { value: v }, text)));
}

// Runner asks for the expression and shows what comes.
class Runner {
  constructor() {
    Object.assign(this, { span: null, asked: "", search: location.search, busy: null, off: new Set() });
    this.place = $("result");
  }

  when() {
    const seconds = SECONDS[$("range").value];
    const length = this.span ? this.span.to - this.span.from : seconds;
    const step = Number($("step").value) || (STEPS.find((s) => length / s <= 360) ?? 14400);
    const to = this.span ? this.span.to : Math.floor(Date.now() / 1000 / step) * step;
    return { from: to - length, to, step };
  }

  go(keep = true) {
    const expr = $("expr").value.trim();
    if (expr === "") return $("expr").focus();
    if (expr !== this.asked) this.off.clear();
    this.asked = expr;
    const q = new URLSearchParams({ expr, range: $("range").value });
    if ($("step").value) q.set("step", $("step").value);
    if (keep) history.pushState(null, "", "?" + q);
    this.search = location.search;
    return this.run();
  }

  // recall shows what the address says. A step to a place in the page, as by the
  // skip link, leaves that as it is.
  recall() {
    if (location.search === this.search) return;
    this.search = location.search;
    const q = new URLSearchParams(location.search);
    $("expr").value = q.get("expr") ?? "";
    $("range").value = q.get("range") ?? "1h";
    $("step").value = q.get("step") ?? "";
    this.span = null;
    if ($("expr").value) this.go(false); else location.reload();
  }

  // renew asks again for what is shown; a chosen span is past and stays.
  async renew() {
    if (this.asked && !this.span && !this.busy && this.chart?.at == null) await this.run(true);
  }

  async run(quietly = false) {
    this.busy?.abort();
    const mine = this.busy = new AbortController();
    this.place.setAttribute("aria-busy", "true");
    const { from, to, step } = this.when();
    try {
      this.show(await range(this.asked, from, to, step, mine.signal), from, to, step);
    } catch (e) {
      if (mine.signal.aborted) return;
      if (quietly) throw e; // the banner says so, and what is shown stays
      this.fail(e);
    } finally {
      if (this.busy === mine) {
        this.busy = null;
        this.place.setAttribute("aria-busy", "false");
      }
    }
  }

  fail(e) {
    const known = e instanceof Failure;
    this.chart = null;
    this.place.replaceChildren(h("section", { class: "panel trouble", role: "alert" },
      h("h2", {}, known ? e.title : "The daemon does not answer"),
      h("p", {}, known ? visible(e.detail) : "The request came to nothing."),
      h("p", { class: "next" }, e.next || (known ? "Mend the expression and run it again." : "Run it again when the daemon is back."))));
  }

  show({ series, warnings }, from, to, step) {
    const lastOf = (s) => s.points.at(-1)?.[1] ?? -Infinity;
    series.sort((a, b) => lastOf(b) - lastOf(a));
    const lines = series.slice(0, MOST_LINES).map((s, i) => ({ ...s, class: classOf(i), off: this.off.has(s.label), area: series.length === 1 }));
    if (!this.chart || !this.place.contains(this.chart.place)) this.build();
    if (series.length === 0) return this.nothing();
    this.chart.options.title = this.asked;
    this.chart.set(lines, from, to, step);
    this.note.replaceChildren(...[...warnings, ...(series.some((s) => s.mean) ? ["The series are histograms; their means are drawn. histogram_quantile(0.99, …) gives a percentile."] : [])].map((w) => h("p", { class: "warn" }, visible(w))));
    const many = [`${series.length} series`];
    if (series.length > MOST_ROWS) many.push(`the table has the ${MOST_ROWS} with the greatest last value`);
    if (series.length > MOST_LINES) many.push(`the chart has the first ${MOST_LINES}`);
    if (this.span) many.push("a chosen span");
    this.count.textContent = many.join("; ");
    this.whole.hidden = !this.span;
    this.table(series.slice(0, MOST_ROWS), lines);
  }

  build() {
    const canvas = h("div", { class: "canvas" });
    this.note = h("div");
    this.count = h("p", { class: "dim" });
    this.whole = h("button", { type: "button", onclick: () => { this.span = null; this.run(); } }, "Back to the whole range");
    this.body = h("tbody");
    const head = ["Series", "Last", "Lowest", "Mean", "Highest"].map((t, i) => h("th", i ? { scope: "col", class: "num" } : { scope: "col" }, t));
    this.place.replaceChildren(h("section", { class: "panel", "aria-label": "Result" }, this.note,
      h("figure", { class: "chart tall" }, canvas),
      h("div", { class: "row" }, this.count, this.whole, h("span", { class: "hint" }, "Drag over the chart to look closer")),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Series" }, h("table", {}, h("thead", {}, h("tr", {}, ...head)), this.body))));
    this.chart = new Chart(canvas, { unit: "value", title: this.asked, select: (from, to) => { this.span = { from, to }; this.run(); } });
  }

  nothing() {
    this.chart = null;
    this.place.replaceChildren(h("section", { class: "panel empty" }, h("p", {}, h("strong", {}, "The query gave nothing in this range.")),
      h("p", {}, "Check the name and the tags, or choose a longer range. ", h("a", { href: "/console/explore" }, "All metrics"))));
  }

  table(series, lines) {
    const same = this.body.children.length === series.length && series.every((s, i) => this.body.children[i].dataset.name === s.label);
    if (!same) this.body.replaceChildren(...series.map((s, i) => this.row(s, lines[i])));
    series.forEach((s, i) => {
      const values = s.points.map((p) => p[1]).filter((v) => !Number.isNaN(v));
      const sum = values.reduce((a, b) => a + b, 0);
      const cells = [s.points.at(-1)?.[1], values.reduce((a, b) => Math.min(a, b), Infinity), sum / values.length, values.reduce((a, b) => Math.max(a, b), -Infinity)];
      cells.forEach((v, k) => { this.body.children[i].children[k + 1].textContent = v === undefined || Number.isNaN(v) ? "–" : value(v); });
    });
  }

  row(s, line) {
    const name = h("code", {}, visible(s.label));
    const key = line ? h("button", { type: "button", class: "key", "aria-pressed": String(!this.off.has(s.label)), title: "Show or hide this line", onclick: (e) => this.toggle(s.label, e.currentTarget) }, h("i"), name) : name;
    const row = h("tr", {}, h("th", { scope: "row", class: line?.class ?? "" }, key), ...["Last", "Lowest", "Mean", "Highest"].map((label) => h("td", { class: "num", "data-label": label })));
    row.dataset.name = s.label;
    return row;
  }

  toggle(label, button) {
    if (this.off.has(label)) this.off.delete(label); else this.off.add(label);
    button.setAttribute("aria-pressed", String(!this.off.has(label)));
    for (const l of this.chart.lines) l.off = this.off.has(l.label);
    this.chart.draw();
  }
}
