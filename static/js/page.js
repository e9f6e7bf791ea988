// What every page can do: switch the theme, copy an id.
"use strict";

const THEMES = ["system", "light", "dark"];
const button = document.getElementById("theme");

function chosenTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

function showTheme() {
  button.hidden = false;
  button.title = `Theme: ${chosenTheme()}`;
  button.setAttribute("aria-label", button.title);
}

button.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("tailrace-theme", next);
  } catch {
    // Not remembered, but shown.
  }
  showTheme();
});
showTheme();

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (!copy) return;
  event.preventDefault();
  try {
    await navigator.clipboard.writeText(copy.dataset.copy);
  } catch {
    window.prompt("Copy:", copy.dataset.copy); // no clipboard without HTTPS or permission
    return;
  }
  copy.classList.add("done");
  setTimeout(() => copy.classList.remove("done"), 1200);
});

// A menu closes when one clicks elsewhere or presses Escape.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.worlds[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.worlds[open]")) menu.open = false;
});
