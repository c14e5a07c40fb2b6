// The timeline follows its job. Drag over a band of it to look closer at some time: from then on it stands still.
let begun = null;

document.addEventListener("refreshed", () => {
  const times = document.querySelector("#times[hx-get]"), shown = document.querySelector("#times-inner:not([data-whole])");
  if (times && !shown && !begun) show(times.getAttribute("hx-get"));
});

function show(address) {
  htmx.ajax("GET", address, { source: "#times", target: "#times", select: "#times-inner", swap: "innerHTML" });
}

function place(event, svg) {
  const box = svg.getBoundingClientRect();
  return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
}

document.addEventListener("pointerdown", (event) => {
  const svg = event.target.closest(".band svg");
  if (!svg) return;
  const brush = document.createElementNS(svg.namespaceURI, "rect");
  brush.setAttribute("class", "brush");
  brush.setAttribute("height", "100%");
  svg.append(brush);
  begun = { svg, brush, from: place(event, svg) };
});
document.addEventListener("pointermove", (event) => {
  if (!begun) return;
  const to = place(event, begun.svg), width = begun.svg.viewBox.baseVal.width;
  begun.brush.setAttribute("x", Math.min(begun.from, to) * width);
  begun.brush.setAttribute("width", Math.abs(to - begun.from) * width);
});
document.addEventListener("pointercancel", () => { // a finger scrolls the page instead
  begun?.brush.remove();
  begun = null;
});
document.addEventListener("pointerup", (event) => {
  if (!begun) return;
  const { svg, brush, from } = begun, to = place(event, svg);
  begun = null;
  brush.remove();
  if (!svg.isConnected || Math.abs(to - from) < 0.01) return; // an answer on its way may have taken it
  const { timeline, begin, end } = svg.closest("[data-timeline]").dataset;
  const at = (share) => new Date((Number(begin) + share * (end - begin)) * 1000).toISOString();
  const query = new URLSearchParams({ begin: at(Math.min(from, to)), end: at(Math.max(from, to)) });
  show(`${timeline}?${query}`);
});
