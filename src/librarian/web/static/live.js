// Parts of a page that keep up with the server while the page is looked at:
// <div id="board" data-live="3" data-from="/machines"> is asked for again every 3 seconds.
// Without this script they are as new as the page.

import {localTimes} from "./times.js";

const parts = [...document.querySelectorAll("[id][data-live]")];
const last = new Map();
const note = document.createElement("p");
note.setAttribute("role", "status");
note.className = "quiet";
parts[0]?.before(note);

async function fetched(url) {
  const answer = await fetch(url, {headers: {Accept: "text/html"}, cache: "no-store"});
  if (answer.redirected) throw new Error("you are not logged in any more");
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function isSelectedIn(part) {
  const selection = document.getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
}

function renew(part, fresh) {
  if (!fresh || last.get(part) === fresh.innerHTML || isSelectedIn(part)) return;
  last.set(part, fresh.innerHTML);
  const links = () => [...part.querySelectorAll("a, pre[tabindex]")];
  const place = links().indexOf(document.activeElement);
  part.replaceChildren(...fresh.childNodes);
  localTimes(part);
  if (place >= 0) links()[place]?.focus({preventScroll: true});
}

function say(text) {
  if (note.textContent !== text) note.textContent = text;
}

async function update() {
  if (document.hidden) return;
  try {
    const page = await fetched(parts[0].dataset.from);
    for (const part of parts) renew(part, page.getElementById(part.id));
    say("");
  } catch (error) {
    const why = error instanceof TypeError ? "the server does not answer" : error.message;
    say(`This page does not update itself now: ${why}.`);
  }
}

async function keepUp() {
  await update();
  setTimeout(keepUp, 1000 * Number(parts[0].dataset.live));
}

if (parts.length) {
  setTimeout(keepUp, 1000 * Number(parts[0].dataset.live));
  document.addEventListener("visibilitychange", update);
}
