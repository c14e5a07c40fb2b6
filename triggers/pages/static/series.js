// A place over time: the server draws it, and the address keeps the place and the variable.
import { remember } from "./map.js";

const target = document.getElementById("series"), said = document.getElementById("series-said"), form = document.getElementById("series-form");
const select = form?.elements.variable;
let place, turn = 0;

function choose(name) {
  if ([...(select?.options ?? [])].some((each) => each.value === name)) select.value = name;
}

async function part(address) {
  try {
    const answer = await fetch(address);
    if (answer.redirected) return { why: "Load the page again: you are no longer signed in." };
    return answer.ok ? { text: await answer.text() } : { why: (await answer.json()).detail };
  } catch {
    return { why: "The server does not answer." };
  }
}

// Only the answer to the last question is shown.
export async function showSeries(lon, lat) {
  if (!target) return;
  place = [lon, lat];
  const mine = ++turn, address = new URL(target.dataset.from, location.href);
  for (const [name, value] of [["lon", lon], ["lat", lat]]) {
    address.searchParams.set(name, value.toFixed(5));
    if (form.elements[name]) form.elements[name].value = value.toFixed(5);
  }
  if (select) address.searchParams.set("variable", select.value);
  remember({ at: `${lon.toFixed(5)},${lat.toFixed(5)}` });
  said.className = "dim";
  said.textContent = "Reading…";
  const { text = "", why = "" } = await part(address);
  if (mine !== turn) return;
  target.innerHTML = text;
  const told = target.querySelector("[data-said]");
  said.className = told ? "hidden" : "wrong";
  said.textContent = told?.textContent ?? why;
}

// The line of the file that is shown.
export function follow(variable) {
  choose(variable);
  const address = new URL(location.href);
  address.searchParams.delete("variable");
  history.replaceState(null, "", address);
  if (place && select) showSeries(...place);
}

export function placeIn(inputs) {
  const [lon, lat] = [inputs.lon, inputs.lat].map((each) => (each.value.trim() ? Number(each.value) : NaN));
  return Number.isFinite(lon) && Number.isFinite(lat) && Math.abs(lat) <= 90 && Math.abs(lon) <= 360 ? [lon, lat] : null;
}

// The place that the address names, if it does.
export function asked() {
  const found = new URL(location.href).searchParams.get("at")?.split(",").map(Number);
  return found?.length === 2 && found.every(Number.isFinite) ? found : null;
}

// `usual` is the variable where the address names none; `take` hears of a place that was entered.
export function begin(usual, take) {
  if (!form) return;
  const named = new URL(location.href).searchParams.get("variable");
  if (select && select.selectedIndex > 0) remember({ variable: select.value }); // chosen before this listened
  else choose(named ?? usual);
  form.querySelectorAll("button").forEach((each) => { each.disabled = false; });
  select?.addEventListener("change", () => {
    remember({ variable: select.value });
    if (place) showSeries(...place);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const entered = form.elements.lon && placeIn(form.elements);
    if (entered) take(...entered);
  });
}
