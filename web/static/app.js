// What is nicer with JavaScript; nothing needs it. Text from the server is only ever set as text.
"use strict";

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let step = 0;
  while (bytes >= 1000 && step < units.length - 1) { bytes /= 1000; step += 1; }
  return `${step ? bytes.toFixed(1) : Math.round(bytes)} ${units[step]}`;
}

function amount(count, unit) {
  return unit === "bytes" ? size(count) : `${Math.round(count).toLocaleString("en")} ${unit}`;
}

function left(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  const parts = [[Math.floor(whole / 3600), "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  return parts.filter(([count]) => count).slice(0, 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

function doing(told) {
  const of = told.total ? ` of ${amount(told.total, told.unit)}` : "";
  let words = `${told.phase}: ${amount(told.current, told.unit)}${of}`;
  if (told.rate) {
    words += `, ${amount(told.rate, told.unit)} a second`;
    if (told.total > told.current) words += `, about ${left((told.total - told.current) / told.rate)} left`;
  }
  return words;
}

function age(seconds) {
  const past = Math.abs(seconds);
  if (past < 60) return seconds >= 0 ? "just now" : "in a moment";
  const [word, length] = past >= 172800 ? ["day", 86400] : past >= 3600 ? ["hour", 3600] : ["minute", 60];
  const count = Math.floor(past / length);
  const words = `${count} ${word}${count === 1 ? "" : "s"}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    time.textContent = age((Date.now() - Date.parse(time.dateTime)) / 1000);
  }
}

function countDown() {
  for (const time of document.querySelectorAll("time[data-due]")) {
    const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
    time.textContent = seconds >= 0.5 ? `in ${left(seconds)}` : "now";
  }
}

// Also of a page that has come but is not shown yet, so that both have the same parts.
function addCopyButtons(page) {
  if (!navigator.clipboard) return;
  for (const code of page.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    const icon = document.createElement("i");
    button.type = "button";
    button.className = "copy";
    button.title = "Copy";
    button.setAttribute("aria-label", `Copy ${code.textContent.slice(0, 60)}`);
    icon.className = "bi bi-copy";
    button.append(icon);
    code.after(button);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const icon = button.firstElementChild;
  await navigator.clipboard.writeText(button.previousElementSibling.textContent);
  icon.className = "bi bi-check-lg";
  setTimeout(() => { icon.className = "bi bi-copy"; }, 1500);
});

// A browser leaves what is half out of a table that scrolls where it is when it gets the focus.
document.addEventListener("focusin", (event) => {
  if (event.target.closest(".scrolls")) event.target.scrollIntoView({ block: "nearest", inline: "nearest" });
});

addCopyButtons(document);
setInterval(tick, 30000);
setInterval(countDown, 1000);

// One click, one task: the button is off until the next page is there, or this one is shown again.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.target.method === "post" && button) setTimeout(() => { button.disabled = true; });
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
});
