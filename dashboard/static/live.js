// Keeps a page as new as the server's: fetches it again and merges it, and follows a log that is being written.
"use strict";
const live = document.getElementById("live");
const news = document.getElementById("news");
let paused = false;
let lost = false;

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString();
  }
}

function merge(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
  } else if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
  } else if (old.hasAttribute("data-script")) {
    // What our scripts have put there, no server knows of.
  } else if (!followed(old) || old.dataset.keep !== fresh.dataset.keep) {
    mergeAttributes(old, fresh);
    if (old !== document.activeElement) mergeChildren(old, fresh);
  }
}

function mergeAttributes(old, fresh) {
  // What the reader has opened or closed stays so.
  const theirs = old.nodeName === "DETAILS" ? "open" : "";
  for (const { name } of [...old.attributes]) if (name !== theirs && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (name !== theirs && old.getAttribute(name) !== value) old.setAttribute(name, value);
}

function mergeChildren(old, fresh) {
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    // What has an id is moved, not rewritten, so that a new row does not take the focus of an old one.
    const same = child.id && [...old.children].find((one) => one.id === child.id);
    if (same && same !== place) old.insertBefore(same, place);
    const current = same || place;
    if (!current || (!same && current.id && current.id !== child.id)) {
      old.insertBefore(child, place);
    } else {
      place = current.nextSibling;
      merge(current, child);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function typing() {
  return /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.nodeName);
}

async function refresh() {
  if (!paused && !document.hidden && !typing() && !String(getSelection())) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (answer.ok && fresh) {
        if (document.title !== page.title) news.textContent = document.title = page.title;
        localTimes(fresh);
        merge(live, fresh);
        followLog();
      }
      if (lost) news.textContent = "";
      lost = false;
    } catch {
      lost = true;
      news.textContent = "Slipway does not answer; trying again.";
    }
  }
  setTimeout(refresh, Number(live.dataset.every));
}

const pause = document.createElement("button");
pause.textContent = "Pause updates";
pause.setAttribute("aria-pressed", "false");
pause.onclick = () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Updates paused" : "Pause updates";
};
document.getElementById("tools").append(pause);
localTimes(document);
followLog();
showLine();
setTimeout(refresh, Number(live.dataset.every));
