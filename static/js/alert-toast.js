// Alerts on every page: a toast, and a desktop notification where it was allowed and nobody looks at the page.
// The socket only rings; what there is to show is asked for. A tab keeps where it has got to over its pages.
"use strict";

const PLACE = "tailrace-alerts"; // in sessionStorage: {since, shown}
const MOST = 4; // toasts at a time
const MOST_NARROW = 2;
const NARROW = 720; // px
const KNOWN = 200; // ids that are kept
const SHORT = 12000; // ms that a toast stays which is no error
const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
const CALM = new Set(["recovered", "present"]);
const WORDS = { info: "Info", warning: "Warning", error: "Error", critical: "Critical" };

const source = document.querySelector('meta[name="alert-toasts"]')?.content;
let place = stored();
let wait = FIRST_WAIT;
let asking = null;
let again = false;
let hidden = 0;

function stored() {
  try {
    const found = JSON.parse(sessionStorage.getItem(PLACE));
    return { since: String(found.since), shown: found.shown.filter(Number.isInteger) };
  } catch {
    return { since: "", shown: [] };
  }
}

function keep() {
  place.shown = place.shown.slice(-KNOWN);
  sessionStorage.setItem(PLACE, JSON.stringify(place));
}

// One request at a time; a ring in the meantime asks once more.
async function ask() {
  if (asking) {
    again = true;
    return;
  }
  asking = fetch(`${source}?since=${encodeURIComponent(place.since)}`, { headers: { accept: "application/json" } });
  try {
    const answer = await asking;
    if (answer.ok) take(await answer.json());
  } catch {
    // The socket will ring again, or connect again, which asks too.
  } finally {
    asking = null;
  }
  if (again) {
    again = false;
    ask();
  }
}

function take({ since, toasts }) {
  const fresh = toasts.filter((toast) => !place.shown.includes(toast.id));
  place.since = since;
  place.shown.push(...fresh.map((toast) => toast.id));
  keep();
  for (const toast of fresh) show(toast);
}

function show(toast) {
  const list = container();
  list.append(made(toast));
  while (list.children.length > (window.innerWidth < NARROW ? MOST_NARROW : MOST)) {
    list.firstElementChild.remove();
    hidden += 1;
  }
  more(list);
  if (document.hidden) notify(toast);
}

function container() {
  let region = document.getElementById("alert-toasts");
  if (!region) {
    region = element("section", "alert-toasts");
    region.id = "alert-toasts";
    region.setAttribute("aria-label", "Alerts");
    region.append(element("p", "note alert-toasts-more"), element("div", "alert-toast-list"));
    region.firstElementChild.hidden = true;
    document.body.append(region);
  }
  return region.lastElementChild;
}

function more(list) {
  const line = list.previousElementSibling;
  line.hidden = hidden === 0 || list.children.length === 0;
  line.textContent = `and ${hidden} more before these`;
  if (list.children.length === 0) hidden = 0;
}

function made(toast) {
  const level = CALM.has(toast.event) ? "calm" : toast.severity in WORDS ? toast.severity : "info";
  const item = element("div", `alert-toast ${level}`);
  item.id = `alert-toast-${toast.id}`;
  item.setAttribute("role", level === "error" || level === "critical" ? "alert" : "status");
  const head = element("p", "alert-toast-head");
  head.append(element("span", "alert-toast-level", level === "calm" ? "Over" : WORDS[level]));
  const close = button("Close", () => drop(item), "btn quiet icon alert-toast-close");
  close.textContent = "×";
  close.setAttribute("aria-label", `Close: ${toast.title}`);
  head.append(close);
  item.append(head, title(toast));
  if (toast.text && toast.text !== toast.title) item.append(element("p", "alert-toast-text", toast.text));
  if (canAsk() && !document.querySelector(".alert-toast-allow")) item.append(button("Show on the desktop too", allow, "btn alert-toast-allow"));
  if (level !== "error" && level !== "critical") leave(item);
  return item;
}

function title(toast) {
  const line = element(toast.link ? "a" : "b", "alert-toast-title", toast.title);
  if (toast.link) line.href = toast.link;
  return line;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function button(text, act, className) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function drop(item) {
  const list = item.parentElement;
  item.remove();
  if (list) more(list);
}

// It goes by itself, but not while it is read: neither under the pointer, nor with the focus in it, nor unseen.
function leave(item) {
  setTimeout(() => {
    if (document.hidden || item.matches(":hover, :focus-within")) leave(item);
    else drop(item);
  }, SHORT);
}

const canAsk = () => "Notification" in window && Notification.permission === "default";

async function allow() {
  await Notification.requestPermission();
  for (const asked of document.querySelectorAll(".alert-toast-allow")) asked.remove();
  offer();
}

// Pages may offer it too: <button data-alerts-on-desktop hidden>.
function offer() {
  for (const offered of document.querySelectorAll("[data-alerts-on-desktop]")) offered.hidden = !canAsk();
}

// The tag lets several open tabs show it once.
function notify(toast) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const icon = document.querySelector('link[rel="icon"]')?.href;
  const shown = new Notification(toast.title, { body: toast.text, tag: toast.key, icon });
  shown.addEventListener("click", () => {
    window.focus();
    if (toast.link) location.assign(toast.link);
    shown.close();
  });
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws/alerts/`);
  socket.addEventListener("open", () => {
    wait = FIRST_WAIT;
    ask(); // something may have come while nobody listened
  });
  socket.addEventListener("message", (event) => {
    const said = JSON.parse(event.data);
    if (said.changed) ask();
  });
  socket.addEventListener("close", () => {
    setTimeout(connect, wait);
    wait = Math.min(LONGEST_WAIT, wait * 2);
  });
}

if (source) {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-alerts-on-desktop]")) allow();
  });
  offer();
  connect();
}
