// Comfort only: every page works without this.
"use strict";

// The page with the secret is the answer to a form. Its address becomes that of
// the page without the secret: a reload goes there and sends nothing again.
for (const shown of document.querySelectorAll("[data-moved]")) {
  history.replaceState(null, "", shown.dataset.moved);
}

// The server knows no time zone; the browser knows its own.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const localise = (within) => {
  for (const time of within.querySelectorAll("time")) { time.textContent = local.format(new Date(time.dateTime)); }
};
localise(document);

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const status = button.parentElement.querySelector("[role=status]");
  button.hidden = false;
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", async () => {
    status.textContent = "";
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = "Copied";
    } catch {
      field.focus();
      status.textContent = "Selected: copy it with Ctrl+C";
    }
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// An app from the list is known to ask for something: offered, never ticked unasked.
for (const offer of document.querySelectorAll("[data-ticks]")) {
  const app = document.getElementById(offer.dataset.ticks);
  const boxes = offer.form.querySelectorAll("input[type=checkbox]");
  const known = () => [...app.list.options].find((option) => option.value === app.value);
  const show = () => {
    offer.hidden = !known();
    offer.value = `Tick what ${app.value} can use`;
  };
  app.addEventListener("input", show);
  offer.addEventListener("click", () => {
    const opens = known().dataset.opens.split(" ");
    for (const box of boxes) { box.checked = opens.includes(box.name); }
  });
  show();
}

// Doors turn green as the app connects. Quiet while nobody looks at the page.
for (const list of document.querySelectorAll("[data-doors]")) {
  const fallback = document.querySelectorAll("[data-check]");
  for (const link of fallback) { link.hidden = true; }
  let shown = "";
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(list.dataset.doors, { redirect: "manual" });
        if (answer.type === "opaqueredirect" || answer.status === 404) {
          // Signed out, or gone: the link says which.
          for (const link of fallback) { link.hidden = false; }
          return;
        }
        if (answer.ok) {
          const html = await answer.text();
          if (html !== shown) {
            shown = html;
            list.innerHTML = html;
            localise(list);
          }
        }
      } catch {
        // Offline for a moment: look again.
      }
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}
