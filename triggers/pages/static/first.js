// Before anything is drawn, so that nothing flashes. The system's choice counts until somebody makes one.
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;

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
