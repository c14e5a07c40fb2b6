// The form of a job: what is wrong stands beside its field, blobs are picked, boxes drawn, files dropped.
import { say } from "./acts.js";
import { receive } from "./drop.js";

const form = document.getElementById("form");
const picker = document.getElementById("picker");
let touched = new Set();
let target = null;

form.addEventListener("input", (event) => touched.add(event.target.closest(".field")?.dataset.field));
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "checked") return;
  const wrong = new Map([...document.querySelectorAll("[data-wrong]")].map((each) => [each.dataset.wrong, each.querySelector("span").textContent]));
  for (const field of form.querySelectorAll(".field")) {
    const why = touched.has(field.dataset.field) ? wrong.get(field.dataset.field) : undefined;
    field.querySelector(".wrong").textContent = why ?? "";
    field.querySelectorAll("input, select, textarea").forEach((each) => { each.ariaInvalid = why ? "true" : null; });
  }
});

function put(input, value) {
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("click", async (event) => {
  const { pick, take, box } = event.target.dataset;
  if (pick) {
    target = document.getElementById(pick);
    picker.showModal();
    htmx.ajax("GET", `/pick/blobs?container=${encodeURIComponent(lastContainer())}`, { target: "#picker-body" });
  } else if (take) {
    put(target, take);
    picker.close();
  } else if (box) {
    draw(box);
  }
});

// Until somebody listens, they cannot be pressed.
form.querySelectorAll("[data-pick], [data-box]").forEach((each) => { each.disabled = false; });

function lastContainer() {
  const [zone, name] = target.value.split("/");
  return zone && name ? `${zone}-${name}` : "";
}

async function draw(key) {
  const { makeMap, ring } = await import("./map.js");
  const dialog = document.getElementById("boxer");
  const inputs = form.querySelectorAll(`[name="${CSS.escape(key)}"]`);
  dialog.showModal();
  const place = document.getElementById("boxer-map");
  place.replaceChildren();
  const map = await makeMap(place);
  map.dragPan.disable();
  map.addSource("box", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
  map.addLayer({ id: "box", type: "fill", source: "box", paint: { "fill-color": "#0b6577", "fill-opacity": 0.3 } });
  let start = null;
  map.on("mousedown", (event) => { start = event.lngLat; });
  map.on("touchstart", (event) => { start = event.lngLat; });
  const move = (event) => {
    if (!start) return;
    const sides = [Math.min(start.lng, event.lngLat.lng), Math.min(start.lat, event.lngLat.lat), Math.max(start.lng, event.lngLat.lng), Math.max(start.lat, event.lngLat.lat)];
    map.getSource("box").setData({ type: "Feature", properties: {}, geometry: ring(sides) });
    sides.forEach((side, n) => put(inputs[n], side.toFixed(4)));
  };
  map.on("mousemove", move);
  map.on("touchmove", move);
  map.on("mouseup", () => { start = null; });
  map.on("touchend", () => { start = null; });
  dialog.addEventListener("close", () => map.remove(), { once: true });
}

const drop = document.getElementById("drop");
if (drop) receive(drop, document.getElementById("drop-file"), ([file]) => send(file));

function send(file) {
  if (!file) return;
  const bar = document.getElementById("drop-bar"), said = document.getElementById("drop-said");
  const body = new FormData();
  body.append("container", document.getElementById("drop-into").value);
  body.append("path", file.name);
  body.append("file", file);
  const request = new XMLHttpRequest();
  request.open("POST", "/api/storage/upload");
  request.setRequestHeader("X-CSRF-Token", document.querySelector("meta[name=csrf]").content);
  bar.hidden = false;
  said.textContent = `Sending ${file.name}…`;
  request.upload.onprogress = (event) => { bar.value = event.loaded / event.total; };
  request.onerror = () => { said.textContent = "The server does not answer; nothing was kept."; };
  request.onload = () => {
    bar.hidden = true;
    const told = JSON.parse(request.responseText);
    said.textContent = request.status < 300 ? `${told.ref} is there.` : told.detail;
    if (request.status < 300) put(form.querySelector("[data-blob]"), told.ref);
    else say(told.detail);
  };
  request.send(body);
}
