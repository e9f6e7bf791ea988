// Panels that follow from the whole stream, such as the rebuilt message: asked for again as chunks arrive and as
// findings change, seldom, and never while someone is at work in them.
"use strict";

import { parsed } from "./stream-window.js";

const PAUSE = 3000; // ms between two
const LONG = 2000; // chunks: of a longer stream only what the judgement changes is worth the work
const IDS = ["rebuilt", "readers", "pace"]; // where they say how they are asked for again
const header = document.getElementById("stream-header");
let due = 0;

const isBusy = (panel) => panel.contains(document.activeElement) || panel.contains(window.getSelection().anchorNode);

function refresh() {
  due = 0;
  if (document.hidden) return later();
  for (const id of IDS) {
    const panel = document.getElementById(id);
    if (panel && isBusy(panel)) later();
    else if (panel?.dataset.again) replace(panel).catch(later); // a server that is away now may be there then
  }
}

async function replace(panel) {
  const answer = await fetch(location.pathname + panel.dataset.again);
  if (!answer.ok) return;
  const fresh = parsed(await answer.text()).getElementById(panel.id);
  if (!fresh || !panel.isConnected || isBusy(panel)) return;
  panel.closest(".bare")?.classList.remove("bare"); // the first chunk of a stream that had none
  panel.replaceWith(fresh);
  htmx.process(fresh);
}

function later() {
  due ||= setTimeout(refresh, PAUSE);
}

new MutationObserver(() => Number(header.dataset.chunkCount) <= LONG && later())
  .observe(header, { attributes: true, attributeFilter: ["data-chunk-count"] });
document.body.addEventListener("judged", later);
