// Files on their way into storage, piece by piece: what is lost on the way is sent again, and each shows how far it is.
import { receive } from "./drop.js";

const box = document.getElementById("send");
const TRIES = 4;

receive(box, document.getElementById("send-files"), sendAll);

async function sendAll(files) {
  let sent = 0;
  for (const file of files) if (await send(file)) sent += 1;
  if (sent) htmx.ajax("GET", location.pathname + location.search, { target: "#here", select: "#here", swap: "outerHTML" });
}

async function send(file) {
  const line = document.createElement("li"), name = document.createElement("span"), bar = document.createElement("progress"), said = document.createElement("span");
  name.textContent = file.name;
  bar.max = 1;
  bar.value = 0;
  bar.ariaLabel = `Upload of ${file.name}`;
  said.className = "dim";
  line.append(name, bar, said);
  document.getElementById("sending").append(line);
  try {
    const upload = await call("POST", "/api/storage/uploads", JSON.stringify({ ref: box.dataset.into + file.name, size: file.size }));
    for (let n = 0; n < upload.count; n++) {
      const piece = file.slice(n * upload.piece_size, (n + 1) * upload.piece_size);
      await stubbornly(() => put(`/api/storage/uploads/${upload.id}/${n}`, piece, (loaded) => { bar.value = (n * upload.piece_size + loaded) / file.size; }));
    }
    const made = await call("POST", `/api/storage/uploads/${upload.id}/complete`, "{}");
    said.textContent = `${made.ref} is there.`;
    return true;
  } catch (error) {
    said.className = "wrong";
    said.textContent = error.message;
    return false;
  } finally {
    bar.remove();
  }
}

async function stubbornly(act) {
  for (let tried = 1; ; tried++) {
    try { return await act(); } catch (error) {
      if (tried === TRIES || error.final) throw error;
      await new Promise((done) => setTimeout(done, 500 * 2 ** tried));
    }
  }
}

function headers() {
  return { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content };
}

async function call(method, to, body) {
  const answer = await fetch(to, { method, headers: headers(), body }).catch(() => { throw new Error("The server does not answer."); });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.errors?.length ? told.errors.map((each) => each.message).join("; ") : told.detail);
  return told;
}

function put(to, piece, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("PUT", to);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onerror = () => failed(new Error("The server does not answer."));
    request.onload = () => {
      if (request.status < 300) return done();
      const error = new Error(JSON.parse(request.responseText).detail);
      error.final = request.status < 500 && request.status !== 429;
      failed(error);
    };
    request.send(piece);
  });
}
