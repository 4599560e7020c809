// The report: rows and places as objects, from the columns that padiff_client/page_content.py writes.

const PHASES = [
  "connect", "load", "trace", "inputs", "initial_weights", "forward", "loss", "backward", "gradients",
  "optimizer", "weights",
];
const BEFORE_STEPS = new Set(["connect", "load", "trace", "initial_weights"]);

// What a place came to, gravest first: its name, a mark that needs no colour, and how the page says it.
const MEANINGS = [
  { name: "a fault", key: "fault", mark: "✕", title: "Faults", one: "fault" },
  { name: "cannot be told", key: "untold", mark: "?", title: "Inconclusive", one: "cannot be told" },
  { name: "accumulation", key: "drift", mark: "▲", title: "Accumulated", one: "differs by accumulation alone" },
  { name: "not judged here", key: "elsewhere", mark: "△", title: "Judged elsewhere", one: "not judged here" },
  { name: "agrees", key: "agrees", mark: "●", title: "Agree", one: "agrees" },
  { name: "not compared", key: "none", mark: "○", title: "Not compared", one: "not compared" },
];
const BY_NAME = new Map(MEANINGS.map((one, rank) => [one.name, { ...one, rank }]));

/**
 * Returns the report with its rows as objects, each with its figures by name, and places in order.
 * `before`: the report as it was, of which `content` tells what is new. Its rows and places stay the objects
 * that they were, so that whatever is open or chosen stays so.
 */
function readContent(content, before = null) {
  for (const name of content.unchanged ?? []) content.report[name] = before[name];
  const shared = new Set(content.shared);
  const parts = before ? [...before.parts, ...content.parts] : content.parts;
  const first = before ? before.rows.length : 0;
  const more = content.rows.map((values, n) => {
    const row = { id: first + n };
    content.columns.forEach((name, column) => {
      const value = values[column] ?? null;
      row[name] = value !== null && shared.has(name) ? parts[value] : value;
    });
    row.counts = row.counts === null;
    row.figures = row.figures && readFigures(row.figures, content.figures);
    return row;
  });
  const rows = before ? [...before.rows, ...more] : more;
  const known = new Map((before?.places ?? []).flatMap((one) => [one.accumulated, one.local].filter(Boolean).map((row) => [row.id, one])));
  const places = content.places.map(([accumulated, local, telling, meaning]) => {
    const row = rows[telling];
    return Object.assign(known.get(accumulated) ?? known.get(local) ?? {}, {
      row,
      accumulated: accumulated === null ? null : rows[accumulated],
      local: local === null ? null : rows[local],
      meaning: BY_NAME.get(meaning),
      step: row.step,
      path: (row.reference ?? row.candidate)?.path ?? "",
      words: searchable(row),
    });
  });
  places.sort((a, b) => a.step - b.step || phaseRank(a) - phaseRank(b) || a.row.order - b.row.order);
  const divergence = places.find((one) => one.local?.id === content.divergence || one.accumulated?.id === content.divergence);
  const steps = [...new Set(places.map((one) => one.step))];
  return { ...content.report, ...content, parts, rows, places, divergence: divergence ?? null, stepNumbers: steps };
}

function readFigures(values, names) {
  const figures = {};
  names.forEach((name, column) => {
    const value = values[column];
    figures[name] = typeof value === "string" ? number(value) : value ?? 0;
  });
  for (const name of ["worst", "histogram", "first_nonfinite"]) figures[name] ||= [];
  for (const name of ["cosine", "scale"]) figures[name] ||= NaN;
  return figures;
}

function phaseRank(place) {
  return PHASES.indexOf(place.row.phase);
}

function searchable(row) {
  const sides = [row.reference, row.candidate].filter(Boolean);
  return [row.what, row.phase, ...sides.flatMap((side) => [side.path || "the root", side.class_name, side.source?.file])]
    .join(" ").toLowerCase();
}

/** Returns a headline without the verdict, which stands beside it. */
function withoutVerdict(headline) {
  return headline.replace(/^(PASS|FAIL|INCONCLUSIVE|RUNNING)[:,]? ?(cut short: )?/, "") || "the models agree";
}

/** Returns how far a row's tensors are apart, relative L2; null where they were not measured. */
function errorOf(row) {
  return row?.figures ? row.figures.relative_l2 : null;
}

/** Returns the relative L2 that was allowed; null where another bound decided. */
function limitOf(row) {
  return row?.tolerance?.relative_l2 || null;
}

/** Returns what rounding does at a place, where the reference ran in float64; else null. */
function floorOf(row) {
  const told = row?.reasons?.find((one) => one.cause.endsWith("_own_error"));
  return told && errorOf(row) ? errorOf(row) / number(told.numbers[0]) : null;
}

/** Returns "forward of step 0"; what comes before the steps stands alone. */
function moment(row) {
  return BEFORE_STEPS.has(row.phase) ? words(row.phase) : `${words(row.phase)} of step ${row.step}`;
}

/** Returns a layer with its class. */
function layerName(side) {
  if (!side) return "–";
  return `${side.path || "the root"}${side.class_name ? ` (${side.class_name})` : ""}`;
}

/** Returns "output 0 of encoder.norm". */
function placeName(place) {
  const { row } = place;
  const path = place.path || (row.reference ?? row.candidate ? "the root" : "");
  return row.phase === "loss" || !path ? row.what : `${row.what} of ${path}`;
}
