// The Connect page: copies the two lines, changes the world at once, counts how long ago a process was heard.
"use strict";

const SILENT = 30; // s: a probe gives a sign of life every ten
const said = document.getElementById("connect-said");

for (const button of document.querySelectorAll("[data-copy-lines]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button, document.getElementById(button.dataset.copyLines)));
}

async function copy(button, source) {
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(source.textContent);
    label.textContent = "Copied";
  } catch {
    window.getSelection().selectAllChildren(source); // no clipboard without HTTPS or permission
    label.textContent = "Press Ctrl+C";
  }
  said.textContent = label.textContent;
  setTimeout(() => (label.textContent = "Copy"), 2000);
}

for (const form of document.querySelectorAll("form[data-go]")) {
  form.querySelector("button").hidden = true;
  form.querySelector("select").addEventListener("change", () => form.requestSubmit());
}

// Ages count on by this machine's own clock, from what the server gave; a process that falls silent shows as such.
const born = new WeakMap();
function tick() {
  for (const seen of document.querySelectorAll("[data-seen]")) {
    if (!born.has(seen)) born.set(seen, performance.now() - Number(seen.dataset.seen));
    const seconds = Math.floor((performance.now() - born.get(seen)) / 1000);
    const [alive, silent] = seen.children;
    alive.hidden = seconds > SILENT;
    silent.hidden = seconds <= SILENT;
    alive.lastElementChild.textContent = `seen ${seconds} s ago`;
  }
}
setInterval(tick, 1000);

// Said once to those who do not see the page change.
let known = Number(document.getElementById("connected").dataset.processes);
new MutationObserver(() => {
  const now = Number(document.getElementById("connected")?.dataset.processes ?? known);
  if (now > known) said.textContent = known === 0 ? "First report received." : "Another process reports.";
  known = now;
}).observe(document.getElementById("main"), { childList: true, subtree: true });
