// Keeps the overview of alerts fresh: asks every ten seconds, and puts in only what differs, without a jump.
"use strict";

const EVERY = 10_000; // ms
const BAR = 60; // px that the bar at the top covers
let shown = null; // the last answer

const target = () => document.querySelector("[data-poll]");

function isBusy(box) {
  const selection = window.getSelection();
  return document.hidden || (!selection.isCollapsed && box.contains(selection.anchorNode));
}

function firstVisible(box) {
  for (const one of box.querySelectorAll("tr[id], section[aria-labelledby]")) if (one.getBoundingClientRect().top >= BAR) return one;
  return null;
}

function idOf(node) {
  return node?.id || node?.getAttribute("aria-labelledby");
}

function put(box, text) {
  const focused = box.contains(document.activeElement) ? document.activeElement.id : "";
  const anchor = window.scrollY > 0 ? firstVisible(box) : null;
  const before = anchor?.getBoundingClientRect().top;
  box.outerHTML = text;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const now = target();
  const same = anchor && [...now.querySelectorAll("tr[id], section[aria-labelledby]")].find((one) => idOf(one) === idOf(anchor));
  if (same) window.scrollBy({ top: same.getBoundingClientRect().top - before, behavior: "instant" });
}

// A token against forgery is written anew in each answer; any of them is as good as another.
const withoutTokens = (text) => text.replaceAll(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");

async function look() {
  const box = target();
  if (!box || isBusy(box)) return;
  try {
    const answer = await fetch(box.dataset.poll, { headers: { "HX-Request": "true" } });
    if (!answer.ok || answer.redirected) return;
    const text = await answer.text();
    if (shown !== withoutTokens(text) && !isBusy(box)) put(box, text);
    shown = withoutTokens(text);
  } catch {
    // The server is away for a moment: the next look will find it.
  }
}

setInterval(look, EVERY);
document.addEventListener("visibilitychange", () => document.hidden || look());
