// Follows a log that is being written: appends its lines to their sections, scrolls along, goes from problem to problem.
"use strict";
const KEPT_LINES = 5000;
let stream = null;
let following = true;

function followed(log) {
  return stream?.log === log && stream.source.readyState !== EventSource.CLOSED;
}

function followLog() {
  const log = document.querySelector("#live [data-stream]");
  if (stream && stream.log === log) return;
  stream?.source.close();
  stream = null;
  drawKeys();
  if (!log) return;
  let last = Number(log.dataset.last);
  const source = new EventSource(log.dataset.stream);
  stream = { log, source };
  source.onmessage = (event) => {
    document.getElementById("nolines")?.remove();
    for (const line of JSON.parse(event.data)) append(log, ++last, line);
    const lines = log.querySelectorAll("p");
    for (let i = 0; i < lines.length - KEPT_LINES; i++) lines[i].remove();
    if (following) log.scrollTop = log.scrollHeight;
  };
  source.addEventListener("end", () => source.close());
}

// The server has escaped the line, and the page's policy runs no script that it did not send as a file.
function append(log, number, [html, title, bad]) {
  if (title) begin(log, number, title);
  const box = log.querySelector(":scope > details[data-going]") || log;
  const mark = bad ? ' class="bad"' : "";
  const row = `<p id="L${number}"${mark}><a href="#L${number}" data-n="${number}" aria-label="Line ${number}"></a>${html}</p>`;
  box.insertAdjacentHTML("beforeend", row);
  const count = box.querySelector(":scope > summary .count");
  if (count) count.textContent = Number(count.textContent) + 1;
  if (title === "") box.removeAttribute("data-going");
}

function begin(log, number, title) {
  const before = log.querySelector(":scope > details[data-going]");
  before?.removeAttribute("data-going");
  if (before && following && !before.querySelector(".bad")) before.open = false;
  const fold = document.createElement("details");
  fold.id = `fold${number}`;
  fold.open = true;
  fold.setAttribute("data-going", "");
  const summary = document.createElement("summary");
  const count = document.createElement("span");
  count.className = "count";
  count.textContent = "0";
  summary.append(`${title} `, count);
  fold.append(summary);
  log.append(fold);
}

function drawKeys() {
  const keys = document.getElementById("logkeys");
  if (!keys || keys.childElementCount) return;
  keys.append(
    key("Follow", "f", () => following, () => {
      following = !following;
      const log = document.querySelector(".log");
      if (following && log) log.scrollTop = log.scrollHeight;
    }),
    key("Wrap", "w", () => !document.querySelector(".log")?.classList.contains("unwrapped"), () => {
      document.querySelector(".log")?.classList.toggle("unwrapped");
    }),
    key("Next problem", "n", null, () => problem(1)),
    key("Previous", "p", null, () => problem(-1)),
  );
}

function key(word, letter, pressed, act) {
  const button = document.createElement("button");
  button.textContent = word;
  button.title = `${letter}, in the log`;
  button.dataset.letter = letter;
  const show = () => pressed && button.setAttribute("aria-pressed", String(pressed()));
  button.onclick = () => {
    act();
    show();
  };
  show();
  return button;
}

function problem(step) {
  const log = document.querySelector(".log");
  const bad = [...(log?.querySelectorAll("p.bad") ?? [])];
  if (!bad.length) return;
  const at = bad.findIndex((line) => `#${line.id}` === location.hash);
  const next = bad[(at + step + bad.length + (at < 0 && step < 0 ? 1 : 0)) % bad.length];
  location.hash = next.id;
}

// A line may be in a closed section, or on another page of the log: lines before it are cut from none.
function showLine() {
  const wanted = /^#L([0-9]+)/.exec(location.hash);
  const log = document.querySelector(".log");
  if (!log) return;
  if (!wanted) {
    log.scrollTop = log.scrollHeight;
    return;
  }
  following = false;
  const line = document.getElementById(`L${wanted[1]}`);
  const query = new URLSearchParams(location.search);
  if (line) {
    const fold = line.closest("details");
    if (fold) fold.open = true;
    line.scrollIntoView({ block: "center" });
  } else if (log.querySelector("p") && query.get("line") !== wanted[1]) {
    query.delete("page");
    query.set("line", wanted[1]);
    location.replace(`?${query}${location.hash}`);
  }
}

addEventListener("hashchange", showLine);
// Single keys work while the log has the focus, so that they are nobody's accident.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !document.activeElement?.closest(".log")) return;
  const button = document.querySelector(`#logkeys [data-letter="${CSS.escape(event.key)}"]`);
  if (button) {
    event.preventDefault();
    button.click();
  }
});
