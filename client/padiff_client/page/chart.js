// Error against depth: how far each place of a pass is apart, in execution order.

const HEIGHT = 180, LEFT = 46, RIGHT = 8, TOP = 12, BOTTOM = 22;
// What a layer makes in a pass; what it is given was made by another.
const MADE = new Set(["output", "input_gradient"]);

/**
 * Returns a figure of a phase of a step, so many pixels wide: what layers made, and whatever is at fault.
 * `choose(place)`: a point was clicked, or Enter pressed on it.
 */
function errorChart({ title, places, width, culprit, selected, choose }) {
  const drawn = places.filter((place) => isMeasured(place) && (MADE.has(place.row.kind) || place.meaning.rank === 0 || place === selected));
  if (!drawn.length) return null;
  const scale = scaleOf(drawn);
  const x = (n) => LEFT + ((n + 0.5) / drawn.length) * (width - LEFT - RIGHT);
  const marks = drawn.map((place, n) => ({ place, n, x: x(n), y: scale.y(errorOf(place.local ?? place.accumulated) ?? 0) }));
  const cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const picture = svg(
    "svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": summaryOf(title, drawn) },
    bands(drawn, x), axis(scale, width),
    line("limit", drawn, x, scale.y, (place) => limitOf(place.local ?? place.accumulated)),
    line("accumulated", drawn, x, scale.y, (place) => errorOf(place.accumulated)),
    line("local", drawn, x, scale.y, (place) => errorOf(place.local)),
    drawn.length < 40 && ["accumulated", "local"].map((pass) => drawn.map((place, n) => bead(pass, place, x(n), scale.y))),
    drawn.map((place, n) => floorMark(place, x(n), scale.y)),
    marks.filter(({ place }) => place.meaning.rank < 2).map(({ place, x: cx, y: cy }) => svg("circle", { class: `dot ${place.meaning.key}`, cx, cy, r: 4 })),
    marks.filter(({ place }) => place === culprit).map((mark) => flag(mark, width)),
    marks.filter(({ place }) => place === selected).map(({ x: cx, y: cy }) => svg("circle", { class: "dot-selected", cx, cy, r: 7 })),
    cursor,
  );
  const tip = el("output", { class: "tip", hidden: true });
  const track = el("div", {
    class: "chart-track", tabindex: 0, role: "slider", "aria-label": `${title}: places in execution order`,
    "aria-valuemin": 1, "aria-valuemax": drawn.length,
  }, picture, tip);
  let at = Math.max(0, drawn.findIndex((place) => place === (selected ?? culprit)));
  const point = (n, shows = true) => {
    at = Math.min(drawn.length - 1, Math.max(0, n));
    const { place, x: left } = marks[at];
    track.setAttribute("aria-valuenow", at + 1);
    track.setAttribute("aria-valuetext", tipText(place));
    if (!shows) return;
    cursor.setAttribute("x1", left);
    cursor.setAttribute("x2", left);
    cursor.setAttribute("visibility", "visible");
    tip.textContent = tipText(place);
    tip.hidden = false;
    tip.dataset.side = left > width / 2 ? "left" : "right";
    tip.style.setProperty("--x", `${(left / width) * 100}%`);
  };
  const leave = () => { tip.hidden = true; cursor.setAttribute("visibility", "hidden"); };
  point(at, false);
  const nearest = (event) => {
    const box = track.getBoundingClientRect();
    return Math.round(((event.clientX - box.left - LEFT) / (width - LEFT - RIGHT)) * drawn.length - 0.5);
  };
  track.addEventListener("pointermove", (event) => point(nearest(event)));
  track.addEventListener("pointerleave", leave);
  track.addEventListener("blur", leave);
  track.addEventListener("click", (event) => { point(nearest(event)); choose(drawn[at]); });
  track.addEventListener("keydown", (event) => {
    const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 20, PageDown: -20, Home: -1e9, End: 1e9 };
    if (event.key in moves) point(at + moves[event.key]);
    else if (event.key === "Enter" || event.key === " ") choose(drawn[at]);
    else return;
    event.preventDefault();
  });
  return el("figure", { class: "chart" }, el("figcaption", {}, el("b", { text: title }), ` ${counted(drawn.length, "place")}`), track);
}

function isMeasured(place) {
  return errorOf(place.local) !== null || errorOf(place.accumulated) !== null;
}

function tipText(place) {
  const parts = [placeName(place)];
  if (errorOf(place.local) !== null) parts.push(`on the reference's values ${small(errorOf(place.local))}`);
  if (errorOf(place.accumulated) !== null) parts.push(`${place.local ? "accumulated " : ""}${small(errorOf(place.accumulated))}`);
  const limit = limitOf(place.local ?? place.accumulated);
  if (limit) parts.push(`allowed ${small(limit)}`);
  return `${parts.join(", ")}: ${place.meaning.one}`;
}

function summaryOf(title, drawn) {
  const faults = drawn.filter((place) => place.meaning.rank === 0);
  const largest = drawn.reduce((best, one) => ((errorOf(one.row) ?? 0) > (errorOf(best.row) ?? 0) ? one : best));
  const start = `${title}: relative L2 error of ${counted(drawn.length, "place")} in execution order`;
  const rest = faults.length ? `; ${counted(faults.length, "fault")}, the first at ${placeName(faults[0])}` : "; no fault";
  return `${start}; the largest is ${small(errorOf(largest.row) ?? 0)} at ${placeName(largest)}${rest}`;
}

