// The lanes: zoom, move, tell about a mark, go to its row, and the same as a table. The server draws; between a
// gesture and its picture the old one is stretched, which an SVG in per cent does by two attributes.
"use strict";

const SETTLED = 220; // ms after the last gesture until the part is asked for
const LIVE = 3000; // ms between pictures of a stream that is being written
const REACH = 12; // px around a mark
const STEP = 1.6; // of one zoom
const SHORTEST = 0.05; // ms
const picture = document.getElementById("lanes-picture");
const facts = document.getElementById("lanes-facts");
const table = document.getElementById("lanes-table");
const asTable = document.getElementById("lanes-as-table");
const hint = facts?.innerHTML;
let data; // of the picture that is there
let view; // what is to be seen: from and to, in milliseconds since the axis's zero
let fit = true;
let picked = null;
let timer = 0;
let asked = 0;
let drag = null;

const plot = () => picture.querySelector(".plot");
const field = () => document.getElementById("lanes-field");
const shown = (ms) => `${ms < 0 ? "−" : "+"}${Math.abs(ms).toLocaleString("en", { maximumFractionDigits: 1 })} ms`;
const timesOf = (mark) => mark.slice(1, 4).filter((time) => time !== null);

function take() {
  const script = document.getElementById("lanes-data");
  data = script ? JSON.parse(script.textContent) : null;
  picked = null;
  if (!data) return;
  document.getElementById("lanes-panel").hidden = false; // the first chunk of a stream that had none
  view = { from: data.from, to: data.to };
  fit = data.fit;
}

function stretch() {
  const length = view.to - view.from;
  field().setAttribute("width", `${(100 * (data.to - data.from)) / length}%`);
  field().setAttribute("x", `${(100 * (data.from - view.from)) / length}%`);
}

function show(from, to) {
  if (!data) return;
  view = { from, to };
  fit = false;
  stretch();
  later(SETTLED);
}

function later(wait) {
  clearTimeout(timer);
  timer = setTimeout(refresh, wait);
}

function address(kind) {
  const url = new URL(location.pathname, location.href);
  url.searchParams.set("part", "lanes");
  if (kind) url.searchParams.set("as", kind);
  if (fit || !data) return url;
  const ns = (ms) => String(BigInt(data.zero) + BigInt(Math.round(ms * 1e6)));
  url.searchParams.set("from", ns(view.from));
  url.searchParams.set("to", ns(view.to));
  return url;
}

async function refresh() {
  const number = ++asked;
  const response = await fetch(address()).catch(() => null);
  const text = response?.ok ? await response.text() : null;
  if (text === null || number !== asked || drag) return; // a later gesture asks again
  picture.innerHTML = text;
  take();
  if (!table.hidden) fillTable();
}

async function fillTable() {
  const response = await fetch(address("table")).catch(() => null);
  table.innerHTML = response?.ok ? await response.text() : "";
  if (!response?.ok) table.textContent = "The table cannot be had now.";
}

function zoom(factor, at = (view.from + view.to) / 2) {
  if (!data) return;
  const length = Math.max(SHORTEST, (view.to - view.from) * factor);
  const from = at - ((at - view.from) * length) / (view.to - view.from);
  show(from, from + length);
}

function move(share) {
  if (!data) return;
  const by = (view.to - view.from) * share;
  show(view.from + by, view.to + by);
}

function all() {
  fit = true;
  refresh();
}

const ZOOM = { in: () => zoom(1 / STEP), out: () => zoom(STEP), fit: all };

function timeAt(x) {
  const box = plot().getBoundingClientRect();
  return view.from + ((x - box.left) / box.width) * (view.to - view.from);
}

// The mark under the pointer: in the row, on its line, the nearest by its tick or call.
function markAt(event) {
  const box = plot().getBoundingClientRect();
  const row = Math.floor((event.clientY - box.top - data.top) / data.row);
  const at = timeAt(event.clientX);
  const reach = (REACH / box.width) * (view.to - view.from);
  let best = null;
  let least = Infinity;
  for (const mark of [...data.marks, ...data.blocks]) {
    const times = mark.length === 5 ? [mark[1]] : timesOf(mark);
    if (mark[0] !== row || at < Math.min(...times) - reach || at > Math.max(...times) + reach) continue;
    const distance = Math.min(...times.map((time) => Math.abs(time - at)));
    if (distance < least) [best, least] = [mark, distance];
  }
  return best;
}

function tell(mark) {
  picked = mark;
  const pick = document.getElementById("lanes-pick");
  plot()?.classList.toggle("on", Boolean(mark && arrivalOf(mark)));
  pick.setAttribute("visibility", mark ? "visible" : "hidden");
  if (!mark) return;
  const at = mark.length === 5 ? mark[1] : mark[3] ?? (mark[6] === data.looks.indexOf("lost") ? mark[1] : mark[2] ?? mark[1]);
  pick.setAttribute("x", `${(100 * (at - data.from)) / (data.to - data.from)}%`);
  pick.setAttribute("y", String(data.top + data.row * mark[0]));
  facts.textContent = (mark.length === 5 ? blockWords(mark) : markWords(mark)).join(" · ");
}

