// `?` tells the keys, Ctrl-K goes anywhere: to a page, to a backup, or to a search for what was typed.
"use strict";

const KEYS = [["Ctrl K", "go anywhere"], ["/", "search for a key"], ["?", "these keys"], ["Esc", "close this"]];
const BESIDE = [
  ["Something is wrong with my data", "/incident"], ["What happened", "/stream"], ["Previews", "/tasks?kind=preview"], ["Searches", "/tasks?kind=search"],
  ["Looks into backups", "/tasks?kind=browse"], ["API tokens", "/system#tokens"], ["Recovery sheet", "/recovery-sheet"],
  ["API", "/api/docs"], ["Trash", "/backups#trash"],
];
const MOST_SHOWN = 12;

function make(kind, words = "", within = null) {
  const node = document.createElement(kind);
  node.textContent = words;
  within?.append(node);
  return node;
}

function opened(title) {
  document.querySelector("dialog")?.close();
  const dialog = make("dialog", "", document.body);
  dialog.setAttribute("aria-label", title);
  dialog.className = "over-all";
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.showModal();
  return dialog;
}

function tellKeys() {
  const dialog = opened("Keys");
  make("h2", "Keys", dialog);
  const list = make("dl", "", dialog);
  list.className = "facts";
  for (const [key, words] of KEYS) {
    make("kbd", key, make("dt", "", list));
    make("dd", words, list);
  }
  const button = make("button", "Close", dialog);
  button.className = "btn btn-plain";
  button.addEventListener("click", () => dialog.close());
  button.focus();
}

function pages() {
  const shown = [...document.querySelectorAll(".rail a")].map((link) => [link.querySelector("span").textContent, link.getAttribute("href")]);
  return [...shown, ...BESIDE];
}

function titleOf(backup) {
  const at = new Date(backup.created_at);
  const words = at.toLocaleString("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return `Backup of ${words}, ${backup.name}`;
}

async function backups() {
  const answer = await fetch("/api/backup/list?per_page=100", { headers: { Accept: "application/json" } });
  if (!answer.ok) return [];
  return (await answer.json()).backups.map((backup) => [titleOf(backup), `/backups/${encodeURIComponent(backup.name)}`]);
}

function fits(words, typed) {
  const lower = words.toLowerCase();
  return typed.toLowerCase().split(/\s+/).every((part) => lower.includes(part));
}

function goAnywhere() {
  const dialog = opened("Go to");
  const field = make("input", "", dialog);
  const list = make("ul", "", dialog);
  let places = pages();
  field.className = "form-control";
  field.placeholder = "A page, a backup, or a key to search for";
  field.setAttribute("aria-label", "Go to");
  field.autocomplete = "off";
  field.spellcheck = false;
  const show = () => {
    const typed = field.value.trim();
    const found = places.filter(([words]) => fits(words, typed)).slice(0, MOST_SHOWN);
    if (typed) found.push([`Search for the key ${typed}`, `/search?text=${encodeURIComponent(typed)}`]);
    list.replaceChildren(...found.map(([words, address]) => {
      const item = make("li");
      make("a", words, item).href = address;
      return item;
    }));
  };
  field.addEventListener("input", show);
  dialog.addEventListener("keydown", (event) => {
    const stops = [field, ...list.querySelectorAll("a")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      stops[(stops.indexOf(document.activeElement) + step + stops.length) % stops.length].focus();
    } else if (event.key === "Enter" && document.activeElement === field) {
      event.preventDefault();
      stops[1]?.click();
    }
  });
  // A place on the page that one is on is reached without leaving it.
  list.addEventListener("click", () => setTimeout(() => dialog.close()));
  show();
  field.focus();
  backups().then((more) => {
    places = [...places, ...more];
    // Who has gone to one of them already stays there.
    const chosen = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    show();
    [...list.querySelectorAll("a")].find((link) => link.getAttribute("href") === chosen)?.focus();
  }).catch(() => {});
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey) {
    event.preventDefault();
    goAnywhere();
  }
  const types = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, dialog");
  if (types || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") { event.preventDefault(); tellKeys(); }
  if (event.key === "/") { event.preventDefault(); location.assign("/search"); }
});

const hint = make("button", "Go to… Ctrl K");
hint.type = "button";
hint.className = "hint";
hint.addEventListener("click", goAnywhere);
document.querySelector(".tools")?.prepend(hint);
