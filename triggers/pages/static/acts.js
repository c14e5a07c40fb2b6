// Buttons that do something: they ask where it matters, call the API as any client does, and say what came of it.
import { refresh } from "./live.js";

const dialog = document.getElementById("ask");

export async function act(button) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true"; // from before the question, which has to be put together first
  const answer = await done(button).finally(() => { button.ariaBusy = null; });
  if (answer === null) return;
  const given = button.dataset;
  say(answer.message ?? `${button.textContent.trim()}: done.`);
  if (given.then) location.assign(given.then);
  else if (document.getElementById("live") && !document.body.dataset.stay) setTimeout(() => location.pathname.startsWith("/jobs/") ? location.reload() : refresh(), 300);
}

// What came of it; null: nothing did.
async function done(button) {
  const given = button.dataset, body = given.body ? JSON.parse(given.body) : {};
  if (given.title) {
    const text = given.preview ? await preview(given.preview) : given.text ?? "";
    if (text === null) return null;
    const told = await ask(given.title, text, given.prompt, button.textContent);
    if (told === null) return null;
    if (given.field && told) body[given.field] = told;
  }
  return call(given.act, given.to, given.act === "DELETE" ? undefined : body);
}

export async function make(form) {
  const body = {};
  for (const input of form.elements) if (input.name && input.value) body[input.name] = "number" in input.dataset ? Number(input.value) : input.value;
  const answer = await call("POST", form.dataset.make, body);
  if (answer === null) return;
  const made = document.getElementById("made");
  made.querySelector("code").textContent = answer.key;
  made.hidden = false;
}

async function call(method, to, body) {
  const headers = { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content };
  try {
    const answer = await fetch(to, { method, headers, body: body && JSON.stringify(body) });
    const told = answer.status === 204 ? {} : await answer.json();
    if (answer.ok) return told;
    say(told.errors?.length ? `${told.detail} (${told.errors.map((each) => `${each.parameter}: ${each.message}`).join("; ")})` : told.detail);
  } catch {
    say("The server does not answer. Nothing was changed, as far as this page knows.");
  }
  return null;
}

async function preview(address) {
  const told = await call("DELETE", address);
  return told && `With it go ${told.runs} runs, ${told.tasks} tasks, ${told.events} events and ${told.blobs} blobs (${(told.blob_bytes / 1e6).toFixed(1)} MB) that it made.`;
}

function ask(title, text, prompt, verb) {
  document.getElementById("ask-title").textContent = title;
  document.getElementById("ask-text").textContent = text;
  document.getElementById("ask-yes").textContent = verb.trim();
  const label = document.getElementById("ask-label");
  const input = document.getElementById("ask-input");
  label.hidden = !prompt;
  label.firstElementChild.textContent = prompt ?? "";
  input.value = "";
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes" ? input.value : null), { once: true }));
}

export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { said.textContent = ""; }, 8000);
}
