// The rows of the chunk table that are in the document: a window on the stream. It grows at the end that one scrolls
// to and lets go of rows at the other, so that a million chunks cost what a hundred do.
"use strict";

const MOST = 120; // rows in the document
const NEAR = 700; // px from an end of the rows at which the next ones are asked for
const AGAIN = 2000; // ms after rows could not be had

const panel = document.getElementById("chunks");
const box = document.getElementById("chunk-box");
const body = document.getElementById("chunk-rows");

export const view = {
  first: Number(panel.dataset.first),
  last: Number(panel.dataset.last),
  earlier: Boolean(panel.dataset.earlier),
  later: Boolean(panel.dataset.later),
  filter: panel.dataset.filter, // as in the address; then what follows in the table need not follow in the stream
};
const pages = [{ after: 0, first: view.first }]; // of a filtered list: where each part of it was looked for from
let looked = Number(panel.dataset.looked); // of a filtered list: everything up to there was looked at
let asked = 0; // one more with every jump: rows that were asked for before it are not wanted any more
let growing = false;
let silentUntil = 0;

// The rows reach the end of the stream, so that what arrives belongs below them.
export const isTail = () => !view.later && !view.filter;

// ---- rows

export function parsed(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html; // made by the server's one row renderer, which escapes all of the world's data
  return holder.content;
}

const arrivalOf = (row) => Number(row.dataset.arrival);
const chunks = () => body.querySelectorAll("tr[data-arrival]");