function blockWords([row, at, problems, first, last]) {
  const words = [`chunks ${first.toLocaleString("en")} to ${last.toLocaleString("en")}`, data.lanes[row], `the last of them ${shown(at)}, it stands for all`];
  return problems ? [...words, `${problems.toLocaleString("en")} with problems`] : words;
}

function markWords([row, called, back, tick, arrival, position, look, status]) {
  const words = [arrival ? `chunk ${arrival}${position === null ? "" : `, position ${position}`}` : "not stored"];
  words.push(data.lanes[row]);
  if (called !== null) words.push(`called ${shown(called)}`);
  if (called !== null) words.push(back === null ? "never came back" : `took ${shown(back - called).slice(1)}`);
  if (tick !== null) words.push(`tick ${shown(tick)}`);
  words.push(data.looks[look] + (status ? `, HTTP ${status}` : ""));
  return words;
}

const arrivalOf = (mark) => (mark.length === 5 ? mark[3] : mark[4]);

function open(mark) {
  const arrival = mark && arrivalOf(mark);
  if (!arrival) return;
  const row = document.getElementById(`chunk-${arrival}`);
  if (row) {
    location.hash = `chunk-${arrival}`;
    row.scrollIntoView({ block: "center" });
  } else location.assign(`?at=${arrival}#chunk-${arrival}`);
}

// The next mark in the order of their calls: what is single of the whole picture.
function choose(step) {
  const ordered = [...data.marks].sort((one, other) => timesOf(one)[0] - timesOf(other)[0] || one[0] - other[0]);
  if (!ordered.length) return;
  const now = ordered.indexOf(picked);
  tell(ordered[now < 0 ? (step > 0 ? 0 : ordered.length - 1) : Math.min(ordered.length - 1, Math.max(0, now + step))]);
}

const KEYS = {
  ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), ArrowDown: () => choose(1), ArrowUp: () => choose(-1),
  "+": ZOOM.in, "=": ZOOM.in, "-": ZOOM.out, 0: all, Enter: () => open(picked), Escape: () => forget(),
};

function forget() {
  if (!data) return;
  tell(null);
  facts.innerHTML = hint;
}

function begins() {
  take();
  document.getElementById("lanes-zoom").hidden = false;
  asTable.hidden = false;
}

document.getElementById("lanes-zoom")?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (button) ZOOM[button.dataset.zoom]();
});
asTable?.addEventListener("click", () => {
  table.hidden = !table.hidden;
  picture.hidden = facts.hidden = !table.hidden;
  asTable.setAttribute("aria-pressed", String(!table.hidden));
  if (!table.hidden) fillTable();
});
picture?.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS) || !data) return;
  event.preventDefault();
  event.stopPropagation();
  KEYS[event.key]();
});
picture?.addEventListener("wheel", (event) => {
  if (!event.ctrlKey || !data || !event.target.closest(".plot")) return;
  event.preventDefault();
  zoom(event.deltaY > 0 ? STEP : 1 / STEP, timeAt(event.clientX));
}, { passive: false });
picture?.addEventListener("pointerdown", (event) => {
  if (event.button === 0 && data && event.target.closest(".plot")) drag = { x: event.clientX, ...view, moved: false, fit };
});
window.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const by = event.clientX - drag.x;
  drag.moved ||= Math.abs(by) > 4;
  if (!drag.moved) return;
  plot().classList.add("dragging");
  const ms = (by / plot().getBoundingClientRect().width) * (drag.to - drag.from);
  show(drag.from - ms, drag.to - ms);
});
window.addEventListener("pointerup", () => {
  plot()?.classList.remove("dragging");
  if (drag?.moved) later(SETTLED);
  const was = drag;
  setTimeout(() => { if (drag === was) drag = null; }); // after the click that ends it
});
window.addEventListener("pointercancel", () => { drag = null; });
picture?.addEventListener("pointermove", (event) => {
  if (drag?.moved || !data || !event.target.closest(".plot")) return;
  const mark = markAt(event);
  if (mark) tell(mark);
  else if (picked && document.activeElement !== picture) forget();
});
picture?.addEventListener("click", (event) => {
  if (drag?.moved || !data || !event.target.closest(".plot")) return;
  open(markAt(event));
});

// New chunks: the whole picture again, at most every few seconds, and not while someone looks at a part of it.
let due = 0;
function changed() {
  due ||= setTimeout(() => {
    due = 0;
    if (fit && !drag && !document.hidden && !(picked && data)) refresh();
  }, LIVE);
}

const header = document.getElementById("stream-header");
if (header) new MutationObserver(changed).observe(header, { attributes: true, attributeFilter: ["data-chunk-count"] });
document.body.addEventListener("judged", changed);
if (picture) begins();
if (picture && document.getElementById("lanes-panel").dataset.later !== undefined) refresh();
