// What every page does. What only some do is a module of its own, named in the head of those.
import { keepLive } from "./live.js";
import { act, make } from "./acts.js";
import { tellTime } from "./time.js";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) act(button);
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-make]")) { event.preventDefault(); make(event.target); }
});
document.addEventListener("change", (event) => {
  if (event.target.form?.matches("[data-auto]")) event.target.form.requestSubmit();
});
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = document.querySelector("meta[name=csrf]").content;
});

for (const meant of globalThis.early) {
  if (meant.matches("[data-act]")) act(meant);
  else if (meant.matches("[data-make]")) make(meant);
  else meant.requestSubmit();
}
globalThis.early = null;

keepLive();
tellTime();
if (document.querySelector("[data-map]")) import("./map.js").then((map) => map.showBoxes());
