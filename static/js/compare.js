// Ways from one difference to the next: n and p, and the buttons for them. Where the page has no more, to the
// address of the page that has it.
"use strict";

const panel = document.getElementById("rows");
const nav = document.getElementById("difference-nav");
const rows = [...panel.querySelectorAll("tr[data-difference]")];

// What was reached last: a row that has the focus, or the one that the address names.
function place() {
  const row = document.activeElement?.closest("tr[data-difference]") ?? panel.querySelector("tr:target");
  return rows.indexOf(row);
}

function jump(step) {
  const at = place();
  const next = rows[at < 0 && step < 0 ? -1 : at + step];
  const elsewhere = step > 0 ? panel.dataset.after : panel.dataset.before;
  if (next) {
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "center" });
  } else if (elsewhere) {
    location.assign(elsewhere);
  }
}

const KEYS = { n: 1, p: -1 };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  if (event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  jump(KEYS[event.key]);
});

let last = -1; // a click on a button takes the focus from the row
nav.addEventListener("pointerdown", () => { last = place(); });
nav.addEventListener("click", (event) => {
  const button = event.target.closest("[data-jump]");
  if (!button) return;
  if (last >= 0 && place() < 0) rows[last].focus({ preventScroll: true });
  jump(Number(button.dataset.jump));
});
nav.hidden = rows.length === 0 && !panel.dataset.after && !panel.dataset.before;
