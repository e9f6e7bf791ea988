// A range of chunks: Shift and a click on an arrival, Shift and the arrow keys, or `v` and the arrow keys (a long
// press by touch). It is remembered by arrivals, so its rows need not be in the document; a bar copies it as text or
// JSON, or downloads it, both from the server. Esc clears.
"use strict";

const MOST_COPIED = 10_000; // chunks; more belong into a file
const FILTER = ["only", "type", "text", "step", "writer"];

const panel = document.getElementById("chunks");
const body = document.getElementById("chunk-rows");
const picked = { anchor: null, head: null, marking: false }; // arrivals, both ends included
let touched = null; // the row that was opened last: where a range begins that is ended by Shift and a click

const arrivalOf = (row) => Number(row.dataset.arrival);
const rowOf = (arrival) => document.getElementById(`chunk-${arrival}`);
const first = () => Math.min(picked.anchor, picked.head);
const last = () => Math.max(picked.anchor, picked.head);
const isPicked = (arrival) => picked.anchor !== null && arrival >= first() && arrival <= last();
const grouped = (number) => number.toLocaleString("en-US");

// ---- the bar

const bar = document.createElement("div");
bar.className = "pick-bar";
bar.hidden = true;
bar.setAttribute("role", "region");
bar.setAttribute("aria-label", "Selected chunks");
bar.innerHTML = `<span class="what" role="status"></span><span class="ways">
<button type="button" class="btn" data-copy-as="text">Copy</button><button type="button" class="btn" data-copy-as="json">Copy JSON</button>
<a class="btn" data-form="ndjson" download>NDJSON</a><a class="btn" data-form="csv" download>CSV</a><a class="btn" data-form="bin" download>Bytes</a>
<button type="button" class="btn quiet" data-clear>Clear <kbd>Esc</kbd></button></span>`;
panel.append(bar);
const what = bar.querySelector(".what");

// The fields of the filter that is in force: then the range holds what fits it.
function filter() {
  const now = new URLSearchParams(location.search);
  return FILTER.filter((name) => now.get(name)).map((name) => [name, now.get(name)]);
}

function address(form) {
  return `${location.pathname}chunks.${form}?${new URLSearchParams([["from", first()], ["to", last()], ...filter()])}`;
}

function words() {
  const count = last() - first() + 1;
  const ends = count === 1 ? `chunk ${first()}` : `chunks ${first()}–${last()}`;
  return filter().length ? `${ends}, those that fit the filter` : `${ends} (${grouped(count)})`;
}

function show() {
  for (const row of body.querySelectorAll("tr[data-arrival]")) mark(row);
  bar.hidden = picked.anchor === null;
  panel.classList.toggle("picking", picked.marking);
  if (bar.hidden) return;
  what.textContent = words();
  for (const link of bar.querySelectorAll("[data-form]")) link.href = address(link.dataset.form);
}

function mark(row) {
  row.classList.toggle("picked", isPicked(arrivalOf(row)));
}

// ---- choosing

function pick(head, anchor = picked.anchor ?? head) {
  Object.assign(picked, { anchor, head });
  show();
}

function clear() {
  const row = rowOf(picked.head);
  Object.assign(picked, { anchor: null, head: null, marking: false });
  show();
  if (bar.contains(document.activeElement) || document.activeElement === document.body) focus(row);
}

function focus(row) {
  row?.querySelector("td.a a")?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" }); // at an end of the rows this makes the page read more of them
}

function current() {
  const row = document.activeElement?.closest?.("#chunk-rows tr[data-arrival]") ?? body.querySelector("tr.at");
  return row ?? [...body.querySelectorAll("tr[data-arrival]")].find((one) => one.getBoundingClientRect().top >= 100);
}

function neighbour(row, down) {
  let next = row;
  do next = down ? next.nextElementSibling : next.previousElementSibling;
  while (next && !next.dataset.arrival);
  return next;
}

