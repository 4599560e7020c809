// Elements, and numbers as people read them. Text from a model becomes text nodes alone, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Returns an HTML element: `class`, `text`, `on` (listeners), `css` (custom properties), else attributes. */
function el(tag, given = {}, ...children) {
  return furnished(document.createElement(tag), given, children);
}

/** Returns an SVG element, likewise. */
function svg(tag, given = {}, ...children) {
  return furnished(document.createElementNS(SVG, tag), given, children);
}

function furnished(node, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [kind, run] of Object.entries(value)) node.addEventListener(kind, run);
    else if (name === "css") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(3)) if (child || child === 0) node.append(child);
  return node;
}

/** Puts children into a node, unless the same stand there; what was scrolled in it stays scrolled. */
function fill(node, ...children) {
  const fresh = furnished(node.cloneNode(false), {}, children);
  if (fresh.isEqualNode(node)) return;
  const scrolled = (root) => [root, ...root.querySelectorAll(".stack, .list, pre, .table-frame")];
  const places = scrolled(node).map((one) => [one.scrollTop, one.scrollLeft]);
  node.replaceChildren(...fresh.childNodes);
  scrolled(node).forEach((one, n) => { if (places[n]) [one.scrollTop, one.scrollLeft] = places[n]; });
}

/** Puts one child into a node, unless it or one like it stands there; what was scrolled to stays in sight. */
function fillOne(node, child) {
  const before = node.firstElementChild;
  if (child === before || (before && child.isEqualNode(before))) return;
  const top = before?.scrollTop ?? 0;
  node.replaceChildren(child);
  child.scrollTop = top;
}

/** Returns a difference or a share with three digits, as NumPy's `.3g` does. */
function small(value) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "inf" : "-inf";
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -4 || exponent >= 6) return value.toExponential(2).replace(/\.?0+e/, "e").replace(/e([+-])(\d)$/, "e$10$2");
  return String(Number(value.toPrecision(3)));
}

/** Returns a value with as many digits as a float32 has. */
function exact(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(9))) : small(value);
}

/** Returns a whole number with its thousands apart. */
function whole(value) {
  return value.toLocaleString("en");
}

function counted(number, noun, several = `${noun}s`) {
  return `${whole(number)} ${number === 1 ? noun : several}`;
}

/** Returns how many times over what was allowed: "5,458 times". */
function times(ratio) {
  return `${ratio >= 100 ? whole(Math.round(ratio)) : small(ratio)} times`;
}

/** Returns a word of the contract as text. */
function words(word) {
  return String(word ?? "").replaceAll("_", " ");
}

/** Returns JSON's stand-ins for what it has no number for as numbers. */
function number(value) {
  return typeof value === "string" ? Number({ inf: "Infinity", "-inf": "-Infinity" }[value] ?? "NaN") : value;
}

/** Returns the last two folders and the name of a file: enough to know it, whole in its title. */
function short(file) {
  const parts = String(file).split("/");
  return parts.length > 3 ? `…/${parts.slice(-3).join("/")}` : file;
}

/** Returns seconds as people say them. */
function duration(seconds) {
  if (!seconds) return "";
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Returns a time of day as the reader's clock shows it. */
function localTime(secondsOfEpoch) {
  const at = new Date(secondsOfEpoch * 1000);
  const two = (value) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** Returns what the document holds for its scripts. */
function shownContent() {
  return JSON.parse(document.getElementById("content").textContent);
}

/** Returns a button that changes between dark and light; until then colours follow the system. */
function themeButton() {
  return el("button", { class: "theme", text: "Dark or light", on: { click: toggleTheme } });
}

function toggleTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
}
