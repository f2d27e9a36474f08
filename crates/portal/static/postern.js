// Comfort only: every page works without this.
"use strict";

// The secret page is the answer to a form; a reload goes to the page without the secret.
for (const shown of document.querySelectorAll("[data-moved]")) {
  history.replaceState(null, "", shown.dataset.moved);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  button.hidden = false;
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", async () => {
    const status = button.parentElement.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = "Copied";
    } catch {
      field.select();
      status.textContent = "Press Ctrl+C to copy";
    }
  });
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => { form.querySelector("button").disabled = true; });
}

// Doors turn green as the app connects. Quiet when the page is not looked at.
for (const list of document.querySelectorAll("[data-doors]")) {
  for (const link of document.querySelectorAll("[data-check]")) { link.hidden = true; }
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(list.dataset.doors, { redirect: "error" });
        if (!answer.ok) { return; }
        const html = await answer.text();
        if (html !== list.dataset.last) {
          list.dataset.last = html;
          list.innerHTML = html;
        }
      } catch { return; }
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}
