// Before anything is drawn, so that nothing flashes. The system's choice counts until somebody makes one.
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
