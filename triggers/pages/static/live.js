// Keeps #live as the server has it. It is fetched again when the stream says that something changed, at most every second,
// and not while somebody points at a list, types or presses: nothing moves under the pointer, and no press is lost.
const EVERY = 1000;
let last = 0;
let waiting = null;
let held = false;
let pressing = false;

export function keepLive() {
  const stream = document.body.dataset.live;
  if (!stream) return;
  const source = new EventSource(stream);
  let heard = stream.includes("/jobs/"); // a job's stream tells only what is new; the other begins with how it is
  source.addEventListener("changed", () => { if (heard) soon(); heard = true; });
  source.addEventListener("progress", soon);
  source.addEventListener("message", soon);
  source.addEventListener("end", () => { source.close(); soon(); });
  addEventListener("pagehide", () => source.close());
  document.addEventListener("pointerout", letGo);
  document.addEventListener("focusout", () => setTimeout(letGo));
  addEventListener("pointerdown", ({ button }) => { pressing = button === 0; });
  addEventListener("keydown", ({ key }) => { if (key === " ") pressing = true; });
  for (const end of ["pointerup", "pointercancel", "keyup", "blur"]) addEventListener(end, () => { pressing = false; setTimeout(letGo); });
  document.addEventListener("htmx:beforeSwap", (event) => { // it may have been asked for before
    if (event.detail.target.id !== "live" || !inUse()) return;
    event.detail.shouldSwap = false;
    held = true;
  });
}

function letGo() {
  if (!held || inUse()) return;
  held = false;
  soon();
}

export function soon() {
  if (waiting) return;
  waiting = setTimeout(refresh, Math.max(0, last + EVERY - Date.now()));
}

export function refresh() {
  clearTimeout(waiting);
  waiting = null;
  if (inUse()) { held = true; return; }
  last = Date.now();
  const here = location.pathname + location.search;
  // It asks for itself (`source`), and not the body for all: of what an element asks while it waits, htmx keeps only the last.
  htmx.ajax("GET", here, { source: "#live", target: "#live", select: "#live", swap: "morph:outerHTML" })
    .then(() => document.dispatchEvent(new Event("refreshed")));
}

function inUse() {
  const points = matchMedia("(hover: hover)").matches && document.querySelector("#live [data-calm]:hover");
  const types = document.activeElement?.closest("#live") && document.activeElement.matches("input, select, textarea");
  return Boolean(pressing || points || types || document.querySelector("dialog[open]"));
}
