// Small pictures: a histogram of differences, maps of where they lie, curves over the steps.

/** Returns a histogram of a row's differences, in roundings of the dtype. */
function histogram(counts) {
  const bins = Array.from({ length: 40 }, (_, n) => counts[n] ?? 0);
  const most = Math.max(...bins);
  const total = bins.reduce((sum, one) => sum + one, 0);
  if (!total) return null;
  const width = 400, height = 90, step = width / bins.length;
  const bars = bins.map((count, n) => {
    const tall = count ? 3 + (Math.log1p(count) / Math.log1p(most)) * (height - 3) : 0;
    const kind = n - 8 > 4 ? "bar far" : "bar";
    return svg("rect", { class: kind, x: n * step + 0.5, y: height - tall, width: step - 1, height: tall });
  });
  const ticks = [-8, 0, 8, 16, 24].map((power) =>
    svg("text", { class: "tick", x: power < -4 ? 0 : (power + 8) * step + step / 2, y: height + 13, "text-anchor": power < -4 ? "start" : "middle", text: powerOfTwo(power) }));
  const highest = bins.length - 1 - [...bins].reverse().findIndex(Boolean);
  const name = `Histogram of ${counted(total, "difference")}, in roundings: the furthest are about ${powerOfTwo(highest - 8)}`;
  return el("figure", { class: "drawing" },
    svg("svg", { viewBox: `0 0 ${width} ${height + 18}`, role: "img", "aria-label": name }, bars, ticks),
    el("figcaption", { class: "quiet", text: "elements by their difference, in roundings of the element (bars grow by the logarithm)" }));
}

function powerOfTwo(power) {
  if (power <= -8) return "≤ 0.004";
  return power < 0 ? `1/${2 ** -power}` : whole(2 ** power);
}

/** Returns where two tensors differ: along each axis, and over pairs of axes. */
function maps(found) {
  const shape = `[${found.shape.join(", ")}]`;
  const note = `largest difference over the other axes of ${shape}; darkest: ${small(found.largest)}, a third as dark: a hundredth of it`;
  const along = found.along.map(({ axis, levels }) =>
    el("figure", { class: "drawing" },
      el("figcaption", { text: `along axis ${axis} (${counted(found.shape[axis], "index", "indices")})` }),
      cells([levels], `Difference along axis ${axis}: ${unevenness(levels)}`, 14)));
  const over = found.over.map(({ axes: [row, column], levels }) =>
    el("figure", { class: "drawing" },
      el("figcaption", { text: `axis ${row} (down) over axis ${column} (across)` }),
      cells(levels, `Heat map of the difference over axes ${row} and ${column}`, null)));
  return el("div", {}, along, el("div", { class: "maps" }, over), el("p", { class: "quiet", text: note }));
}

function unevenness(levels) {
  const most = Math.max(...levels), least = Math.min(...levels);
  const place = levels.indexOf(most);
  return most - least < 12 ? "even" : `strongest at ${place} of ${levels.length} cells`;
}

function cells(levels, name, tall) {
  const columns = levels[0].length, rows = levels.length;
  const width = 400, w = width / columns, h = tall ?? Math.max(3, Math.min(w, 320 / rows));
  const drawn = levels.flatMap((line, r) => line.map((level, c) =>
    level ? svg("rect", { class: "heat", x: (c * w).toFixed(2), y: (r * h).toFixed(2), width: (w + 0.3).toFixed(2), height: (h + 0.3).toFixed(2), "fill-opacity": (level / 99).toFixed(2) }) : null));
  return svg("svg", { class: "cells", viewBox: `0 0 ${width} ${(rows * h).toFixed(1)}`, role: "img", "aria-label": name },
    svg("rect", { class: "cells-ground", width, height: rows * h }), drawn);
}

/** Returns curves over the steps; each of `curves` has a class, a name and a value per step. */
function stepCurves({ name, steps, curves, logs, chosen, choose }) {
  const width = 640, height = 200, left = 62, bottom = 24, top = 10;
  const usable = (value) => Number.isFinite(value) && (!logs || value > 0);
  const values = curves.flatMap((curve) => curve.values.filter(usable));
  if (!values.length) return null;
  const told = logs ? values.map(Math.log10) : values;
  let low = Math.min(...told), high = Math.max(...told);
  if (high - low < 1e-12) { low -= logs ? 1 : Math.abs(low) * 0.01 + 1e-6; high += logs ? 1 : Math.abs(high) * 0.01 + 1e-6; }
  const x = (n) => left + (steps.length < 2 ? 0.5 : n / (steps.length - 1)) * (width - left - 14);
  const y = (value) => top + (1 - ((logs ? Math.log10(value) : value) - low) / (high - low)) * (height - top - bottom);
  const lines = curves.map((curve) => {
    const points = curve.values.map((value, n) => (usable(value) ? `${x(n).toFixed(1)},${y(value).toFixed(1)}` : null)).filter(Boolean);
    return [svg("polyline", { class: `line ${curve.key}`, points: points.join(" ") }),
      steps.length < 60 && points.map((point) => svg("circle", { class: `bead ${curve.key}`, cx: point.split(",")[0], cy: point.split(",")[1], r: 2.5 }))];
  });
  const ticks = [0, 0.5, 1].map((share) => {
    const value = low + share * (high - low);
    const at = top + (1 - share) * (height - top - bottom);
    return [svg("line", { class: "rule", x1: left, x2: width - 14, y1: at, y2: at }),
      svg("text", { class: "tick", x: left - 6, y: at + 3, "text-anchor": "end", text: small(logs ? 10 ** value : value) })];
  });
  const every = Math.max(1, Math.ceil(steps.length / 12));
  const names = steps.map((step, n) => n % every === 0 && svg("text", { class: "tick", x: x(n), y: height - 6, "text-anchor": "middle", text: step }));
  const mark = steps.indexOf(chosen);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name },
    ticks, names, mark >= 0 && svg("line", { class: "cursor", x1: x(mark), x2: x(mark), y1: top, y2: height - bottom }), lines);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    const inside = ((event.clientX - box.left) / box.width) * width;
    choose(steps[Math.min(steps.length - 1, Math.max(0, Math.round(((inside - left) / (width - left - 14)) * (steps.length - 1))))]);
  });
  const legend = curves.map((curve) => el("span", { class: "key" }, el("i", { class: `swatch ${curve.key}`, "aria-hidden": "true" }), curve.name));
  return el("figure", { class: "drawing" }, el("figcaption", {}, el("b", { text: name }), el("span", { class: "legend" }, legend)), picture);
}
