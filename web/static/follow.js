// Pages follow their runs in place: what has changed is put there, and focus, scroll and what was typed stay as they are.
"use strict";

const POLL_MS = 1000;
// Whoever looks at the page has set these.
const OF_THE_VISITOR = new Set(["open", "disabled"]);

function name(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return "";
  const link = node.nodeName === "TR" ? node.querySelector("a[href]") : node;
  return node.id || node.getAttribute("aria-label") || node.getAttribute("action") || link?.getAttribute("href") || "";
}

function isAlike(one, other) {
  return one.nodeName === other.nodeName && name(one) === name(other) && (name(one) !== "" || one.className === other.className);
}

function becomeOf(attributes, now, then) {
  for (const each of attributes) {
    const value = then.getAttribute(each);
    if (OF_THE_VISITOR.has(each) || now.getAttribute(each) === value) continue;
    if (value === null) now.removeAttribute(each); else now.setAttribute(each, value);
  }
}

// What stands between two nodes that are alike is gone; what has none like it is new.
function become(now, then) {
  if (now.nodeType !== Node.ELEMENT_NODE) {
    if (now.nodeValue !== then.nodeValue) now.nodeValue = then.nodeValue;
    return;
  }
  becomeOf(new Set([...now.getAttributeNames(), ...then.getAttributeNames()]), now, then);
  let place = now.firstChild;
  for (const wanted of then.childNodes) {
    let found = place;
    while (found && !isAlike(found, wanted)) found = wanted.nodeType === Node.ELEMENT_NODE ? found.nextSibling : null;
    if (!found) { now.insertBefore(document.importNode(wanted, true), place); continue; }
    while (place !== found) { const next = place.nextSibling; place.remove(); place = next; }
    become(found, wanted);
    place = found.nextSibling;
  }
  while (place) { const next = place.nextSibling; place.remove(); place = next; }
}

// Where the control is gone that had the focus, what it stood in has it. Who is still where the page had put the focus goes
// on to where it would be put now: from a step that was waited for to the next one.
function keepingFocus(change) {
  const focused = document.activeElement;
  const isPut = focused.autofocus;
  const around = [];
  for (let one = focused; one; one = one.parentElement) around.push(one);
  change();
  const put = document.querySelector("[autofocus]");
  if (isPut && put && !(focused.isConnected && focused.autofocus)) return put.focus();
  const nearest = around.find((one) => one.isConnected);
  if (nearest === focused || nearest === document.body) return;
  if (nearest.tabIndex < 0) nearest.tabIndex = -1;
  nearest.focus({ preventScroll: true });
}

async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.redirected && new URL(answer.url).pathname === "/login") return location.assign(answer.url);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  addCopyButtons(page);
  document.title = page.title;
  keepingFocus(() => {
    for (const part of [".rail", "main"]) become(document.querySelector(part), page.querySelector(part));
  });
}

function show(live, told) {
  const bar = live.querySelector("progress");
  if (!told) return;
  if (told.total) {
    bar.max = told.total;
    bar.value = Math.min(told.current, told.total);
  } else {
    bar.removeAttribute("value");
  }
  live.querySelector("[data-doing]").textContent = doing(told);
}

// The state, and the attempt: when that changes, what the page says besides has changed as well.
function stands(run) {
  return `${run.state} ${run.attempt} ${run.due_at ? Math.floor(Date.parse(run.due_at) / 1000) : ""}`;
}

// Whether the page has more to say of the run than how far it is.
async function hasNews(live) {
  const answer = await fetch(`/api/result/${encodeURIComponent(live.dataset.run)}`, { headers: { Accept: "application/json" } });
  if (answer.status === 401 || answer.status === 404) return true;
  if (!answer.ok) return false;
  const run = await answer.json();
  if (run.ready || (stands(run) !== live.dataset.stands && (!run.progress || run.attempt > 1))) return true;
  show(live, run.progress);
  return false;
}

async function follow() {
  for (;;) {
    await new Promise((wake) => setTimeout(wake, POLL_MS));
    if (document.hidden) continue;
    try {
      let news = false;
      for (const live of document.querySelectorAll("[data-run]")) news = await hasNews(live) || news;
      if (news) await renew();
    } catch {
      // The server is away for a moment: ask again.
    }
  }
}

if (document.querySelector("[data-run]")) follow();
