// A place that takes files, dropped on it or chosen in it: also those given to it before this listened, on a slow line.
export function receive(place, input, take) {
  const chosen = () => {
    const files = [...input.files];
    input.value = ""; // so that the same file may be chosen again
    if (files.length) take(files);
  };
  for (const name of ["dragenter", "dragover"]) place.addEventListener(name, () => place.classList.add("over"));
  for (const name of ["dragleave", "drop"]) place.addEventListener(name, () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => take([...event.dataTransfer.files]));
  input.addEventListener("change", chosen);
  place.dataset.listens = "";
  chosen();
}
