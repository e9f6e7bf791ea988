// Ways to a problem: n and p, the buttons for them, and links to a chunk that is not among the rows shown.
// Space and End press the buttons of the live view.
"use strict";

const PROBLEM = 'tr[data-marks~="moved"], tr[data-marks~="behind"], tr[data-marks~="close2"]';
const panel = document.getElementById("chunks");
const body = document.getElementById("chunk-rows");
let at = null; // the row that was jumped to last

function goTo(arrival) {
  location.assign(`?at=${arrival}#chunk-${arrival}`);
}

function show(row) {
  body.querySelector("tr.at")?.classList.remove("at");
  row.classList.add("at");
  row.scrollIntoView({ block: "center" });
  row.querySelector("td.a a").focus({ preventScroll: true });
  at = Number(row.dataset.arrival);
}

function jump(step) {
  const problems = [...body.querySelectorAll(PROBLEM)];
  const from = at ?? (step > 0 ? 0 : Infinity);
  const next = step > 0
    ? problems.find((row) => Number(row.dataset.arrival) > from)
    : problems.findLast((row) => Number(row.dataset.arrival) < from);
  const outside = step > 0 ? panel.dataset.problemAfter : panel.dataset.problemBefore;
  if (next) show(next);
  else if (outside) goTo(outside);
}

function anchored() {
  const match = location.hash.match(/^#chunk-(\d+)$/);
  if (!match) return;
  const row = document.getElementById(match[0].slice(1));
  if (row) at = Number(match[1]);
  else if (new URLSearchParams(location.search).get("at") !== match[1]) location.replace(`?at=${match[1]}${match[0]}`);
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
window.addEventListener("hashchange", anchored);
anchored();
