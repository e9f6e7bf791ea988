// The tail of a stream. The server sends frames of rows numbered {from, to}; this page checks that nothing is
// missing or repeated, inserts them once per animation frame, and acknowledges what it has inserted.
"use strict";

import { append, atEnd, endInView, isTail, jump, lookedTo, lookFurther, parsed, placeDivider, toEnd, view } from "./stream-window.js";

const FAR = 500; // chunks: as many as are caught up with row by row after a pause
const NO_ROWS = Number.MAX_SAFE_INTEGER; // asked to send what is after this, the server sends heads only
const PACE = 80; // ms after an insertion of many rows until the next: each paints what is in sight anew
const QUICK = 25; // the same after a few
const FEW = 8; // rows that are faded in; in a flood that would cost more than the rows themselves
const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
const JUDGED_AFTER = [400, 4000]; // ms after a change when a verdict may have followed

const header = document.getElementById("stream-header");
const panel = document.getElementById("chunks");
const box = document.getElementById("chunk-box");
const pill = document.getElementById("live-pill");
const pauseButton = document.getElementById("pause");
const followButton = document.getElementById("follow");
const fact = (name) => document.querySelectorAll(`[data-fact="${name}"]`);

const state = {
  received: view.last, // the last arrival taken off the wire
  revision: Number(header.dataset.revision),
  head: { head: Number(header.dataset.head), ended: Boolean(header.dataset.ended), trouble: header.dataset.trouble, close_count: Number(header.dataset.closes) },
  tail: isTail(), // the rows shown reach the end of the stream
  paused: false,
  following: false,
  tries: 0,
  inserted: 0, // when rows were inserted last
  pace: QUICK,
  socket: null,
  waiting: [], // frames to insert with the next animation frame
};

// ---- the wire

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const after = appends() ? state.received : NO_ROWS;
  const socket = new WebSocket(`${scheme}//${location.host}/ws${location.pathname}?after=${after}&revision=${state.revision}`);
  state.socket = socket;
  socket.addEventListener("open", () => {
    state.tries = 0;
    showPill();
  });
  socket.addEventListener("message", (event) => {
    if (state.socket === socket) take(JSON.parse(event.data), socket);
  });
  socket.addEventListener("close", () => {
    if (state.socket !== socket) return; // replaced on purpose
    state.tries += 1;
    showPill();
    setTimeout(() => state.socket === socket && connect(), Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (state.tries - 1)));
  });
}

function reconnect() {
  const old = state.socket;
  connect();
  old?.close();
}

function take(frame, socket) {
  if (frame.from !== undefined) {
    if (!appends()) return; // sent before the server knew of the pause: asked for again on resume
    if (frame.from !== state.received) return reconnect(); // a gap or a repeat: ask again from where we are
    state.received = frame.to;
    state.waiting.push({ ...frame, socket });
    if (state.waiting.length === 1) schedule();
  } else if (frame.changed) {
    state.revision = Math.max(state.revision, frame.revision);
    replace(frame.html);
  }
  if (frame.head) showHead(frame.head);
  if (frame.judged) refreshVerdict();
}

// ---- rows

function schedule() {
  const wait = state.inserted + state.pace - performance.now();
  setTimeout(() => requestAnimationFrame(insert), Math.max(0, wait));
}

function insert() {
  const frames = state.waiting.splice(0);
  if (!frames.length) return;
  state.inserted = performance.now();
  const inView = endInView();
  const few = frames.at(-1).to - frames[0].from <= FEW;
  state.pace = few ? QUICK : PACE;
  const fragments = frames.map((frame) => parsed(frame.html));
  if (few && frames.length === 1) for (const row of fragments[0].children) row.classList.add("new");
  append(fragments, state.following);
  for (const frame of frames) {
    if (frame.socket.readyState === WebSocket.OPEN) frame.socket.send(JSON.stringify({ ack: frame.to }));
  }
  if (state.following) toEnd(inView);
}

function replace(html) {
  if (state.waiting.length) insert(); // a changed row may be among those not inserted yet
  for (const row of [...parsed(html).children]) document.getElementById(row.id)?.replaceWith(row);
  placeDivider();
}

// The rows shown are others now: they may have reached the end of the stream, or left it.
function moved(event) {
  const was = state.tail;
  state.tail = isTail();
  if (!state.tail) state.following = false;
  if (state.tail !== was || (event.detail !== "arrived" && appends() && state.received !== view.last)) {
    state.waiting.length = 0;
    state.received = view.last;
    reconnect();
  }
  showWindow();
  showPill();
}

// ---- what is known about the stream

