// The map of a fire: pick a place on it; then outlines and probability, hour by hour.
import { ramp } from "./colors.js";
import * as maps from "./map.js";
import { bounds, keepView, makeMap, onPlace, remember, ring } from "./map.js";
import * as series from "./series.js";

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const at = (id) => document.getElementById(id);
const place = at("fire-map");
const GROUND = "ground";
const NOTHING = { type: "FeatureCollection", features: [] };
const SHOWN = {
  probability: { label: "how likely it burns", colors: "ylorrd", range: ["0 %", "100 %"] },
  arrival: { label: "when half of the fires come", colors: "inferno_r", range: ["at once", "late"] },
  flame_length: { label: "length of flames", colors: "ylorrd", range: ["short", "long"] },
  intensity: { label: "intensity of the front", colors: "inferno", range: ["0", "10,000 kW/m"] },
  none: { label: "nothing" },
};
const numbers = (text) => (text ? JSON.parse(text) : null);
const asked = new URL(location.href).searchParams;
let map, forecast, playing, moved;

function fit([west, south, east, north]) {
  if (!moved) map.fitBounds([[west, south], [east, north]], { padding: 24, animate: false });
}

function box([west, south, east, north]) {
  map.getSource("box").setData({ type: "Feature", properties: {}, geometry: ring([west, south, east, north]) });
}

function mark(lon, lat) {
  const known = Number.isFinite(lon) && Number.isFinite(lat) && Math.abs(lat) <= 90;
  map.getSource("place").setData(known ? { type: "Feature", properties: {}, geometry: { type: "Point", coordinates: [lon, lat] } } : NOTHING);
  return known;
}

async function begin() {
  map = await makeMap(place);
  map.addControl(new maplibregl.ScaleControl());
  for (const name of ["box", "outlines", "seen", "place"]) map.addSource(name, { type: "geojson", data: NOTHING });
  map.addLayer({ id: "box", type: "line", source: "box", paint: { "line-dasharray": [3, 2] } });
  map.addLayer({ id: "burnt", type: "fill", source: "outlines", paint: { "fill-opacity": 0.12 } });
  map.addLayer({ id: "outlines", type: "line", source: "outlines", paint: { "line-width": 1, "line-opacity": 0.55 } });
  map.addLayer({ id: "front", type: "line", source: "outlines", paint: { "line-width": 3 } });
  map.addLayer({ id: "seen", type: "circle", source: "seen", paint: { "circle-radius": 5, "circle-stroke-width": 1.5 } });
  map.addLayer({ id: "place", type: "circle", source: "place", paint: { "circle-radius": 7, "circle-stroke-width": 2.5 } });
  paint();
  document.addEventListener("theme", paint);
  const sides = numbers(place.dataset.box), point = numbers(place.dataset.place);
  moved = keepView(map);
  if (sides) { box(sides); fit(sides); }
  if (point?.length === 2 && mark(...point.map(Number)) && !sides && !moved) map.jumpTo({ center: point.map(Number), zoom: 8 });
  if (place.dataset.pick) pick(point);
  look();
  document.addEventListener("htmx:afterSettle", look);
  place.dataset.ready = "";
}

function paint() {
  const accent = token("--accent"), ink = token("--ink"), paper = token("--paper"), bad = token("--bad");
  for (const [layer, property, color] of [
    ["box", "line-color", token("--idle")], ["burnt", "fill-color", ink], ["outlines", "line-color", ink], ["front", "line-color", accent],
    ["seen", "circle-color", bad], ["seen", "circle-stroke-color", paper], ["place", "circle-color", accent], ["place", "circle-stroke-color", paper],
  ]) map.setPaintProperty(layer, property, color);
  if (map.getLayer(GROUND)) map.setPaintProperty(GROUND, "raster-brightness-max", Number(token("--picture-light")));
}

// Choosing a place

