// "4 min ago" stays true while the page is open.
const UNITS = [["s", 60], ["min", 60], ["h", 24], ["d", 365], ["y", Infinity]];

function span(seconds) {
  let value = seconds;
  for (const [unit, step] of UNITS) {
    if (value < step) return `${value < 10 && unit !== "s" ? value.toFixed(1) : Math.floor(value)} ${unit}`;
    value /= step;
  }
}

function tell() {
  for (const each of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.now() - Date.parse(each.dateTime)) / 1000;
    const told = seconds < -1 ? `in ${span(-seconds)}` : seconds < 1 ? "now" : `${span(seconds)} ago`;
    if (each.textContent !== told) each.textContent = told;
  }
  for (const each of document.querySelectorAll("[data-since]")) {
    each.textContent = span(Math.max(0, (Date.now() - Date.parse(each.dataset.since)) / 1000));
  }
}

export function tellTime() {
  tell();
  setInterval(tell, 1000);
  document.addEventListener("htmx:afterSettle", tell);
}
