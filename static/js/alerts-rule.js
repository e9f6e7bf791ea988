// The form of a rule: what exists is offered beside a list of patterns, and added to it by a click.
"use strict";

function linesOf(field) {
  return field.value.split("\n").map((line) => line.trim()).filter(Boolean);
}

function show(offers) {
  const lines = linesOf(document.getElementById(offers.dataset.for));
  for (const chip of offers.querySelectorAll("[data-add]")) {
    const on = lines.includes(chip.dataset.add);
    chip.classList.toggle("on", on);
    chip.setAttribute("aria-pressed", String(on));
  }
}

function toggle(offers, pattern) {
  const field = document.getElementById(offers.dataset.for);
  const lines = linesOf(field);
  const rest = lines.filter((line) => line !== pattern);
  field.value = (rest.length < lines.length ? rest : [...lines, pattern]).join("\n");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

for (const offers of document.querySelectorAll(".offers")) {
  offers.hidden = false;
  offers.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-add]");
    if (chip) toggle(offers, chip.dataset.add);
  });
  document.getElementById(offers.dataset.for).addEventListener("input", () => show(offers));
  show(offers);
}
