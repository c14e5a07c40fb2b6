// Maps: MapLibre with countries of Natural Earth, all from here, so that they work without a network.
const base = new URL(".", import.meta.url);
const ANTARCTICA = "010";
let ready = null;

function load(name) {
  return new Promise((done, failed) => {
    const script = Object.assign(document.createElement("script"), { src: new URL(name, base), onload: done, onerror: failed });
    document.head.append(script);
  });
}

function prepare() {
  ready ??= (async () => {
    const styled = new Promise((done, failed) => {
      document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("maplibre.css", base), onload: done, onerror: failed }));
    });
    await Promise.all([styled, load("maplibre.js"), load("topojson.js")]);
    maplibregl.setWorkerUrl(new URL("maplibre-worker.js", base).href);
  })();
  return ready;
}

async function countries(name) {
  const topology = await (await fetch(new URL(name, base))).json();
  const found = topojson.feature(topology, topology.objects.countries);
  for (const { id, geometry } of found.features) {
    if (id === ANTARCTICA) continue;
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    polygons.flat().forEach(unwrap);
  }
  return found;
}

// A ring that crosses the 180th meridian goes on beyond it, instead of back around the whole world.
function unwrap(ring) {
  for (let n = 1; n < ring.length; n++) {
    const jump = ring[n][0] - ring[n - 1][0];
    if (Math.abs(jump) > 180) ring[n] = [ring[n][0] - 360 * Math.sign(jump), ring[n][1]];
  }
}

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export async function makeMap(container) {
  await prepare();
  const world = await countries("countries-110m.json");
  const title = container.getAttribute("aria-label") ?? "Map"; // MapLibre names its canvas, and one name is enough
  container.removeAttribute("role");
  container.removeAttribute("aria-label");
  const map = new maplibregl.Map({
    container, locale: { "Map.Title": title }, center: [10, 20], zoom: 0.6, attributionControl: false, dragRotate: false, pitchWithRotate: false,
    style: {
      version: 8,
      sources: { world: { type: "geojson", data: world } },
      layers: [
        { id: "sea", type: "background", paint: { "background-color": token("--sea") } },
        { id: "land", type: "fill", source: "world", paint: { "fill-color": token("--land") } },
        { id: "coast", type: "line", source: "world", paint: { "line-color": token("--coast"), "line-width": 0.7 } },
      ],
    },
  });
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }));
  map.addControl(new maplibregl.AttributionControl({ compact: true, customAttribution: "Natural Earth" }));
  map.once("zoomend", async () => { if (map.getZoom() > 3) map.getSource("world")?.setData(await countries("countries-50m.json")); });
  document.addEventListener("theme", () => {
    map.setPaintProperty("sea", "background-color", token("--sea"));
    map.setPaintProperty("land", "fill-color", token("--land"));
    map.setPaintProperty("coast", "line-color", token("--coast"));
  });
  await new Promise((done) => map.once("load", done));
  return map;
}

export function ring([west, south, east, north]) {
  return { type: "Polygon", coordinates: [[[west, south], [east, south], [east, north], [west, north], [west, south]]] };
}

// Where a map looks stands in the address, so that a link shows the same. True where the address said so already.
export function keepView(map) {
  const said = new URL(location.href).searchParams.get("view")?.split(",").map(Number);
  const known = said?.length === 3 && said.every(Number.isFinite);
  if (known) map.jumpTo({ center: said.slice(0, 2), zoom: said[2] });
  map.on("moveend", (event) => {
    if (!event.originalEvent) return; // nobody moved it by hand
    const { lng, lat } = map.getCenter();
    remember({ view: [lng.toFixed(4), lat.toFixed(4), map.getZoom().toFixed(2)] });
  });
  return known;
}

export function remember(values) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(values)) address.searchParams.set(name, value);
  history.replaceState(null, "", address);
}

// A place is chosen with a click, or with Enter on the map for its middle.
export function onPlace(map, take) {
  map.on("click", ({ lngLat, point }) => take(lngLat.wrap(), point));
  map.getCanvas().addEventListener("keydown", (event) => {
    if (event.key === "Enter") take(map.getCenter().wrap(), map.project(map.getCenter()));
  });
}

// Where something was read.
export function mark(map, lon, lat) {
  const data = { type: "Feature", properties: {}, geometry: { type: "Point", coordinates: [lon, lat] } };
  if (map.getSource("mark")) return map.getSource("mark").setData(data);
  map.addSource("mark", { type: "geojson", data });
  map.addLayer({ id: "mark", type: "circle", source: "mark", paint: { "circle-radius": 5, "circle-stroke-width": 2.5 } });
  const paint = () => {
    map.setPaintProperty("mark", "circle-color", token("--paper"));
    map.setPaintProperty("mark", "circle-stroke-color", token("--ink"));
  };
  paint();
  document.addEventListener("theme", paint);
}

export function bounds(features) {
  const points = JSON.stringify(features.map((each) => each.geometry.coordinates)).match(/-?[\d.e-]+,-?[\d.e-]+/g).map((pair) => pair.split(",").map(Number));
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  return [xs, ys].flatMap((each) => each.reduce((a, b) => Math.min(a, b))).concat([xs, ys].flatMap((each) => each.reduce((a, b) => Math.max(a, b))));
}

export async function showBoxes() {
  const container = document.querySelector("[data-map]");
  const boxes = JSON.parse(container.dataset.boxes).filter((each) => each.bbox);
  const map = await makeMap(container);
  const features = boxes.map((each) => ({ type: "Feature", properties: { name: each.name }, geometry: ring(each.bbox) }));
  const middles = boxes.map(({ name, bbox: [w, s, e, n] }) => ({ type: "Feature", properties: { name }, geometry: { type: "Point", coordinates: [(w + e) / 2, (s + n) / 2] } }));
  map.addSource("boxes", { type: "geojson", data: { type: "FeatureCollection", features } });
  map.addSource("middles", { type: "geojson", data: { type: "FeatureCollection", features: middles } });
  map.addLayer({ id: "boxes", type: "fill", source: "boxes", paint: { "fill-color": token("--accent"), "fill-opacity": 0.2, "fill-outline-color": token("--accent") } });
  map.addLayer({ id: "middles", type: "circle", source: "middles", paint: { "circle-color": token("--accent"), "circle-radius": 5, "circle-stroke-color": token("--paper"), "circle-stroke-width": 1.5 } });
  if (!boxes.length) return;
  const all = boxes.map((each) => each.bbox);
  const least = (n) => Math.min(...all.map((box) => box[n])), most = (n) => Math.max(...all.map((box) => box[n]));
  map.fitBounds([[least(0), Math.max(least(1), -80)], [most(2), Math.min(most(3), 80)]], { padding: 60, maxZoom: 4, animate: false });
  container.dataset.ready = "";
}
