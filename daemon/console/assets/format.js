// Formats: what a value of the API looks like to people. format.go has the same
// ones by the same names; testdata/formats.json holds both to the same answers.

const NONE = "–", GAP = "\u00a0";

let reasons = {};
export const setReasons = (r) => { reasons = r; };

// at returns what a document holds at a path; undefined where there is nothing.
export function at(doc, path) {
  if (path === ".") return doc;
  for (const key of path.split(".")) {
    if (doc === null || typeof doc !== "object" || !Object.hasOwn(doc, key)) return undefined;
    doc = doc[key];
  }
  return doc;
}

// items returns a list as it is, and an object as keys and values, the greatest
// first.
export function items(v) {
  if (Array.isArray(v)) return v;
  if (v === null || typeof v !== "object") return [];
  const number = (i) => typeof i.value === "number" ? i.value : 0;
  return Object.keys(v).sort().map((key) => ({ key, value: v[key] })).sort((a, b) => number(b) - number(a));
}

const text = (v) => v === null || v === undefined || typeof v === "object" ? "" : String(v);

// visible writes out what would hide in a name or turn the text around it.
export function visible(s) {
  return s.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"))
    .replace(/[\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));
}

function fixed(v, decimals) {
  const p = 10 ** decimals;
  return (Math.floor(v * p + 0.5) / p).toFixed(decimals);
}

const trim = (s) => s.includes(".") ? s.replace(/0+$/, "").replace(/\.$/, "") : s;

function digits(v) {
  if (v >= 99.95) return fixed(v, 0);
  if (v >= 9.995) return trim(fixed(v, 1));
  if (v >= 0.01) return trim(fixed(v, 2));
  return v === 0 ? "0" : "<0.01";
}

function scaled(v, base, units) {
  if (!Number.isFinite(v)) return v > 0 ? "∞" : "−∞";
  let sign = "";
  if (v < 0) { sign = "−"; v = -v; }
  let i = 0;
  while (i + 1 < units.length && v >= 999.5) { v /= base; i++; }
  return sign + digits(v) + (units[i] === "" ? "" : GAP + units[i]);
}

export const count = (v) => scaled(v, 1000, ["", "k", "M", "G", "T", "P", "E"]);
const bytes = (v) => scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]);

export function value(v) {
  const a = Math.abs(v);
  if (!Number.isFinite(v) || a >= 1e5) return count(v);
  if (v === 0) return "0";
  if (a < 1e-3) {
    const [mantissa, power] = v.toExponential(2).split("e");
    return mantissa + "e" + Number(power);
  }
  const sign = v < 0 ? "−" : "";
  if (a >= 1000) return exact(v);
  if (a >= 100) return sign + trim(fixed(a, 1));
  if (a >= 1) return sign + trim(fixed(a, 2));
  return sign + trim(fixed(a, 4));
}

function exact(v) {
  const s = Math.floor(Math.abs(v) + 0.5).toFixed(0);
  return (v < 0 ? "−" : "") + s.replace(/\B(?=(\d{3})+$)/g, ",");
}

const short = (v) => v >= 99.5 ? fixed(v, 0) : trim(fixed(v, 1));

function millis(ms) {
  if (!Number.isFinite(ms) || ms < 0) return NONE;
  if (ms === 0) return "0" + GAP + "ms";
  if (ms < 0.9995) return short(ms * 1000) + GAP + "µs";
  if (ms < 999.5) return short(ms) + GAP + "ms";
  if (ms < 99.95e3) return short(ms / 1000) + GAP + "s";
  return age(ms / 1000);
}

function percent(share) {
  let p = share * 100, sign = "";
  if (p < 0) { p = -p; sign = "−"; }
  if (!Number.isFinite(p)) return NONE;
  if (p > 0 && p < 0.01) return sign + "<0.01" + GAP + "%";
  if (p > 0 && p < 9.995) return sign + trim(fixed(p, 2)) + GAP + "%";
  if (p > 99 && p < 100) return sign + trim(fixed(Math.floor(p * 100) / 100, 2)) + GAP + "%";
  if (p >= 1e5) return sign + count(p) + GAP + "%";
  return sign + trim(fixed(p, 1)) + GAP + "%";
}