const grouped = (number) => Number(number).toLocaleString("en-US");
const counted = (number, word) => `${grouped(number)} ${word}${number === 1 ? "" : "s"}`;

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const amount = bytes / 1000 ** power;
  return `${amount.toFixed(amount >= 100 ? 0 : 1)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

function behindWords(head) {
  const closes = head.close_count === 2 ? "a second end marker" : head.close_count > 2 ? `${head.close_count - 1} more end markers` : "";
  return [head.behind_count ? counted(head.behind_count, "chunk") : "", closes].filter(Boolean).join(" and ") || "nothing";
}

function write(name, text) {
  for (const place of fact(name)) place.textContent = text;
}

function showHead(head) {
  const before = state.head;
  state.head = head;
  header.dataset.chunkCount = head.chunk_count;
  write("chunks", head.chunk_count);
  write("closes", head.close_count);
  write("bytes", size(head.bytes));
  write("head", head.head);
  write("behind", behindWords(head));
  write("sum", `${counted(head.chunk_count, "chunk")}, ${counted(head.close_count, "end marker")}, ${size(head.bytes)}`);
  const verdict = (of) => `${of.close_count} ${of.behind_count} ${of.moved_count} ${of.ended}`;
  if (before.moved_count !== undefined ? verdict(before) !== verdict(head) : before.close_count !== head.close_count) {
    for (const wait of JUDGED_AFTER) setTimeout(refreshVerdict, wait);
  }
  showPill();
}

function refreshVerdict() {
  htmx.ajax("GET", `${location.pathname}?part=verdict`, { target: "#verdict", swap: "innerHTML" });
  document.body.dispatchEvent(new Event("judged"));
}

function showWindow() {
  write("window", `${view.first}–${view.last}`);
  write("first", view.first);
  write("window-last", view.last);
  document.getElementById("more-before").hidden = !view.earlier || Boolean(view.filter);
  document.querySelector("#more-before a").href = `?before=${view.first}`;
  document.querySelector("[data-next-rows]").href = `?after=${view.last}`;
  const these = document.querySelector("[data-these-rows]");
  if (these) these.search = `?from=${view.first}&to=${view.last}`;
  pauseButton.hidden = !state.tail;
  if (view.filter) showLooked();
  showOnMap();
}

function showLooked() {
  const place = document.getElementById("looked");
  if (place && !view.later) place.textContent = "all looked at";
  write("looked", lookedTo());
}

function showOnMap() {
  const frame = document.getElementById("map-window");
  const head = Number(frame?.ownerSVGElement.dataset.head);
  if (!head) return;
  const [from, to] = [Math.min(view.first, head), Math.min(view.last, head)];
  frame.setAttribute("x", `${(100 * (from - 1)) / head}%`);
  frame.setAttribute("width", `${Math.max(0.6, (100 * (to - from + 1)) / head)}%`);
}

function showPill() {
  const news = state.head.head - view.last;
  const words = pillWords(news);
  if (String(words) !== state.said) sayPill(words); // a screen reader reads out what changes here
  state.said = String(words);
  const counts = !appends() && news > 0;
  document.getElementById("more-after").hidden = !counts || Boolean(view.filter);
  if (counts) write("new", state.paused ? `${grouped(news)} new` : `the end, ${grouped(news)} further`);
  followButton.setAttribute("aria-pressed", String(state.following && appends()));
}

function sayPill([style, icon, word, detail]) {
  pill.className = `pill ${style}`;
  pill.innerHTML = icon ? `<svg class="ic" aria-hidden="true"><use href="#i-${icon}"/></svg>` : '<span class="dot"></span>';
  pill.append(word);
  if (detail) {
    const small = document.createElement("span");
    small.className = "muted";
    small.textContent = `· ${detail}`;
    pill.append(small);
  }
}

function pillWords(news) {
  if (state.socket?.readyState !== WebSocket.OPEN && state.tries > 0) return ["", "pend", "Reconnecting", `try ${state.tries}, nothing lost`];
  if (state.head.trouble) return ["bad", "x", "World unreachable", "last known shown"];
  if (state.paused) return ["", "pause", "Paused", `${grouped(Math.max(0, news))} new`];
  if (!state.tail) return ["", "clock", "Earlier rows", news > 0 ? `${grouped(news)} after them` : "not the end"];
  if (news > 1000) return ["warn", "clock", `Behind by ${grouped(news)}`, ""];
  if (state.head.ended) return ["", "gate", "Ended", "watching for late chunks"];
  return ["live", "", "Live", state.head.close_count ? "closed, watching for late chunks" : ""];
}

// ---- the reader

function appends() {
  return state.tail && !state.paused;
}

// What a button or key asks for. A page that cannot be had is loaded whole: the server then says why.
export function go(query) {
  return jump(query).catch(() => location.assign(`?${query}#chunks`));
}

function setPaused(paused) {
  if (paused === state.paused) return;
  state.paused = paused;
  pauseButton.setAttribute("aria-pressed", String(paused));
  state.received = view.last;
  state.waiting.length = 0;
  if (!paused && state.head.head - view.last > FAR) go("");
  reconnect();
  showPill();
}

async function follow() {
  setPaused(false);
  if (!isTail()) await go("");
  state.following = state.tail;
  toEnd(true);
  showPill();
}

pauseButton.addEventListener("click", () => setPaused(!state.paused));
followButton.addEventListener("click", follow);
box.addEventListener("scroll", () => {
  const end = atEnd();
  if (end !== state.following && appends()) {
    state.following = end;
    showPill();
  }
}, { passive: true });
document.querySelector("[data-newer]").addEventListener("click", (event) => {
  event.preventDefault();
  follow();
});
document.querySelector("#looked a")?.addEventListener("click", (event) => {
  event.preventDefault();
  lookFurther();
});
panel.addEventListener("rows", moved);

followButton.hidden = false;
if (state.tail && !location.hash) {
  state.following = atEnd() || !state.head.ended || view.first > 1;
  // The end of a long stream that is being written is what one comes for.
  if (state.following) toEnd(!state.head.ended && view.first > 1);
}
connect();
showWindow();
showPill();