async function ask(query) {
  const answer = await fetch(`${location.pathname}?part=rows&${query}`, { headers: { "X-Requested-With": "fetch" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  const part = parsed(await answer.text()).querySelector("tbody");
  if (!part) throw new Error("no rows in the answer"); // signed out meanwhile: the answer is a page
  return part;
}

// Changes rows without moving what is being read.
function steadily(change) {
  const top = box.getBoundingClientRect().top;
  const row = [...body.children].find((one) => one.getBoundingClientRect().bottom > top);
  const before = row?.getBoundingClientRect().top;
  change();
  if (row?.isConnected) box.scrollTop += row.getBoundingClientRect().top - before;
}

function drop(fromEnd) {
  const rows = [...chunks()];
  const over = rows.length - MOST;
  if (over <= 0) return;
  for (const row of fromEnd ? rows.slice(-over) : rows.slice(0, over)) {
    if (row.nextElementSibling?.classList.contains("detail")) row.nextElementSibling.remove();
    row.remove();
  }
  if (fromEnd) view.later = true;
  else view.earlier = true;
}

function settle(why) {
  const rows = chunks();
  if (rows.length) [view.first, view.last] = [arrivalOf(rows[0]), arrivalOf(rows[rows.length - 1])];
  if (view.earlier || view.later) panel.dataset.long = "";
  panel.dataset.first = view.first;
  panel.dataset.last = view.last;
  placeDivider();
  panel.dispatchEvent(new CustomEvent("rows", { detail: why }));
}

export function placeDivider() {
  const first = body.querySelector('tr[data-marks~="behind"], tr[data-marks~="close2"]');
  const divider = document.getElementById("behind-divider");
  if (!first) return divider?.remove();
  const line = divider ?? document.getElementById("behind-template").content.firstElementChild?.cloneNode(true);
  if (line && first.previousElementSibling !== line) first.before(line);
}

// Rows that arrived, at the end of those shown. Whoever reads elsewhere keeps what they read: then the rows end there.
export function append(fragments, follow) {
  if (follow) {
    body.append(...fragments);
    drop(false);
  } else {
    steadily(() => {
      body.append(...fragments);
      drop(true);
    });
  }
  settle("arrived");
}

// ---- more rows where one scrolls to

async function grow(up) {
  const goal = asked;
  growing = true;
  try {
    const part = await (up ? partBefore() : ask(view.filter ? `${view.filter}&after=${looked}` : `after=${view.last}`));
    if (goal !== asked) return;
    // Whoever has turned round meanwhile reads what would be let go of at that end.
    if (isNear(up)) {
      steadily(() => (up ? growUp(part) : growDown(part)));
      settle("grown");
    }
  } catch {
    silentUntil = performance.now() + AGAIN; // the links above and below the rows stay
  } finally {
    growing = false;
  }
  if (goal === asked) look();
}

// A filtered list is only found forwards: what was dropped of it is looked for again from where it was found.
async function partBefore() {
  if (!view.filter) return ask(`before=${view.first}`);
  const rows = document.createElement("tbody");
  let after = pages.findLast((page) => page.first < view.first).after;
  for (let part; after < view.first - 1 && part?.dataset.later !== ""; after = Number(part.dataset.looked)) {
    part = await ask(`${view.filter}&after=${after}`);
    rows.append(...part.children);
  }
  return rows;
}

function growUp(part) {
  const rows = [...part.children].filter((row) => arrivalOf(row) < view.first);
  body.prepend(...rows);
  view.earlier = view.filter ? arrivalOf(rows[0] ?? chunks()[0]) > pages[0].first : Boolean(part.dataset.earlier);
  drop(true);
  if (view.later) looked = arrivalOf([...chunks()].at(-1));
}

function growDown(part) {
  const rows = [...part.children].filter((row) => arrivalOf(row) > view.last);
  if (view.filter && rows.length && looked > pages.at(-1).after) pages.push({ after: looked, first: arrivalOf(rows[0]) });
  body.append(...rows);
  // Nothing where there should be more: it is not kept any more. A filter looks further when it is asked to.
  if (!rows.length && view.filter) silentUntil = Infinity;
  view.later = Boolean(part.dataset.later) && (rows.length > 0 || Boolean(view.filter));
  looked = Number(part.dataset.looked);
  drop(false);
}

// A filter that found nothing for a while waits to be asked.
export function lookFurther() {
  silentUntil = 0;
  box.scrollTop = box.scrollHeight;
  return grow(false);
}

export const lookedTo = () => looked;

const isNear = (top) => (top ? box.scrollTop : box.scrollHeight - box.scrollTop - box.clientHeight) < NEAR;

function look() {
  if (growing || performance.now() < silentUntil) return;
  if (view.earlier && isNear(true)) grow(true);
  else if (view.later && isNear(false)) grow(false);
}

// ---- another place

// Shows the part of the stream that a query means, as in the address: at=, go=, after=, before=, next=, prev=, or the
// end for none. Gives the arrival that was asked for, and nothing where there is none such.
export async function jump(query) {
  const goal = (asked += 1);
  const part = await ask(query);
  if (goal !== asked) return undefined;
  const arrival = Number(part.dataset.goal) || undefined;
  const named = /^(at|go|next|prev)=/.test(query);
  if (named && !arrival) return undefined;
  body.replaceChildren(...part.children);
  silentUntil = 0;
  Object.assign(view, { earlier: Boolean(part.dataset.earlier), later: Boolean(part.dataset.later), filter: "" });
  settle("jumped");
  if (arrival) reveal(document.getElementById(`chunk-${arrival}`));
  else box.scrollTop = /^after=/.test(query) ? 0 : box.scrollHeight;
  if (!named) onScreen();
  history.replaceState(null, "", arrival ? `?at=${arrival}#chunk-${arrival}` : `?${query}#chunks`);
  return arrival;
}

// In the middle of the rows, and the rows on the screen.
export function reveal(row) {
  if (!row) return;
  const space = box.clientHeight - row.offsetHeight;
  box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - space / 2;
  const { top, bottom } = row.getBoundingClientRect();
  if (top < 60 || bottom > window.innerHeight) onScreen();
}

const onScreen = () => box.scrollIntoView({ block: "nearest", behavior: "instant" });

export const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 120;

// The end of the rows is on the screen, or nearly.
export const endInView = () => box.getBoundingClientRect().bottom < window.innerHeight + 120;

export function toEnd(shown) {
  box.scrollTop = box.scrollHeight;
  if (shown) onScreen();
}

box.addEventListener("scroll", look, { passive: true });