/** Returns the scale of the errors, by decades; what is exactly equal lies on the ground. */
function scaleOf(drawn) {
  let least = Infinity, most = 0;
  for (const place of drawn) {
    const row = place.local ?? place.accumulated;
    for (const value of [errorOf(place.local), errorOf(place.accumulated), limitOf(row)]) {
      if (!value || !Number.isFinite(value)) continue;
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
  }
  const top = most ? Math.ceil(Math.log10(most) + 0.15) : 0;
  const bottom = Math.min(top - 2, most ? Math.max(Math.floor(Math.log10(least)), top - 14) : -2);
  const room = HEIGHT - TOP - BOTTOM - 10;
  const y = (value) => {
    if (!value) return HEIGHT - BOTTOM;
    const log = Number.isFinite(value) ? Math.log10(value) : top;
    return TOP + Math.min(1, Math.max(0, (top - log) / (top - bottom))) * room;
  };
  return { top, bottom, y };
}

function axis({ top, bottom, y }, width) {
  const every = Math.ceil((top - bottom) / 5);
  const lines = [svg("line", { class: "ground", x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM })];
  for (let decade = top; decade >= bottom; decade -= every) {
    const at = y(10 ** decade);
    lines.push(svg("line", { class: "rule", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
    lines.push(svg("text", { class: "tick", x: LEFT - 6, y: at + 3, "text-anchor": "end", text: decade === 0 ? "1" : `1e${decade}` }));
  }
  lines.push(svg("text", { class: "tick", x: LEFT - 6, y: HEIGHT - BOTTOM + 3, "text-anchor": "end", text: "0" }));
  return lines;
}

/** Returns the blocks of the model that the depths belong to, every other one shaded. */
function bands(drawn, x) {
  const block = (place) => place.path.split(".").slice(0, 1)[0];
  const runs = [];
  drawn.forEach((place, n) => {
    const name = block(place);
    const last = runs[runs.length - 1];
    if (last && last.name === name) last.end = n;
    else runs.push({ name, start: n, end: n });
  });
  const half = (x(1) - x(0)) / 2 || 0;
  const told = [];
  runs.forEach((run, number) => {
    const from = x(run.start) - half, to = x(run.end) + half;
    if (number % 2) told.push(svg("rect", { class: "band", x: from, y: TOP, width: to - from, height: HEIGHT - TOP - BOTTOM }));
    const fits = Math.floor((to - from) / 6.5);
    if (run.name && fits >= Math.min(4, run.name.length)) {
      const text = run.name.length > fits ? `${run.name.slice(0, fits - 1)}…` : run.name;
      told.push(svg("text", { class: "tick", x: (from + to) / 2, y: HEIGHT - 7, "text-anchor": "middle", text }));
    }
  });
  return told;
}

/** Returns a line through what `value` says of each place; of thousands, the highest and lowest of each pixel. */
function line(name, drawn, x, y, value) {
  let path = "", pen = "M", column = -1, high = 0, low = 0;
  const flush = () => {
    if (column < 0) return;
    path += `${pen}${column.toFixed(1)} ${high.toFixed(1)}`;
    if (low - high > 0.5) path += `L${column.toFixed(1)} ${low.toFixed(1)}`;
    pen = "L";
    column = -1;
  };
  drawn.forEach((place, n) => {
    const found = value(place);
    if (found === null || Number.isNaN(found)) return;
    const at = drawn.length > 800 ? Math.round(x(n)) : x(n);
    const level = y(found);
    if (at !== column) { flush(); column = at; high = level; low = level; }
    else { high = Math.min(high, level); low = Math.max(low, level); }
  });
  flush();
  return path && svg("path", { class: `line ${name}`, d: path });
}

/** Returns a point: of few places, a line alone shows none, or does not show where they are. */
function bead(pass, place, x, y) {
  const error = errorOf(place[pass]);
  return error !== null && svg("circle", { class: `bead ${pass}`, cx: x, cy: y(error), r: 2.5 });
}

function floorMark(place, x, y) {
  const floor = floorOf(place.local ?? place.accumulated);
  return floor && svg("line", { class: "floor", x1: x - 4, x2: x + 4, y1: y(floor), y2: y(floor) });
}

function flag({ place, x, y }, width) {
  const flips = x > width * 0.62;
  return svg("g", { class: "flag" },
    svg("line", { x1: x, x2: x, y1: TOP - 6, y2: HEIGHT - BOTTOM }),
    svg("circle", { cx: x, cy: y, r: 5 }),
    svg("text", { x: flips ? x - 8 : x + 8, y: TOP + 2, "text-anchor": flips ? "end" : "start", text: `first: ${placeName(place)}` }));
}

/** Returns what the lines and marks of the charts mean. */
function chartLegend(hasBoth) {
  const entry = (name, text) => el("span", { class: "key" }, el("i", { class: `swatch ${name}`, "aria-hidden": "true" }), text);
  return el("div", { class: "legend" },
    hasBoth ? [entry("local", "on the reference's own values"), entry("accumulated", "accumulated on the candidate's own")] : entry("accumulated", "measured"),
    entry("limit", "allowed"), entry("floor", "rounding, measured in float64"), entry("fault", "fault"));
}
