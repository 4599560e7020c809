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
