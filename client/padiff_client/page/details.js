// The pane of one place or one layer: figures, lines of code, elements, settings, pictures.

const HOW = {
  root: "the whole models", pinned: "your layer map", same_path: "the same path", order_and_type: "order and kind",
  content: "what they hold", calls: "their calls", unit: "one unit", ignored: "ignored by your layer map",
};

function badge(meaning, text = meaning.one) {
  return el("span", { class: `badge ${meaning.key}` }, el("i", { "aria-hidden": "true", text: meaning.mark }), text);
}

function glyph(meaning, name, more = "") {
  return el("i", { class: `glyph ${meaning.key} ${more}`, role: "img", "aria-label": name, title: name, text: meaning.mark });
}

/** Returns all that is known of a place. */
function placeDetails(report, place, go) {
  const { row } = place;
  const looked = report.maps[row.id] ?? report.maps[place.local?.id] ?? report.maps[place.accumulated?.id];
  const shown = row.figures ?? place.local?.figures ?? place.accumulated?.figures;
  return [
    el("div", { class: "details-title" }, badge(place.meaning), el("span", { class: "quiet", text: moment(row) })),
    el("h2", { text: placeName(place) }),
    sentencesOf(row),
    probably(row),
    sides(row),
    settingsOf(report, row.reference?.path, row.candidate?.path),
    figuresTable(place),
    looked?.worst?.length ? elements(looked.worst) : shown?.worst?.length && elements(shown.worst.map((one) =>
      [one.index ?? [], `${exact(number(one.reference))}${one.imaginary ? "j" : ""}`, `${exact(number(one.candidate))}${one.imaginary ? "j" : ""}`, number(one.abs_diff)])),
    shown?.histogram.length ? section("How far elements are apart", histogram(shown.histogram)) : null,
    looked ? section("Where they differ", maps(looked)) : noMaps(place),
    findingsOf(report, row),
    facts(row),
    place.line && el("p", {}, el("button", { class: "link", text: "all comparisons of this layer", on: { click: () => go.line(place.line) } })),
  ];
}

function noMaps(place) {
  if (place.meaning.rank !== 0 || !place.row.figures) return null;
  return el("p", { class: "quiet", text: "The tensors of this place are not at hand, so there is no map of where they differ; --keep says which are kept." });
}

function section(title, ...children) {
  return el("section", {}, el("h3", { text: title }), children);
}

function sentencesOf(row) {
  return row.reason && el("p", { class: "why", text: row.reason });
}

function probably(row) {
  if (!row.hints) return null;
  return section("Probably", el("ul", { class: "plain" }, row.hints.map((text) => el("li", { text }))));
}

/** Returns the likely mistake of the first divergence, as the first screen of a terminal has it. */
function likelyOf(likely) {
  const first = likely.causes ?? (likely.operation ? [likely.operation] : likely.patterns);
  const behind = [...(likely.causes && likely.operation ? [likely.operation] : []), ...(first === likely.patterns ? [] : likely.patterns ?? [])];
  if (!first) return likely.is_unknown ? section("Probably", el("p", { text: "no kind of mistake that is known here" })) : null;
  return section("Probably", el("ul", { class: "plain" }, first.map((text) => el("li", { text }))),
    likely.code?.length && el("div", { class: "code" }, likely.code.map((text) => el("code", { text }))),
    behind.length > 0 && el("ul", { class: "plain quiet" }, behind.map((text) => el("li", { text }))));
}

