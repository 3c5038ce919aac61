// Lines over time, as SVG of exactly the size of their place. Pointer, touch and
// arrow keys read the values at one moment; a drag chooses a span.

import { formats, value, visible } from "./format.js";

const NS = "http://www.w3.org/2000/svg";
const LEFT = 58, RIGHT = 10, TOP = 10, BOTTOM = 24;

export function svg(tag, attributes = {}, ...children) {
  const el = document.createElementNS(NS, tag);
  for (const [k, v] of Object.entries(attributes)) el.setAttribute(k, v);
  el.append(...children);
  return el;
}

// ceiling returns a round number that is not below v, and the grid's step to it.
export function ceiling(v, lines) {
  if (!(v > 0) || !Number.isFinite(v)) return [1, 0.5];
  const raw = v / lines, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999999);
  return [Math.ceil(v / step - 1e-9) * step, step];
}

const SPANS = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000];

// times returns round moments of the reader's own clock, and how to write them.
function times(from, to, most) {
  const step = SPANS.find((s) => (to - from) / s <= most) ?? 864000;
  const shift = new Date(to * 1000).getTimezoneOffset() * 60;
  const list = [];
  for (let t = Math.ceil((from - shift) / step) * step + shift; t <= to; t += step) list.push(t);
  const options = step >= 86400 ? { day: "numeric", month: "short" } : step < 60 ? { hour: "2-digit", minute: "2-digit", second: "2-digit" } : { hour: "2-digit", minute: "2-digit" };
  const format = new Intl.DateTimeFormat([], { ...options, hour12: false });
  return list.map((t) => [t, format.format(t * 1000)]);
}

