// Runs in a page before anything else: from a key or a click until a row that is waited for is in sight. What is asked
// and what was found is kept in the session's storage, so that a jump may load the page anew.
"use strict";

const now = () => performance.timeOrigin + performance.now();
const stored = (name) => JSON.parse(sessionStorage.getItem(name) ?? "null");
const store = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));

// Not only in the document: what one sees at its place.
function isSeen(row) {
  const box = row.getBoundingClientRect();
  const [x, y] = [box.left + Math.min(box.width, 600) / 2, (box.top + box.bottom) / 2];
  return y > 0 && y < innerHeight && row.contains(document.elementFromPoint(x, y));
}

function seenBetween({ from, to }) {
  for (const row of document.querySelectorAll("[data-arrival]")) {
    const arrival = Number(row.dataset.arrival);
    if (arrival >= from && arrival <= to && isSeen(row)) return arrival;
  }
  return null;
}

function follow() {
  const asked = stored("asked");
  if (!asked?.at) return;
  const row = seenBetween(asked);
  if (row === null) return void requestAnimationFrame(follow);
  store("reached", { took: now() - asked.at, row, isLoad: asked.origin !== performance.timeOrigin });
  sessionStorage.removeItem("asked");
}

function begin(event) {
  const asked = stored("asked");
  if (!asked || asked.at) return;
  store("asked", { ...asked, at: performance.timeOrigin + event.timeStamp, origin: performance.timeOrigin });
  requestAnimationFrame(follow);
}

addEventListener("keydown", (event) => ["Enter", "End"].includes(event.key) && begin(event), true);
addEventListener("click", begin, true);
addEventListener("DOMContentLoaded", () => requestAnimationFrame(follow));

// What is in sight already of the rows that the next key or click is to bring.
window.ask = (from, to) => {
  sessionStorage.removeItem("reached");
  store("asked", { from, to });
  return seenBetween({ from, to });
};

window.fetchBare = async (url) => {
  const began = performance.now();
  const place = document.createElement("p");
  place.textContent = await (await fetch(url, { cache: "no-store" })).text();
  document.body.append(place);
  await new Promise(requestAnimationFrame);
  place.remove();
  return performance.now() - began;
};