/** `made`: the lines that made the layers, for places that no call made. */
function sides(row, made = {}) {
  return el("div", { class: "sides" }, ["reference", "candidate"].map((side) => {
    const place = row[side];
    if (!place) return el("div", { class: "side" }, el("h3", { text: side }), el("p", { class: "gap-note", text: "has none" }));
    const spec = place.spec && `${place.spec.dtype ?? ""}[${(place.spec.shape ?? []).join(", ")}]`;
    return el("div", { class: "side" },
      el("h3", { text: side }),
      el("p", { class: "path", text: place.path || "the root" }),
      el("p", { class: "quiet" }, [place.class_name, spec, place.call && `call ${place.call}`].filter(Boolean).join(" · ")),
      sourceLine(place.behind, "after"), sourceLine(place.source, place.behind ? "up to" : "called at"), !place.source && sourceLine(made[side], made.of_optimizer ? "optimizer made at" : "made at"));
  }));
}

function sourceLine(source, said) {
  if (!source?.line) return null;
  const where = `${source.file}:${source.line}`;
  return el("div", { class: "code" },
    el("span", { class: "quiet", title: where, text: `${said} ${short(source.file)}:${source.line}${source.function ? ` in ${source.function}` : ""}` }),
    source.text && el("code", { text: source.text.trim() }));
}

function settingsOf(report, reference, candidate) {
  const found = (report.hyper_parameters ?? []).filter((one) => (reference ?? null) === (one.reference_path ?? "") || (candidate ?? null) === (one.candidate_path ?? ""));
  if (!found.length) return null;
  return section("Settings that differ", table(["setting", "reference", "candidate"], found.map((one) => [one.name, one.reference, one.candidate])));
}

const FIGURES = [
  ["relative L2", (row) => small(errorOf(row))],
  ["allowed", (row) => allowedText(row)],
  ["times what is allowed", (row) => (limitOf(row) ? small(errorOf(row) / limitOf(row)) : "")],
  ["rounding here", (row) => (floorOf(row) ? small(floorOf(row)) : "")],
  ["largest difference", (row) => small(row.figures.max_abs)],
  ["cosine", (row) => told(row.figures.cosine)],
  ["scale", (row) => told(row.figures.scale)],
  ["bias", (row) => (row.figures.bias ? small(row.figures.bias) : "")],
  ["mean, reference", (row) => (row.figures.mean_reference ? small(row.figures.mean_reference) : "")],
  ["mean, candidate", (row) => (row.figures.mean_candidate ? small(row.figures.mean_candidate) : "")],
  ["rms, reference", (row) => (row.figures.rms_reference ? small(row.figures.rms_reference) : "")],
  ["elements", (row) => whole(row.figures.elements)],
  ["outside the bounds", (row) => outside(row.figures)],
  ["NaN, reference / candidate", (row) => (row.figures.nan_reference || row.figures.nan_candidate ? `${row.figures.nan_reference} / ${row.figures.nan_candidate}` : "")],
  ["infinities, reference / candidate", (row) => (row.figures.inf_reference || row.figures.inf_candidate ? `${row.figures.inf_reference} / ${row.figures.inf_candidate}` : "")],
];

function told(value) {
  return Number.isNaN(value) ? "" : exact(value);
}

function outside(figures) {
  if (figures.bitwise_equal) return "0 (equal bits)";
  if (figures.is_estimate) return "not known: sketches were compared";
  const share = figures.elements ? (100 * figures.mismatches) / figures.elements : 0;
  return `${whole(figures.mismatches)} (${small(share)}%)`;
}

function allowedText(row) {
  const bound = row.tolerance;
  if (!bound) return "";
  if (!bound.relative_l2 && !bound.atol && !bound.rtol) return "equal bits";
  return bound.relative_l2 ? small(bound.relative_l2) : `${small(bound.atol)} + ${small(bound.rtol)} · |reference|`;
}

function figuresTable(place) {
  const passes = [["on the reference's values", place.local], ["accumulated", place.accumulated]].filter(([, row]) => row?.figures);
  if (!passes.length) return null;
  const heads = passes.length === 2 ? passes.map(([name]) => name) : ["measured"];
  const lines = FIGURES.map(([name, text]) => [name, ...passes.map(([, row]) => text(row))]).filter(([, ...texts]) => texts.some(Boolean));
  return section("Figures", table(["", ...heads], lines));
}