function pick(given) {
  const lon = at("lon"), lat = at("lat");
  const take = (x, y) => {
    lon.value = (((x + 540) % 360) - 180).toFixed(4);
    lat.value = y.toFixed(4);
    mark(Number(lon.value), Number(lat.value));
    remember({ lon: lon.value, lat: lat.value });
  };
  onPlace(map, ({ lng, lat: y }, point) => {
    const [seen] = map.queryRenderedFeatures(point, { layers: ["seen"] });
    take(...(seen ? seen.geometry.coordinates : [lng, y]));
  });
  const entered = () => {
    if (!lon.value || !lat.value || !mark(Number(lon.value), Number(lat.value))) return;
    remember({ lon: lon.value, lat: lat.value });
    map.easeTo({ center: [Number(lon.value), Number(lat.value)], zoom: Math.max(map.getZoom(), 7) });
  };
  for (const input of [lon, lat]) input.addEventListener("change", entered);
  if (!given?.length) entered(); // before the map was there
  at("seen-list").addEventListener("click", ({ target }) => {
    if (target.dataset.place) take(...JSON.parse(target.dataset.place));
  });
  map.on("moveend", () => seenHere());
  seenHere();
}

async function seenHere() {
  if (map.getZoom() < 5) return;
  const [[west, south], [east, north]] = map.getBounds().toArray();
  const clipped = [Math.max(west, -180), Math.max(south, -89), Math.min(east, 180), Math.min(north, 89)];
  const answer = await fetch(`/api/fires/detections?bbox=${clipped.map((side) => side.toFixed(4))}`);
  if (!answer.ok) return;
  const found = await answer.json();
  map.getSource("seen").setData(found);
  const newest = found.features.reverse().slice(0, 8);
  at("seen-said").textContent = found.features.length ? `${found.features.length} in this part of the map; the newest:` : "Nothing was seen in this part of the map in the last 24 hours.";
  at("seen-list").replaceChildren(...newest.map(row));
}

function row({ geometry: { coordinates }, properties }) {
  const line = document.createElement("li"), button = document.createElement("button"), when = document.createElement("time");
  button.type = "button";
  button.className = "link";
  button.dataset.place = JSON.stringify(coordinates);
  button.textContent = `${coordinates[1].toFixed(3)}, ${coordinates[0].toFixed(3)}`;
  when.className = "dim";
  when.dateTime = properties.seen;
  when.dataset.ago = "";
  when.textContent = properties.seen;
  line.append(button, when);
  return line;
}

// Looking at a forecast

async function look() {
  const made = at("forecast");
  if (!made || forecast) return;
  const tiles = JSON.parse(made.dataset.tiles), horizons = numbers(made.dataset.hours);
  forecast = { tiles, horizons, areas: new Map() };
  const found = await (await fetch(made.dataset.isochrones)).json();
  for (const { properties } of found.features) forecast.areas.set(properties.hours, properties.area_ha);
  box(numbers(made.dataset.box));
  if (found.features.length) fit(around(bounds(found.features), numbers(made.dataset.box)));
  map.setPaintProperty("place", "circle-radius", 4);
  map.setPaintProperty("place", "circle-stroke-width", 2);
  const [west, south, east, north] = numbers(made.dataset.box);
  for (const [name, path] of Object.entries(tiles)) {
    const [opacity, resampling, above] = name === GROUND ? [1, "linear", "box"] : [0.8, "nearest", "burnt"];
    const told = name === GROUND ? { attribution: at("forecast").dataset.ground } : {};
    map.addSource(name, { type: "raster", tiles: [location.origin + path], tileSize: 256, bounds: [Math.max(west, -180), south, Math.min(east, 180), north], maxzoom: 16, ...told });
    map.addLayer({ id: name, type: "raster", source: name, layout: { visibility: "none" }, paint: { "raster-opacity": opacity, "raster-resampling": resampling, "raster-fade-duration": 0 } }, above);
  }
  at("ground-line").hidden = !(GROUND in tiles);
  paint();
  map.getSource("outlines").setData(found);
  const hours = [...forecast.areas.keys()].sort((a, b) => a - b), last = Math.max(...horizons);
  forecast.hours = hours;
  const slider = at("hour"), show = at("show");
  slider.max = last;
  slider.value = Number(asked.get("hour")) || last;
  const offered = Object.keys(SHOWN).filter((each) => each === "none" || Object.keys(tiles).some((name) => name.startsWith(each)));
  show.replaceChildren(...offered.map((each) => new Option(SHOWN[each].label, each)));
  show.value = offered.includes(asked.get("show")) ? asked.get("show") : offered[0];
  at("outlines").checked = asked.get("outlines") !== "no";
  slider.addEventListener("input", () => draw(true));
  show.addEventListener("change", () => draw(true));
  at("ground").checked = asked.get("ground") !== "no";
  for (const each of ["outlines", "ground"]) at(each).addEventListener("change", () => draw(true));
  at("play").addEventListener("click", play);
  at("when").hidden = false;
  weather();
  draw(false);
  map.once("idle", () => { place.dataset.still = ""; });
  place.dataset.drawn = "";
}