export function age(s) {
  if (s < 0 || !Number.isFinite(s)) return NONE;
  if (s < 60) return fixed(Math.floor(s), 0) + GAP + "s";
  if (s < 3600) return two(s, 60, "min", "s");
  if (s < 86400) return two(s / 60, 60, "h", "min");
  return two(s / 3600, 24, "d", "h");
}

function two(v, base, unit, less) {
  const a = Math.floor(v / base), b = Math.floor(v % base);
  const head = fixed(a, 0) + GAP + unit;
  return b === 0 || a >= 100 ? head : head + " " + fixed(b, 0) + GAP + less;
}

const numeric = (f) => (v) => typeof v !== "number" || Number.isNaN(v) ? NONE : f(v);
const sli = (v) => text(v) === "" ? NONE : text(v) + GAP + "%";
const sumOf = (v) => Object.values(v ?? {}).reduce((n, x) => n + (typeof x === "number" ? x : 0), 0);
const tags = (v) => Object.keys(v ?? {}).sort().map((k) => visible(k + ":" + text(v[k]))).join("  ");

export function difference(v) {
  const n = (path) => at(v, path) ?? 0;
  return n("received") - n("stored") - n("pending") - n("dead") - n("lost") - sumOf(at(v, "rejected")) - sumOf(at(v, "shed"));
}

const states = { met: "met", breached: "breached", no_data: "no data" };
const limits = { series: "series of the process", name: "series of a name", tag_values: "values of a tag" };

function sources(v) {
  const parts = items(v).map((i) => visible(text(i.address) || text(i.listener)) + " (" + count(i.count ?? 0) + ")");
  return parts.length === 0 ? NONE : parts.join(", ");
}

const types = (v) => items(v).map((i) => visible(text(i.type)) + (i.address ? " from " + visible(i.address) : "")).join(", ");

export const formats = {
  text: (v) => visible(text(v)),
  count: numeric(count), exact: numeric(exact), value: numeric(value), bytes: numeric(bytes),
  millis: numeric(millis), percent: numeric(percent), age: numeric(age),
  sli, amount: (v) => typeof v === "number" ? exact(v) : text(v) || NONE, sum: (v) => exact(sumOf(v)), tags,
  join: (v) => items(v).map((i) => visible(text(i))).join(", "),
  length: (v) => exact(items(v).length),
  keys: (v) => items(v).map((i) => visible(text(i.key)) + " " + count(i.values ?? 0)).join(", "),
  reason: (v) => reasons[text(v)] ?? "",
  state: (v) => states[text(v)] ?? "",
  diff: (v) => exact(Math.abs(difference(v))),
  verdict: (v) => difference(v) === 0 ? "adds up" : "does not add up",
  sources, types,
  limit: (v) => limits[text(v)] ?? "",
  expr: seriesExpr,
};

// PromQL for a series as people want it drawn.

export const quote = (s) => '"' + s.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n") + '"';

function label(key) {
  const clean = Array.from(key, (r) => /[A-Za-z0-9]/.test(r) ? r : "_").join("");
  return clean === "" || /^[0-9]/.test(clean) ? "_" + clean : clean;
}

export function nameExpr(name, type, matchers) {
  const selector = "{" + quote(name) + matchers + "}";
  if (type === "counter") return "rate(" + selector + "[1m])";
  if (["histogram", "timer", "distribution"].includes(type)) return "histogram_quantile(0.99, sum_over_time(" + selector + "[1m]))";
  return selector;
}

export function seriesExpr(v) {
  const tags = at(v ?? {}, "tags") ?? {};
  const matchers = Object.keys(tags).sort().map((k) => ", " + label(k) + "=" + quote(text(tags[k]))).join("");
  return nameExpr(text(v?.name), text(v?.type), matchers);
}

// escaped leaves of a text only what no address reads otherwise.
const escaped = (s) => encodeURIComponent(s).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
const explore = (expr) => "/console/explore?expr=" + escaped(expr);

export const links = {
  series: (v) => explore(seriesExpr(v)),
  metric: (v) => explore(nameExpr(text(v.name), typeof v.types?.[0] === "string" ? v.types[0] : "", "")),
  slo: (v) => "/console/slos/" + escaped(text(v.name)),
};
