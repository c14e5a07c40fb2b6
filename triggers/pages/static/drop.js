// A place that takes files, dropped on it or chosen in it: also those chosen before this listened, on a slow line.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => {
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); // beside it too: no file opens in the page's stead
});

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
  chosen();
}