const moment = new Intl.DateTimeFormat([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export class Chart {
  // place is an element; options: unit (a format), top, title, select(from, to).
  constructor(place, options) {
    Object.assign(this, { place, options, lines: [], from: 0, to: 1, step: 10, at: null });
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.said = document.createElement("p");
    this.said.className = "sr";
    this.said.setAttribute("aria-live", "polite");
    place.setAttribute("role", "group");
    place.addEventListener("pointermove", (e) => this.point(e));
    place.addEventListener("pointerleave", () => this.leave());
    place.addEventListener("pointerdown", (e) => this.press(e));
    place.addEventListener("pointerup", (e) => this.release(e));
    place.addEventListener("keydown", (e) => this.key(e));
    place.addEventListener("blur", () => this.leave());
    new ResizeObserver(() => this.draw()).observe(place);
  }

  set(lines, from, to, step) {
    Object.assign(this, { lines, from, to, step, asked: true });
    this.draw();
  }

  get empty() { return !this.asked || this.lines.every((l) => l.points.length === 0); }

  scales() {
    let low = 0, high = 0;
    for (const l of this.lines) for (const [, v] of l.points) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
    if (this.options.top > 0) high = this.options.top;
    let [top, grid] = ceiling(Math.max(high, -low), this.height > 220 ? 5 : 4);
    const bottom = low < 0 ? -Math.ceil(-low / grid) * grid : 0;
    if (high <= 0 && low < 0) top = 0;
    this.x = (t) => LEFT + (t - this.from) / Math.max(this.to - this.from, 1) * (this.width - LEFT - RIGHT);
    this.y = (v) => TOP + (top - v) / (top - bottom) * (this.height - TOP - BOTTOM);
    return { top, bottom, grid };
  }

  write(v) { return (formats[this.options.unit] ?? value)(v); }

  draw() {
    this.width = this.place.clientWidth;
    this.height = this.place.clientHeight;
    if (!this.asked) return; // what the server drew stands until there is an answer
    this.place.tabIndex = this.empty ? -1 : 0; // nothing to read, nowhere to stop
    if (this.width < 50 || this.empty) {
      this.place.replaceChildren();
      return;
    }
    const { top, bottom, grid } = this.scales();
    const root = svg("svg", { class: "plot", width: this.width, height: this.height, viewBox: `0 0 ${this.width} ${this.height}`, role: "img", "aria-label": this.summary() });
    for (let v = bottom; v <= top + grid / 2; v += grid) {
      const y = Math.round(this.y(v)) + 0.5;
      root.append(svg("line", { class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }),
        svg("text", { class: "tick", x: LEFT - 8, y: y + 4, "text-anchor": "end" }, this.write(Math.abs(v) < grid / 1e6 ? 0 : v)));
    }
    for (const [t, text] of times(this.from, this.to, Math.max(2, Math.floor((this.width - LEFT) / 64)))) {
      const x = this.x(t);
      if (x > LEFT + 14 && x < this.width - 22) root.append(svg("text", { class: "tick", x, y: this.height - 6, "text-anchor": "middle" }, text));
    }
    for (const l of this.lines) this.drawLine(root, l, this.y(Math.max(bottom, 0)));
    this.cross = svg("line", { class: "cross", y1: TOP, y2: this.height - BOTTOM, visibility: "hidden" });
    this.chosen = svg("rect", { class: "chosen", y: TOP, height: this.height - TOP - BOTTOM, visibility: "hidden" });
    this.dots = svg("g");
    root.append(this.chosen, this.cross, this.dots);
    this.place.replaceChildren(root, this.tip, this.said);
    this.place.setAttribute("aria-label", this.options.title + ". Arrow keys read the values.");
    if (this.at !== null) this.read(this.at);
  }

  drawLine(root, l, base) {
    if (l.off) return;
    let run = [];
    const flush = () => {
      if (run.length === 0) return;
      let d = run.map(([t, v], i) => `${i ? "L" : "M"}${this.x(t).toFixed(1)} ${this.y(v).toFixed(1)}`).join("");
      if (run.length === 1) d += "h.1"; // alone between two gaps
      if (l.area) root.append(svg("path", { class: "area " + l.class, d: `${d}L${this.x(run.at(-1)[0]).toFixed(1)} ${base}L${this.x(run[0][0]).toFixed(1)} ${base}Z` }));
      root.append(svg("path", { class: "line " + l.class, d }));
      run = [];
    };
    for (const p of l.points) {
      if (!Number.isFinite(p[1]) || run.length > 0 && p[0] - run.at(-1)[0] > 1.5 * this.step) flush();
      if (Number.isFinite(p[1])) run.push(p);
    }
    flush();
  }

  summary() {
    const parts = this.lines.filter((l) => l.points.length > 0).slice(0, 8).map((l) =>
      `${l.label}: last ${this.write(l.points.at(-1)[1])}, highest ${this.write(l.points.reduce((m, p) => Math.max(m, p[1]), -Infinity))}`);
    return [this.options.title, ...parts].join("; ");
  }

  time(e) {
    const x = e.clientX - this.place.getBoundingClientRect().left;
    const t = this.from + (x - LEFT) / (this.width - LEFT - RIGHT) * (this.to - this.from);
    return Math.min(Math.max(Math.round(t / this.step) * this.step, this.from), this.to);
  }

  point(e) {
    if (this.empty) return;
    const t = this.time(e);
    this.read(t);
    if (this.begun !== undefined && this.chosen) {
      const a = this.x(Math.min(this.begun, t)), b = this.x(Math.max(this.begun, t));
      for (const [k, v] of [["x", a], ["width", b - a], ["visibility", "visible"]]) this.chosen.setAttribute(k, v);
    }
  }

  press(e) {
    if (!this.options.select || e.button !== 0 || e.pointerType === "touch" || this.empty) return;
    this.begun = this.time(e);
    this.place.setPointerCapture(e.pointerId);
  }

  release(e) {
    if (this.begun === undefined) return;
    const from = Math.min(this.begun, this.time(e)), to = Math.max(this.begun, this.time(e));
    this.begun = undefined;
    this.chosen.setAttribute("visibility", "hidden");
    if (to - from >= 3 * this.step) this.options.select(from, to);
  }

  key(e) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    if (e.key === "Escape") return this.leave();
    if (!(e.key in moves) || this.empty) return;
    e.preventDefault();
    const t = (this.at ?? this.to) + moves[e.key] * this.step;
    this.read(Math.min(Math.max(t, this.from), this.to));
    this.said.textContent = this.tip.innerText;
  }

  leave() {
    this.at = null;
    this.tip.hidden = true;
    this.cross?.setAttribute("visibility", "hidden");
    this.dots?.replaceChildren();
  }

  // read shows the values at a moment.
  read(t) {
    this.at = t;
    const found = [];
    for (const l of this.lines) {
      if (l.off) continue;
      const p = l.points.find(([at]) => Math.abs(at - t) <= this.step / 2);
      if (p && Number.isFinite(p[1])) found.push([l, p]);
    }
    found.sort((a, b) => b[1][1] - a[1][1]);
    const x = this.x(t);
    for (const k of ["x1", "x2"]) this.cross.setAttribute(k, x);
    this.cross.setAttribute("visibility", "visible");
    this.dots.replaceChildren(...found.map(([l, p]) => svg("circle", { class: "dot " + l.class, cx: this.x(p[0]), cy: this.y(p[1]), r: 3.5 })));
    this.tip.replaceChildren(paragraph(moment.format(t * 1000)), ...found.slice(0, 12).map(([l, p]) => tipLine(l, this.write(p[1]))));
    if (found.length === 0) this.tip.append(paragraph("no value"));
    this.tip.hidden = false;
    const wide = this.tip.offsetWidth;
    this.tip.style.left = (x + 14 + wide > this.width ? Math.max(0, x - 14 - wide) : x + 14) + "px";
  }
}

function paragraph(text) {
  const p = document.createElement("p");
  p.textContent = text;
  return p;
}

function tipLine(l, text) {
  const p = document.createElement("p"), name = document.createElement("span"), figure = document.createElement("b");
  p.className = l.class;
  name.textContent = visible(l.label);
  figure.textContent = text;
  p.append(document.createElement("i"), name, figure);
  return p;
}
