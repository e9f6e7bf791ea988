// Ways to a problem: n and p, the buttons for them, and links to a chunk that is not among the rows shown.
// Space and End press the buttons of the live view.
"use strict";

import { go } from "./stream-live.js";
import { reveal, view } from "./stream-window.js";

const PROBLEM = 'tr[data-marks~="moved"], tr[data-marks~="behind"], tr[data-marks~="close2"]';
const panel = document.getElementById("chunks");
const body = document.getElementById("chunk-rows");
const asked = document.getElementById("asked");
let at = null; // the row that was jumped to last

function show(row) {
  body.querySelector("tr.at")?.classList.remove("at");
  row.classList.add("at");
  reveal(row);
  row.querySelector("td.a a").focus({ preventScroll: true });
  at = Number(row.dataset.arrival);
}

async function goTo(query) {
  const arrival = await go(query);
  const row = document.getElementById(`chunk-${arrival}`);
  if (row) show(row);
  return arrival;
}

async function jump(step) {
  const problems = [...body.querySelectorAll(PROBLEM)];
  const from = at ?? (step > 0 ? 0 : Infinity);
  const next = step > 0
    ? problems.find((row) => Number(row.dataset.arrival) > from)
    : problems.findLast((row) => Number(row.dataset.arrival) < from);
  if (next) return show(next);
  if (view.filter || (!view.later && !view.earlier)) return undefined;
  return (await goTo(step > 0 ? `next=${at ?? view.last}` : `prev=${at ?? view.first}`)) ?? (at === null && goTo("next=0"));
}

function anchored() {
  const arrival = location.hash.match(/^#chunk-(\d+)$/)?.[1];
  const row = document.getElementById(`chunk-${arrival}`);
  if (row) show(row);
  else if (arrival) goTo(`at=${arrival}`);
}

const press = (id) => document.getElementById(id)?.click();
const KEYS = { n: () => jump(1), p: () => jump(-1), " ": () => press("pause"), End: () => press("follow") };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  if (event.target.closest("input, select, textarea, button, summary") && event.key !== "n" && event.key !== "p") return;
  if (event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  KEYS[event.key]();
});

document.getElementById("problem-nav").addEventListener("click", (event) => {
  const button = event.target.closest("[data-jump]");
  if (button) jump(Number(button.dataset.jump));
});

// Links to a part of the stream that lead out of the rows shown, on the map and in other panels too.
document.addEventListener("click", (event) => {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest('a[href^="?at="], a[data-jump-to]');
  if (!link) return;
  event.preventDefault();
  const query = link.getAttribute("href").replace(/^\?|#.*$/g, "");
  const shown = document.getElementById(`chunk-${query.match(/^at=(\d+)$/)?.[1]}`);
  if (shown) show(shown);
  else if (query.startsWith("at=")) goTo(query);
  else go(query);
});

document.getElementById("go-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = event.target.elements.go.value.trim();
  const arrival = text && (await goTo(`go=${encodeURIComponent(text)}`));
  asked.hidden = Boolean(arrival) || !text;
  asked.textContent = arrival ? "" : `No chunk is meant by ${text}: write a position (17), an arrival (#17) or a time (22:26:40.5, UTC).`;
});

window.addEventListener("hashchange", anchored);
const goal = document.getElementById(`chunk-${panel.dataset.goal}`);
if (goal && !location.hash) show(goal);
else anchored();
