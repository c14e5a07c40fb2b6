// Before anything is drawn, so that nothing flashes. The system's choice counts until somebody makes one.
const root = document.documentElement, chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
document.addEventListener("click", (event) => {
  if (!event.target.closest("#theme")) return;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  document.dispatchEvent(new Event("theme"));
});

// What is pressed or chosen before the page's own script is there waits for it.
globalThis.early = new Set();
for (const [kind, what] of [["click", "[data-act]"], ["submit", "[data-make]"], ["change", "[data-auto]"]]) {
  document.addEventListener(kind, (event) => {
    const meant = event.target.closest(what);
    if (!globalThis.early || !meant) return;
    event.preventDefault();
    globalThis.early.add(meant);
  });
}

// No file opens in the page's stead. One that is dropped before its place listens is as if it had been chosen there.
for (const kind of ["dragover", "drop"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const input = kind === "drop" && event.target.closest?.(".drop:not([data-listens])")?.querySelector("input[type=file]");
    if (input) input.files = event.dataTransfer.files;
  });
}
