// Keeps #live as the server has it. It is fetched again when the stream says that something changed, at most every second,
// and not while somebody points at a list, types or presses: nothing moves under the pointer, and no press is lost.
const EVERY = 1000;
const AGAIN = 5000;
let last = 0;
let waiting = null;
let held = false;
let pressing = false;
let asking = false;
let news = false;

export function keepLive() {
  if (!document.body.dataset.live) return;
  listen(document.body.dataset.live);
  addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
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
  document.addEventListener("htmx:responseError", ({ detail }) => { // htmx calls that an answer as well
    if (detail.target.id === "live" && (detail.xhr.status === 429 || detail.xhr.status > 499)) setTimeout(soon, AGAIN);
  });
}

function listen(stream) {
  const source = new EventSource(stream);
  for (const kind of ["changed", "progress", "message"]) source.addEventListener(kind, soon); // also the first: the page is older than it
  source.addEventListener("end", () => { source.close(); soon(); });
  source.addEventListener("error", () => { // who was told to wait, or got no stream, has to ask anew
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN, stream);
  });
  addEventListener("pagehide", () => source.close());
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
  if (inUse()) held = true;
  else if (asking) news = true;
  else ask();
}

// One question after the other: what is told while an answer is on its way is asked for after it.
async function ask() {
  asking = true;
  last = Date.now();
  const here = location.pathname + location.search;
  try {
    await htmx.ajax("GET", here, { source: "#live", target: "#live", select: "#live", swap: "morph:outerHTML" });
    document.dispatchEvent(new Event("refreshed"));
  } catch {
    setTimeout(soon, AGAIN); // no answer, or none in time
  }
  asking = false;
  if (news) soon();
  news = false;
}

function inUse() {
  const points = matchMedia("(hover: hover)").matches && document.querySelector("#live [data-calm]:hover");
  const types = document.activeElement?.closest("#live") && document.activeElement.matches("input, select, textarea");
  return Boolean(pressing || points || types || document.querySelector("dialog[open]"));
}
