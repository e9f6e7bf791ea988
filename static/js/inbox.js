// The inbox by keyboard, and its choice of rows: kept while the list is replaced under the reader.
"use strict";

const chosen = new Set(); // ids of anomalies
let at = null; // the id of the row that the keys are at
let place = 0; // and its place, for when it has gone

const rows = () => [...document.querySelectorAll("#anomaly-list tbody tr")];
const idOf = (row) => row.id.slice("anomaly-".length);
const boxOf = (row) => row.querySelector('input[name="anomaly"]');
const current = () => rows().find((row) => idOf(row) === at);

function show() {
  const shown = rows();
  const picked = shown.filter((row) => boxOf(row).checked);
  const all = document.getElementById("all-rows");
  all.hidden = !shown.length;
  all.checked = picked.length > 0 && picked.length === shown.length;
  all.indeterminate = picked.length > 0 && picked.length < shown.length;
  document.getElementById("chosen").textContent = picked.length ? `${picked.length} chosen` : shown.length ? "Choose rows, then" : "";
  document.getElementById("bulk").classList.toggle("some", picked.length > 0);
  document.getElementById("help").hidden = false;
  for (const row of shown) row.classList.toggle("at", idOf(row) === at);
}

function move(step) {
  const shown = rows();
  if (!shown.length) return;
  const from = shown.findIndex((row) => idOf(row) === at);
  place = Math.max(0, Math.min(shown.length - 1, from < 0 ? (step > 0 ? 0 : shown.length - 1) : from + step));
  at = idOf(shown[place]);
  show();
  shown[place].querySelector("a.what").focus({ preventScroll: true });
  shown[place].scrollIntoView({ block: "nearest" });
}

function choose(row, on) {
  boxOf(row).checked = on;
  if (on) chosen.add(idOf(row));
  else chosen.delete(idOf(row));
}

function press(action) {
  if (!rows().some((row) => boxOf(row).checked)) {
    if (!current()) return;
    choose(current(), true);
  }
  document.querySelector(`#bulk button[name="action"][value="${action}"]`).click();
}

function openMute() {
  if (!rows().some((row) => boxOf(row).checked) && current()) choose(current(), true);
  show();
  const menu = document.getElementById("mute");
  menu.open = true;
  menu.querySelector('input[name="left"]').focus();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  x: () => current() && (choose(current(), !boxOf(current()).checked), show()),
  o: () => current()?.querySelector("a.what").click(),
  e: () => press("acknowledge"),
  r: () => press("resolve"),
  m: openMute,
  u: () => document.getElementById("undo")?.click(),
  "?": () => document.getElementById("keys").showModal(),
};

function isTyping(target) {
  return target.closest("input:not([type=checkbox]), select, textarea, dialog[open]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.pick[open]")) menu.open = false;
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const key = KEYS[event.key];
  if (!key) return;
  event.preventDefault();
  key();
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.pick[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (event.target.id === "help") document.getElementById("keys").showModal();
});

document.addEventListener("change", (event) => {
  if (event.target.id === "all-rows") for (const row of rows()) choose(row, event.target.checked);
  else if (event.target.name === "anomaly") choose(event.target.closest("tr"), event.target.checked);
  else return;
  show();
});

// After an action the choice is done with; after the list was only refreshed it is still what it was.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "inbox") chosen.clear();
});
document.body.addEventListener("htmx:afterSettle", () => {
  const shown = rows();
  for (const row of shown) boxOf(row).checked = chosen.has(idOf(row));
  if (at !== null && !current() && shown.length) at = idOf(shown[Math.min(place, shown.length - 1)]);
  show();
});
show();
