// Questions to the PromQL API, and their answers as lines of a chart.

import { quote } from "./format.js";
import { ask } from "./live.js";

export const API = "/prometheus/api/v1/";

export async function range(query, start, end, step, signal) {
  const answer = await ask(API + "query_range?" + new URLSearchParams({ query, start, end, step }), signal);
  return {
    warnings: answer.warnings ?? [],
    series: answer.data.result.map((s) => ({ labels: s.metric, label: name(s.metric), points: points(s), mean: Boolean(s.histograms) })),
  };
}

function points(s) {
  const list = (s.values ?? []).map(([t, v]) => [t, number(v)]);
  for (const [t, h] of s.histograms ?? []) list.push([t, Number(h.sum) / Number(h.count)]);
  return list;
}

const number = (v) => v === "+Inf" ? Infinity : v === "-Inf" ? -Infinity : Number(v);

// name writes a label set as PromQL does.
export function name(labels) {
  const parts = Object.keys(labels).filter((k) => k !== "__name__").sort().map((k) => k + "=" + quote(labels[k]));
  const head = labels.__name__ ?? "";
  return parts.length > 0 || head === "" ? `${head}{${parts.join(", ")}}` : head;
}

export const classOf = (i) => "s" + (i % 8 + 1) + (i >= 8 ? " dash" : "");