// The weather where somebody points.
function weather() {
  const read = (lon, lat) => { maps.mark(map, lon, lat); series.showSeries(lon, lat); };
  at("over-time-panel").hidden = false;
  series.begin("", read);
  onPlace(map, ({ lng, lat }) => read(lng, lat));
  const named = series.asked();
  if (named) read(...named);
}

// The outlines are of half the fires; others come further.
function around([west, south, east, north], [w, s, e, n]) {
  const x = (east - west) * 1.5 + 0.002, y = (north - south) * 1.5 + 0.002;
  return [Math.max(west - x, w), Math.max(south - y, s), Math.min(east + x, e), Math.min(north + y, n)];
}

function draw(chosen) {
  const { tiles, horizons, areas, hours } = forecast;
  const hour = Number(at("hour").value), show = at("show").value, lines = at("outlines").checked, ground = at("ground").checked;
  const front = hours.filter((each) => each <= hour).at(-1);
  const within = horizons.filter((each) => each <= hour).at(-1) ?? horizons[0];
  const layer = show === "probability" ? `probability_${within}h` : show;
  for (const name of Object.keys(tiles)) map.setLayoutProperty(name, "visibility", name === layer || (name === GROUND && ground) ? "visible" : "none");
  for (const name of ["burnt", "outlines", "front"]) map.setLayoutProperty(name, "visibility", lines && front !== undefined ? "visible" : "none");
  map.setFilter("outlines", ["<=", ["get", "hours"], hour]);
  for (const name of ["burnt", "front"]) map.setFilter(name, ["==", ["get", "hours"], front ?? -1]);
  const begins = new Date(at("begins").dataset.at);
  const then = new Date(begins.getTime() + hour * 3600e3);
  const time = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(then);
  at("hour-said").textContent = `+${hour} h`;
  at("hour").setAttribute("aria-valuetext", `${hour} hours after it begins`);
  const area = areas.get(front);
  at("then").textContent = `${time} UTC: ${area === undefined ? "it has not spread yet" : `half of the fires have burnt ${Math.round(area).toLocaleString("en")} ha`}.${show === "probability" ? ` Colours: within ${within} h.` : ""}`;
  const { colors, range } = SHOWN[show];
  at("legend").classList.toggle("off", !ramp(at("ramp"), colors));
  at("legend-said").textContent = range ? `${range[0]} to ${range[1]}` : "";
  if (chosen) remember({ hour, show, outlines: lines ? "yes" : "no", ground: ground ? "yes" : "no" });
}

function play() {
  const button = at("play"), slider = at("hour");
  const stop = () => { clearInterval(playing); playing = undefined; button.textContent = "Play"; button.ariaPressed = "false"; };
  if (playing) return stop();
  if (slider.value === slider.max) slider.value = 1;
  button.textContent = "Stop";
  button.ariaPressed = "true";
  draw(false);
  playing = setInterval(() => {
    if (slider.value === slider.max) return stop();
    slider.value = Number(slider.value) + 1;
    draw(true);
  }, 700);
}

begin();
