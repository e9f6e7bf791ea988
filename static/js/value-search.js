// Find in a value: only entries that contain the text stay, opened, with the text marked. Escape shows all again.
// The copy button of a value copies what is shown of it.
"use strict";

const MARKS = 500; // matches marked and counted; more only slow the page down
const WAIT = 120; // ms after the last key

let timer = 0;

const treesOf = (value) => value.querySelectorAll(":scope > .tree, :scope > pre");

function reset(value) {
  for (const mark of value.querySelectorAll("mark")) mark.replaceWith(...mark.childNodes);
  for (const item of value.querySelectorAll(".unfound")) item.classList.remove("unfound");
  for (const details of value.querySelectorAll("details[data-was]")) {
    details.open = details.dataset.was === "open";
    delete details.dataset.was;
  }
  value.querySelector("[data-found]").textContent = "";
  for (const tree of treesOf(value)) tree.normalize();
}

function textNodes(root, wanted) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT, (node) => {
    const isPreview = node.parentElement.closest(".v") && node.parentElement.closest("details");
    return !isPreview && node.data.toLowerCase().includes(wanted) ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP;
  });
  const found = [];
  while (found.length < MARKS && walker.nextNode()) found.push(walker.currentNode);
  return found;
}

function markIn(node, wanted) {
  let count = 0;
  for (let at = node.data.toLowerCase().indexOf(wanted); at >= 0; at = node.data.toLowerCase().indexOf(wanted)) {
    const hit = node.splitText(at);
    if (hit.data.length < wanted.length) return count; // lower case is longer than the text itself
    node = hit.splitText(wanted.length);
    const mark = document.createElement("mark");
    hit.replaceWith(mark);
    mark.append(hit);
    if (++count >= MARKS) return count;
  }
  return count;
}

function openAround(node, kept) {
  for (let at = node.parentElement; at && !at.matches(".value"); at = at.parentElement) {
    if (at.matches("li")) kept.add(at);
    if (at.matches("details") && !node.parentElement.closest("summary")?.isSameNode(at.firstElementChild)) {
      at.dataset.was ??= at.open ? "open" : "shut";
      at.open = true;
    }
  }
}

function search(value, text) {
  reset(value);
  const wanted = text.toLowerCase();
  if (!wanted) return;
  let count = 0;
  for (const tree of treesOf(value)) {
    const kept = new Set();
    for (const node of textNodes(tree, wanted)) {
      openAround(node, kept);
      for (const inside of node.parentElement.closest("summary")?.parentElement.querySelectorAll("li") ?? []) kept.add(inside);
      count += markIn(node, wanted);
    }
    for (const item of tree.querySelectorAll("li")) item.classList.toggle("unfound", !kept.has(item));
  }
  value.querySelector("[data-found]").textContent = count >= MARKS ? `${MARKS} or more` : `${count} found`;
}

function prepare(root) {
  for (const input of root.querySelectorAll("[data-find][hidden], [data-copy-value][hidden]")) input.hidden = false;
}

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-find]")) return;
  clearTimeout(timer);
  timer = setTimeout(() => search(event.target.closest(".value"), event.target.value), WAIT);
});
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.("[data-find]")) return;
  if (event.key === "Enter") event.preventDefault(); // it is no question to the server
  if (event.key !== "Escape") return;
  event.target.value = "";
  search(event.target.closest(".value"), "");
});
// Before the copy helper of the page, which copies what stands in the attribute.
document.addEventListener(
  "click",
  (event) => {
    const copy = event.target.closest("[data-copy-value]");
    if (copy) copy.dataset.copy = [...treesOf(copy.closest(".value"))].map((tree) => tree.innerText).join("\n");
  },
  true,
);
document.addEventListener("htmx:load", (event) => prepare(event.detail.elt.parentElement ?? document));
prepare(document);
