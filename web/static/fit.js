// The form of a restore says how many keys of the backup fit, shortly after something was typed.
"use strict";

const FIT_PAUSE_MS = 500;
const FIT_POLL_MS = 300;

async function countOf(form, address, isLast) {
  const asked = await fetch(address, { method: "POST", body: new FormData(form) });
  const page = new URL(asked.url);
  if (!asked.ok || !page.pathname.startsWith("/tasks/")) return null;
  const result = `/api/result/${page.pathname.split("/").pop()}`;
  while (isLast()) {
    const run = await (await fetch(result, { headers: { Accept: "application/json" } })).json();
    if (run.ready) return run.successful ? run.value : null;
    await new Promise((wake) => setTimeout(wake, FIT_POLL_MS));
  }
  return null;
}

for (const box of document.querySelectorAll("[data-fit]")) {
  const form = box.closest("form");
  const words = box.querySelector("[data-fit-words]");
  let turn = 0;

  const count = async () => {
    const mine = ++turn;
    const isLast = () => mine === turn;
    await new Promise((wake) => setTimeout(wake, FIT_PAUSE_MS));
    if (!isLast()) return;
    words.textContent = "Counting…";
    try {
      const told = await countOf(form, box.dataset.fit, isLast);
      if (!isLast()) return;
      const fit = told && told.keys === 1 ? "fits" : "fit";
      words.textContent = told ? `${told.keys.toLocaleString("en")} of ${told.of.toLocaleString("en")} keys ${fit}.` : "";
    } catch {
      if (isLast()) words.textContent = "";
    }
  };

  form.addEventListener("input", (event) => {
    if (["match", "exclude", "keys", "types", "databases"].includes(event.target.name)) count();
  });
  // Of a form that is shown to be changed, at once.
  if (["match", "exclude", "keys"].some((name) => form.elements[name] && form.elements[name].value)) count();
}