function extend(down) {
  const from = picked.head === null ? current() : rowOf(picked.head);
  const next = from ? neighbour(from, down) : rowOf(picked.head + (down ? 1 : -1));
  if (from && picked.anchor === null) pick(arrivalOf(from));
  if (next) pick(arrivalOf(next));
  focus(next ?? from);
}

function startOrStop() {
  const row = current();
  if (!picked.marking && picked.anchor === null && !row) return;
  picked.marking = !picked.marking;
  if (picked.anchor === null) {
    pick(arrivalOf(row));
    focus(row);
  } else {
    show();
  }
}

function keyed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return false;
  if (event.key === "Escape" && picked.anchor !== null) clear();
  else if (event.key === "v" && !event.shiftKey) startOrStop();
  else if (!/^Arrow(Up|Down)$/.test(event.key)) return false;
  else if (picked.marking || (event.shiftKey && (picked.anchor !== null || body.contains(event.target)))) extend(event.key === "ArrowDown");
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (!keyed(event)) return;
  event.preventDefault();
  event.stopPropagation();
}, true);

body.addEventListener("mousedown", (event) => {
  if (event.shiftKey && event.target.closest("td.a")) event.preventDefault(); // no text is marked up to here
});

body.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-arrival]");
  if (!row || event.button !== 0) return;
  if (!event.shiftKey) {
    touched = arrivalOf(row);
    return;
  }
  if (!event.target.closest("td.a")) return;
  event.preventDefault(); // else the link would open in a window of its own
  event.stopPropagation();
  pick(arrivalOf(row), picked.anchor ?? touched ?? arrivalOf(row));
}, true);

body.addEventListener("contextmenu", (event) => {
  const row = event.target.closest("td.a")?.closest("tr[data-arrival]");
  if (!row || event.pointerType !== "touch") return;
  event.preventDefault();
  pick(arrivalOf(row));
});

// ---- copying

const time = (ns) => new Date(ns / 1e6).toISOString().slice(11, 23);

function typeOf(chunk) {
  if (chunk.is_close) return "close";
  if (!("value" in chunk)) return "unread";
  const value = chunk.value;
  if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
  return typeof value.type === "string" ? value.type : Array.isArray(value) ? "array" : "object";
}

function valueOf(chunk) {
  if (chunk.is_close) return "";
  return "value" in chunk ? JSON.stringify(chunk.value) : chunk.problem;
}

// Arrival, position, stored time in UTC, type and value, a line for each; tabs between them, for a spreadsheet.
function line(chunk) {
  return [chunk.arrival, chunk.position ?? "", time(chunk.stored_ns), typeOf(chunk), valueOf(chunk)].join("\t");
}

async function copied(as) {
  const answer = await fetch(address("ndjson"));
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  const lines = (await answer.text()).split("\n").filter(Boolean);
  // JSON keeps the server's own numbers: times in nanoseconds are longer than numbers here can be.
  const text = as === "json" ? `[\n${lines.join(",\n")}\n]` : lines.map((one) => line(JSON.parse(one))).join("\n");
  await write(text);
  return lines.length;
}

// Pages that come by plain HTTP have no clipboard of the new kind.
async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "sr";
  bar.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("no clipboard");
  return undefined;
}

async function copy(as) {
  if (last() - first() >= MOST_COPIED && !filter().length) {
    what.textContent = `${words()}: more than ${grouped(MOST_COPIED)} are not copied, download them`;
    return;
  }
  const of = words();
  try {
    const count = await copied(as);
    what.textContent = `${of}: ${grouped(count)} copied as ${as === "json" ? "JSON" : "text"}`;
  } catch {
    what.textContent = `${of}: could not be copied, download them`;
  }
}

bar.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.copyAs) copy(button.dataset.copyAs);
  else if (button) clear();
});

// ---- rows that come

new MutationObserver((changes) => {
  if (picked.anchor === null) return;
  for (const change of changes) for (const node of change.addedNodes) if (node.dataset?.arrival) mark(node);
}).observe(body, { childList: true });
panel.addEventListener("rows", (event) => {
  if (event.detail === "jumped" && picked.anchor !== null) show(); // the filter may have gone
});
