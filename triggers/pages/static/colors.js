// Colour maps as few stops, for legends. Pictures themselves are coloured by the server.
const RAMPS = {
  viridis: ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"],
  inferno: ["#000004", "#57106e", "#bc3754", "#f98e09", "#fcffa4"],
  magma: ["#000004", "#51127c", "#b73779", "#fc8961", "#fcfdbf"],
  ylorrd: ["#ffffcc", "#fed976", "#fd8d3c", "#e31a1c", "#800026"],
  blues: ["#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"],
  greens: ["#f7fcf5", "#c7e9c0", "#74c476", "#238b45", "#00441b"],
  terrain: ["#333399", "#00b2b2", "#33cc66", "#fdfb96", "#805c54", "#ffffff"],
  spectral: ["#9e0142", "#f46d43", "#ffffbf", "#66c2a5", "#5e4fa2"],
  rdbu: ["#67001f", "#f4a582", "#f7f7f7", "#92c5de", "#053061"],
  gray: ["#000000", "#ffffff"],
};

// Fills a linearGradient; false where nobody knows the colours.
export function ramp(gradient, name) {
  const turned = name?.endsWith("_r");
  const stops = RAMPS[turned ? name.slice(0, -2) : name];
  gradient.replaceChildren();
  if (!stops) return false;
  (turned ? [...stops].reverse() : stops).forEach((color, n, all) => {
    const stop = document.createElementNS(gradient.namespaceURI, "stop");
    stop.setAttribute("offset", n / (all.length - 1));
    stop.setAttribute("stop-color", color);
    gradient.append(stop);
  });
  return true;
}