function table(heads, lines) {
  return el("div", { class: "table-frame", tabindex: 0, role: "group", "aria-label": `Table: ${heads.filter(Boolean).join(", ")}` }, el("table", {},
    el("thead", {}, el("tr", {}, heads.map((text) => (text ? el("th", { scope: "col", text }) : el("td"))))),
    el("tbody", {}, lines.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row", text: first }), rest.map((text) => el("td", { text })))))));
}

function elements(worst) {
  return section("Elements furthest apart", table(["index", "reference", "candidate", "difference"],
    worst.map(([index, reference, candidate, apart]) => [`[${index.join(", ")}]`, reference, candidate, small(apart)])));
}

function findingsOf(report, row) {
  const found = (report.findings ?? []).filter((one) => one.step === row.step && one.phase === row.phase
    && ((one.reference?.path ?? "") === (row.reference?.path ?? null) || (one.candidate?.path ?? "") === (row.candidate?.path ?? null)));
  return found.length ? section("Between the layers", found.map(findingText)) : null;
}

function findingText(one) {
  const call = (side) => one[`${side}_call`];
  return [el("p", { text: one.text }), el("div", { class: "sides" }, ["reference", "candidate"].map((side) =>
    el("div", { class: "side" }, el("h3", { text: side }), call(side) ? sourceLine(call(side).source, call(side).function) : el("p", { class: "quiet", text: "no such call" }))))];
}

function facts(row) {
  const decided = { equality: "equal bits, shapes or dtypes", table: "the table of tolerances", sums: "rounding of sums", gold: "a float64 run of the reference", noise: "float64 runs with noise", bounds: "your own bounds" };
  const lines = [
    row.decided_by && ["decided by", decided[row.decided_by] ?? words(row.decided_by)],
    row.rule && ["layout rule", row.rule],
    row.between && ["between", row.between],
    row.from_gold && ["from float64", `reference ${small(row.from_gold.reference)}, candidate ${small(row.from_gold.candidate)}`],
  ].filter(Boolean);
  return lines.length ? section("Judged", table(["", "how"], lines)) : null;
}

/** Returns a layer, how it was paired, and its places. */
function lineDetails(report, line, step, go) {
  const { pair } = line;
  const how = HOW[pair.how] ?? words(pair.how);
  const sure = pair.confidence !== undefined && pair.confidence < 1 ? `, confidence ${small(pair.confidence)}` : "";
  const places = line.places.filter((place) => step === null || place.step === step || BEFORE_STEPS.has(place.row.phase));
  return [
    el("div", { class: "details-title" }, line.own ? badge(line.own) : el("span", { class: "badge none", text: pair.reference && pair.candidate ? "nothing compared here" : "no partner" })),
    el("h2", { text: layerName(pair.reference ?? pair.candidate) }),
    el("p", { class: "why", text: pair.reference && pair.candidate ? `Paired by ${how}${sure}.` : `Only the ${pair.reference ? "reference" : "candidate"} has this layer.` }),
    pair.reason && el("p", { text: pair.reason }),
    sides({ reference: pair.reference, candidate: pair.candidate }),
    settingsOf(report, pair.reference?.path ?? (pair.reference ? "" : undefined), pair.candidate?.path ?? (pair.candidate ? "" : undefined)),
    section(`Comparisons (${places.length})`, places.length ? el("ul", { class: "plain rows" }, places.slice(0, 300).map((place) =>
      el("li", {}, el("button", { class: "row-button", on: { click: () => go.place(place) } },
        badge(place.meaning, `${words(place.row.phase)}${step === null ? ` of step ${place.step}` : ""}: ${place.row.what}`),
        el("span", { class: "figure", text: errorOf(place.local ?? place.accumulated) === null ? "" : small(errorOf(place.local ?? place.accumulated)) }))))) : el("p", { class: "quiet", text: "None in this step." })),
  ];
}
