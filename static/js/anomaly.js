// The page of one anomaly: pieces of the stream page, whose links are made to lead there, and a few keys.
"use strict";

// A piece of another page holds links that are relative to it, and icons, which are not. Attributes alone: in text a
// quote is written &quot;.
const RELATIVE = /\b(href|hx-get|data-again)="(\?|#(?!i-))/g;

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const base = event.detail.target.closest("[data-base]")?.dataset.base;
  if (!base) return;
  event.detail.serverResponse = event.detail.serverResponse.replace(RELATIVE, `$1="${base}$2`);
});

// The rows come around the chunk that shows it: that one is brought into sight.
document.body.addEventListener("htmx:afterSettle", () => {
  const section = document.querySelector(".evidence-rows:not([data-shown])");
  const row = section?.dataset.at && section.querySelector(`#chunk-${section.dataset.at}`);
  if (!row) return;
  section.dataset.shown = "";
  row.classList.add("at");
  const box = section.querySelector(".scroll");
  box.scrollTop = row.offsetTop - box.clientHeight / 3;
});

const KEYS = {
  n: () => document.getElementById("next-run")?.click(),
  p: () => document.getElementById("previous-run")?.click(),
  e: () => document.querySelector('[data-key="e"]')?.click(),
  r: () => document.querySelector('[data-key="r"]')?.click(),
  u: () => document.getElementById("undo")?.click(),
  m: () => document.querySelector('.mute input[name="left"]')?.focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const key = KEYS[event.key];
  if (!key) return;
  event.preventDefault();
  key();
});
