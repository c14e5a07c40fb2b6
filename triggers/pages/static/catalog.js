// The map of the catalog: where items lie, and a box to look in.
import { keepView, makeMap, mark, onPlace, ring } from "./map.js";
import * as series from "./series.js";

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const place = document.getElementById("catalog-map");
const boxes = JSON.parse(place.dataset.boxes);
const feature = ({ name, link }, geometry) => ({ type: "Feature", properties: { name, link: link ?? "" }, geometry });
const all = (geometry) => ({ type: "FeatureCollection", features: boxes.map((each) => feature(each, geometry(each.bbox))) });

function paint(map) {
  map.setPaintProperty("areas", "fill-color", token("--accent"));
  map.setPaintProperty("edges", "line-color", token("--accent"));
  map.setPaintProperty("middles", "circle-color", token("--accent"));
  map.setPaintProperty("middles", "circle-stroke-color", token("--paper"));
}

async function begin() {
  const map = await makeMap(place);
  map.addSource("areas", { type: "geojson", data: all(ring) });
  map.addSource("middles", { type: "geojson", data: all(([w, s, e, n]) => ({ type: "Point", coordinates: [(w + e) / 2, (s + n) / 2] })) });
  map.addLayer({ id: "areas", type: "fill", source: "areas", paint: { "fill-opacity": 0.15 } });
  map.addLayer({ id: "edges", type: "line", source: "areas", paint: { "line-width": 1 } });
  map.addLayer({ id: "middles", type: "circle", source: "middles", paint: { "circle-radius": 5, "circle-stroke-width": 1.5 } });
  paint(map);
  document.addEventListener("theme", () => paint(map));
  const sides = [0, 1, 2, 3].map((n) => Math[n < 2 ? "min" : "max"](...boxes.map((each) => each.bbox[n])));
  if (!keepView(map)) map.fitBounds([[sides[0], Math.max(sides[1], -80)], [sides[2], Math.min(sides[3], 80)]], { padding: 40, maxZoom: 9, animate: false });
  for (const layer of ["middles", "areas"]) {
    map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
  }
  map.on("click", (event) => {
    const [hit] = map.queryRenderedFeatures(event.point, { layers: ["middles", "areas"] });
    if (hit?.properties.link.startsWith("/catalog/")) location.assign(hit.properties.link);
  });
  const here = document.getElementById("here");
  if (here) here.disabled = false; // an item's page has a map, and no box to look in
  here?.addEventListener("click", () => {
    const [[west, south], [east, north]] = map.getBounds().toArray();
    document.getElementById("bbox").value = [Math.max(west, -180), Math.max(south, -90), Math.min(east, 180), Math.min(north, 90)].map((side) => side.toFixed(3)).join(",");
    document.getElementById("find").requestSubmit();
  });
  if (document.getElementById("series")) overTime(map);
  place.dataset.ready = "";
}

// The page of an item that is a cube and has no raster.
function overTime(map) {
  const read = (lon, lat) => { mark(map, lon, lat); series.showSeries(lon, lat); };
  series.begin("", read);
  onPlace(map, ({ lng, lat }) => read(lng, lat));
  const named = series.asked();
  if (named) read(...named);
}

begin();
