// Keeps lists and the run page fresh: the world's socket only says "look again", and htmx asks for the piece. When it
// opens it says in which state the world is, for what changed since the page was rendered in `data-state`.
// A list never jumps: a reader who has scrolled, or is on a later page, keeps the rows that are open.
"use strict";

const NEAR_TOP = 160;
const BAR = 60; // px that the bar at the top covers
const LATER = 2000; // ms until a piece is refreshed in which the reader has selected text
const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;

const targets = () => document.querySelectorAll("[data-refresh]");
let wait = FIRST_WAIT;
let due = false;
let known = document.querySelector("[data-state]")?.dataset.state;

function refresh() {
  if (document.hidden) {
    due = true;
    return;
  }
  due = false;
  for (const target of targets()) {
    if (selectedIn(target)) setTimeout(refresh, LATER);
    else replace(target);
  }
}

async function replace(target) {
  const url = new URL(target.dataset.refresh, location.href);
  url.searchParams.set("part", "rows");
  const reading = window.scrollY > NEAR_TOP || target.contains(document.activeElement);
  if (target.dataset.top && (reading || target.dataset.later)) url.searchParams.set("top", target.dataset.top);
  else if (target.dataset.shown) url.searchParams.set("shown", target.dataset.shown);
  const opened = [...target.querySelectorAll("details")].map((details) => details.open);
  const anchor = window.scrollY > NEAR_TOP && firstVisible(target);
  const before = anchor && anchor.getBoundingClientRect().top;
  await htmx.ajax("GET", url.pathname + url.search, { target, swap: "outerHTML" });
  const now = document.getElementById(target.id);
  if (!now) return;
  const details = now.querySelectorAll("details");
  if (details.length === opened.length) details.forEach((one, at) => (one.open = opened[at]));
  const same = anchor && document.getElementById(anchor.id);
  if (same) window.scrollBy({ top: same.getBoundingClientRect().top - before, behavior: "instant" });
}

function selectedIn(target) {
  const selection = window.getSelection();
  return !selection.isCollapsed && target.contains(selection.anchorNode);
}

function firstVisible(target) {
  for (const one of target.querySelectorAll("tr[id], section[id]")) if (one.getBoundingClientRect().top >= BAR) return one;
  return null;
}

function connect() {
  const world = location.pathname.match(/^\/w\/[^/]+\//);
  const path = world ? world[0] : document.querySelector("[data-socket]")?.dataset.socket;
  if (!path || !targets().length) return;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws${path}`);
  socket.addEventListener("open", () => {
    if (wait > FIRST_WAIT) refresh(); // something may have changed while the line was down
    wait = FIRST_WAIT;
  });
  socket.addEventListener("message", (event) => {
    const { changed, state } = JSON.parse(event.data);
    if (changed || state !== known) refresh();
    known = state;
  });
  socket.addEventListener("close", () => {
    setTimeout(connect, wait);
    wait = Math.min(LONGEST_WAIT, wait * 2);
  });
}

// "read 3 s ago" counts on by this machine's own clock, from the age that the server gave.
const born = new WeakMap();
function tick() {
  for (const age of document.querySelectorAll("[data-age]")) {
    if (!born.has(age)) born.set(age, performance.now() - Number(age.dataset.age));
    const seconds = (performance.now() - born.get(age)) / 1000;
    const text = seconds < 10 ? `${seconds.toFixed(1)} s` : seconds < 120 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} m`;
    age.textContent = `read ${text} ago`;
  }
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && due) refresh();
});
setInterval(tick, 1000);
connect();
