// A raster looked at closely. What it shows stands in the address: bands, range, colours, two files side by side, a place.
import { ramp } from "./colors.js";
import { keepView, makeMap, mark, onPlace } from "./map.js";
import * as series from "./series.js";

const at = (id) => document.getElementById(id);
const viewer = at("viewer"), form = at("look-form"), points = at("point-form");
const tiles = viewer.dataset.tiles, looks = JSON.parse(viewer.dataset.looks), box = JSON.parse(viewer.dataset.box);
const NAMES = ["asset", "beside", "bidx", "low", "high", "colors"];
const MOST = 12; // values of one file that are listed; of more, the line over time tells
const SVG = "http://www.w3.org/2000/svg";
const known = new Map(); // statistics by file
let left, right, opening, ready = false, drawing = 0, reading = 0;

const field = (name) => form.elements[name]?.value ?? "";
const terse = (value) => (Number.isFinite(value) ? Number(value.toPrecision(6)).toLocaleString("en", { maximumSignificantDigits: 6 }) : "none");

async function ask(path, asset, more = {}) {
  const answer = await fetch(`${tiles}/${path}?${new URLSearchParams({ asset, ...more })}`);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

function statistics(asset) {
  if (!known.has(asset)) {
    const asked = ask("statistics", asset, { histogram_bins: 40 });
    asked.catch(() => known.delete(asset)); // it may be asked again
    known.set(asset, asked);
  }
  return known.get(asset);
}

// The bands that were chosen, where the file has them all: another tier may have fewer.
async function chosen(asset) {
  const wanted = field("bidx") ? field("bidx").split(",") : [];
  if (!wanted.length) return [];
  const count = Object.keys(await statistics(asset)).length;
  return wanted.every((band) => Number(band) <= count) ? wanted : [];
}

// What the pictures of a file are asked with.
async function query(asset) {
  const given = new URLSearchParams({ asset }), bands = await chosen(asset), look = looks[asset] ?? {};
  let low = field("low"), high = field("high");
  for (const band of bands) given.append("bidx", band);
  if (!bands.length && !look.bidx && ![1, 3, 4].includes(Object.keys(await statistics(asset)).length)) given.append("bidx", 1); // no picture has so many
  if (bands.length || !(low || high || look.rescale)) {
    const counted = Object.values(await statistics(asset))[(bands[0] ?? 1) - 1];
    low ||= counted.percentile_2;
    high ||= counted.percentile_98;
  } else if (low || high) {
    low ||= look.rescale?.[0]?.[0] ?? 0;
    high ||= look.rescale?.[0]?.[1] ?? 1;
  }
  if (low !== "" && high !== "" && Number(low) < Number(high)) given.set("rescale", `${low},${high}`);
  if (field("colors") && bands.length < 2) given.set("colormap_name", field("colors"));
  return given;
}

// Of two pictures, the one that was asked for last is shown, however long the question of either took to put together.
async function paint(map, asset, turn) {
  const address = `${location.origin}${tiles}/tiles/WebMercatorQuad/{z}/{x}/{y}.png?${await query(asset)}`;
  if (turn !== drawing) return;
  const source = map.getSource("raster");
  if (source) return source.setTiles([address]);
  map.addSource("raster", { type: "raster", tiles: [address], tileSize: 256, ...(box && { bounds: [Math.max(box[0], -180), Math.max(box[1], -85), Math.min(box[2], 180), Math.min(box[3], 85)] }) });
  map.addLayer({ id: "raster", type: "raster", source: "raster", paint: { "raster-resampling": "nearest", "raster-fade-duration": 0 } });
}

function remember() {
  const address = new URL(location.href);
  for (const name of NAMES) field(name) ? address.searchParams.set(name, field(name)) : address.searchParams.delete(name);
  history.replaceState(null, "", address);
}

async function draw() {
  const asset = field("asset"), beside = field("beside"), turn = ++drawing;
  await paint(left, asset, turn);
  if (turn !== drawing) return;
  legend(asset, turn);
  at("right").hidden = !beside;
  if (beside) {
    right ??= await (opening ??= second());
    await paint(right, beside, turn);
  }
  left.resize();
  right?.resize();
  viewer.dataset.drawn = "";
  count(asset);
}

async function second() {
  const map = await makeMap(at("right"));
  const together = (one, other) => one.on("move", (event) => {
    if (!event.together) other.jumpTo({ center: one.getCenter(), zoom: one.getZoom() }, { together: true });
  });
  map.jumpTo({ center: left.getCenter(), zoom: left.getZoom() });
  together(left, map);
  together(map, left);
  onPlace(map, ({ lng, lat }) => read(lng, lat));
  return map;
}

async function legend(asset, turn) {
  const look = looks[asset] ?? {}, given = await query(asset);
  if (turn !== drawing) return;
  const range = given.get("rescale")?.split(",") ?? look.rescale?.[0];
  const shown = ramp(at("ramp"), given.get("colormap_name") ?? (field("bidx") ? "gray" : look.colormap_name ?? "gray"));
  form.querySelector(".legend").classList.toggle("off", !shown);
  at("legend-said").textContent = range ? `${terse(Number(range[0]))} to ${terse(Number(range[1]))}` : "";
  form.elements.low.placeholder = range ? terse(Number(range[0])) : "";
  form.elements.high.placeholder = range ? terse(Number(range[1])) : "";
}

function facts(list, pairs) {
  list.replaceChildren(...pairs.map(([name, value]) => {
    const row = document.createElement("div"), term = document.createElement("dt"), told = document.createElement("dd");
    term.textContent = name;
    told.textContent = value;
    row.append(term, told);
    return row;
  }));
}

// Statistics and the histogram of the band that is shown.
async function count(asset) {
  try {
    const found = await statistics(asset);
    if (asset !== field("asset")) return;
    const number = Number(field("bidx").split(",")[0] || looks[asset]?.bidx?.[0] || 1);
    const [name, told] = Object.entries(found)[number - 1];
    at("numbers-band").textContent = told.description || name;
    facts(at("statistics"), [["least", told.min], ["most", told.max], ["mean", told.mean], ["spread", told.std], ["2 % below", told.percentile_2], ["98 % below", told.percentile_98]].map(([what, value]) => [what, terse(value)]).concat([["cells looked at", told.count.toLocaleString("en")], ["of them valid", `${told.valid_percent.toFixed(1)} %`]]));
    bars(told.histogram, name);
    at("statistics-said").textContent = "";
  } catch (error) {
    at("statistics-said").textContent = error.message;
  }
}

function bars([counts, edges], name) {
  const most = Math.max(...counts), width = 240 / counts.length, picture = at("histogram"), ends = at("histogram-ends");
  picture.setAttribute("aria-label", `Histogram of ${name}, from ${terse(edges[0])} to ${terse(edges.at(-1))}`);
  picture.replaceChildren(...counts.map((each, n) => {
    const bar = document.createElementNS(SVG, "rect"), height = (60 * each) / (most || 1);
    for (const [key, value] of Object.entries({ x: n * width, y: 60 - height, width: Math.max(width - 1, 0.5), height })) bar.setAttribute(key, value);
    return bar;
  }));
  ends.hidden = false;
  ends.firstElementChild.textContent = terse(edges[0]);
  ends.lastElementChild.textContent = terse(edges.at(-1));
}

async function read(lon, lat) {
  points.elements.lon.value = lon.toFixed(5);
  points.elements.lat.value = lat.toFixed(5);
  const address = new URL(location.href);
  address.searchParams.set("at", `${lon.toFixed(5)},${lat.toFixed(5)}`);
  history.replaceState(null, "", address);
  at("value-said").textContent = "Reading…";
  for (const map of [left, right]) if (map) mark(map, lon, lat);
  series.showSeries(lon, lat);
  const turn = ++reading, files = [field("asset"), field("beside")].filter(Boolean), rows = [];
  let said = "";
  try {
    for (const file of files) {
      const told = await ask(`point/${lon},${lat}`, file);
      told.values.slice(0, MOST).forEach((value, n) => rows.push([files.length > 1 ? `${file} ${told.band_descriptions[n]}` : told.band_descriptions[n], value === null ? "nothing" : terse(value)]));
      if (told.values.length > MOST) rows.push([`${told.values.length - MOST} more bands`, ""]);
    }
  } catch (error) {
    said = error.message;
  }
  if (turn !== reading) return;
  at("value-said").textContent = said;
  facts(at("values"), rows);
}

async function bands(asset) {
  const chosen = field("bidx") || new URL(location.href).searchParams.get("bidx") || "";
  const told = await ask("info", asset), list = form.elements.bidx;
  if (asset !== field("asset")) return;
  const single = told.band_descriptions.map(([name, about], n) => [`${n + 1}`, about ? `${n + 1}: ${about}` : name]);
  const colored = single.length > 2 ? [["1,2,3", "1, 2, 3 as colours"]] : [];
  list.replaceChildren(list.options[0], ...[...single, ...colored].map(([value, text]) => new Option(text, value)));
  list.value = [...list.options].some((each) => each.value === chosen) ? chosen : "";
}

function changed() {
  if (!ready) return;
  remember();
  return attempt(draw);
}

async function attempt(act) {
  try {
    await act();
  } catch (error) {
    at("statistics-said").textContent = error.message;
  }
}

// They listen before the map is there: what is chosen by then is drawn with it.
function listen() {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", async ({ target }) => {
    if (ready && target.name === "asset") {
      series.follow(field("asset"));
      await attempt(() => bands(field("asset")));
    }
    changed();
  });
  at("plain").addEventListener("click", () => {
    for (const name of NAMES.slice(2)) form.elements[name].value = "";
    changed();
  });
  points.querySelector("button").disabled = false;
  points.addEventListener("submit", (event) => {
    event.preventDefault();
    const place = series.placeIn(points.elements);
    if (place) read(...place);
    else at("value-said").textContent = "A place is a latitude from -90 to 90 and a longitude.";
  });
}

async function begin() {
  const asked = new URL(location.href).searchParams;
  for (const name of NAMES) if (form.elements[name] && asked.get(name)) form.elements[name].value = asked.get(name);
  if (!field("asset")) form.elements.asset.selectedIndex = 0;
  listen();
  left = await makeMap(at("left"));
  if (!keepView(left) && box) left.fitBounds([[box[0], box[1]], [box[2], box[3]]], { padding: 20, animate: false });
  onPlace(left, ({ lng, lat }) => read(lng, lat));
  let asset;
  while (asset !== field("asset")) { // another may be chosen while this one is looked at
    asset = field("asset");
    await attempt(() => bands(asset));
  }
  series.begin(asset);
  ready = true;
  const usual = { asset: form.elements.asset.options[0].value };
  if (NAMES.some((name) => field(name) !== (asked.get(name) ?? usual[name] ?? ""))) remember();
  await attempt(draw);
  const place = series.asked();
  if (place) read(...place);
  viewer.dataset.ready = "";
}

begin();
