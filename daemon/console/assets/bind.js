// Bound elements: each carries the path in a document and the format of what it
// shows, as bind.go wrote them, and is written anew when the document is.

import { at, items, formats, links, difference } from "./format.js";

const over = (warn, bad) => (v) => v >= bad ? "bad" : v >= warn ? "warn" : "";

const levels = {
  "some-warn": (v) => v > 0 ? "warn" : "",
  "some-bad": (v) => v > 0 ? "bad" : "",
  fill: over(0.75, 0.9), waiting: over(8, 64), burn: over(1, 14.4),
  budget: (v) => typeof v !== "number" ? "" : v <= 0 ? "bad" : v < 0.25 ? "warn" : "",
  plain: () => "",
  free: (v) => typeof v !== "number" ? "" : v <= 0.1 ? "bad" : v <= 0.25 ? "warn" : "",
  state: (v) => ({ met: "good", breached: "bad", no_data: "dim" })[v] ?? "",
  diff: (v) => difference(v) === 0 ? "good" : "bad",
};

export { levels };

function ratio(v, of) {
  return typeof v === "number" && typeof of === "number" && of > 0 ? v / of : undefined;
}

function level(el, v) {
  if (!el.dataset.level) return;
  const now = levels[el.dataset.level](v);
  for (const l of ["good", "warn", "bad", "dim"]) el.classList.toggle(l, l === now);
}

function write(el, text) {
  if (el.textContent !== text) el.textContent = text; // or a screen reader would read it again
}

const resolved = (doc, el, path) => el.dataset.of ? ratio(at(doc, path), at(doc, el.dataset.of)) : at(doc, path);

// fill writes a document into the elements below root.
export function fill(root, doc) {
  for (const el of own(root, "[data-v]")) {
    const v = resolved(doc, el, el.dataset.v);
    write(el, formats[el.dataset.f](v));
    level(el, v);
    if (el.dataset.to) el.setAttribute("href", links[el.dataset.to](doc));
  }
  for (const el of own(root, "[data-bar]")) {
    const v = resolved(doc, el, el.dataset.bar);
    el.lastElementChild.setAttribute("width", (Math.min(Math.max(v ?? 0, 0), 1) * 100).toFixed(2) + "%");
    level(el, v);
  }
  for (const el of own(root, "[data-spark]")) spark(el, items(at(doc, el.dataset.spark)));
  for (const el of own(root, "[data-when]")) el.hidden = (items(at(doc, el.dataset.path)).length === 0) === (el.dataset.when === "some");
  for (const el of own(root, "[data-each]")) rows(el, items(at(doc, el.dataset.each)));
}

// own yields the matching elements that are not in a row of a list: a row's are
// bound to its item.
function* own(root, selector) {
  for (const el of root.querySelectorAll(selector)) {
    const list = el.parentElement?.closest("[data-each]");
    if (!list || list === root || !root.contains(list)) yield el;
  }
}

// rows keeps a list's elements and writes over them, so that focus and scrolling
// stay where they are.
function rows(list, all) {
  const shown = all.slice(0, Number(list.dataset.max));
  const template = document.getElementById(list.dataset.row);
  while (list.children.length > shown.length) list.lastElementChild.remove();
  while (list.children.length < shown.length) list.append(template.content.firstElementChild.cloneNode(true));
  shown.forEach((item, i) => fill(list.children[i], item));
}

const WIDTH = 120, HEIGHT = 24;

function spark(el, list) {
  let line = "";
  if (list.length > 1) {
    const low = Math.min(0, ...list), top = Math.max(0, ...list), span = top === low ? 1 : top - low;
    line = list.map((v, i) => `${i ? "L" : "M"}${(i * WIDTH / (list.length - 1)).toFixed(1)} ${(HEIGHT - 1 - (v - low) / span * (HEIGHT - 2)).toFixed(1)}`).join("");
  }
  el.firstElementChild.setAttribute("d", line && `${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`);
  el.lastElementChild.setAttribute("d", line);
}
