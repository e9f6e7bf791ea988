// A click on a chunk row opens its value, bytes and clocks below it. Without this, the row's link is a page.
"use strict";

const rows = document.getElementById("chunk-rows");

function opens(event) {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null;
  const link = event.target.closest("a, button");
  const row = event.target.closest("tr[data-arrival]");
  if (!row || (link && !link.closest("td.a"))) return null;
  return window.getSelection().isCollapsed ? row : null;
}

function toggle(row) {
  const id = `detail-${row.dataset.arrival}`;
  const open = document.getElementById(id);
  const link = row.querySelector("td.a a");
  link.setAttribute("aria-expanded", String(!open));
  if (open) {
    open.remove();
    return;
  }
  const detail = document.createElement("tr");
  detail.id = id;
  detail.className = "detail";
  detail.setAttribute("role", "row");
  const cell = detail.insertCell();
  cell.setAttribute("role", "cell");
  cell.colSpan = 8;
  cell.textContent = "…";
  row.after(detail);
  htmx.ajax("GET", new URL(link.getAttribute("href"), location.href).pathname, { target: cell, swap: "innerHTML" });
}

rows?.addEventListener("click", (event) => {
  const row = opens(event);
  if (!row) return;
  event.preventDefault();
  toggle(row);
});
