// Both models' layers as one list of lines: pairs beside each other, and a gap where one side has none.

/**
 * Returns the lines in execution order, each with its depth on either side, its children and its places.
 * `before`: the layers as they were; their lines stay the objects that they were.
 */
function readLayers(report, before = null) {
  const lines = [];
  const same = new Map((before?.lines ?? []).map((line) => [lineKey(line.pair), line]));
  const known = { reference: new Map(), candidate: new Map() };
  for (const pair of report.plan ?? []) {
    const line = Object.assign(same.get(lineKey(pair)) ?? {}, { id: lines.length, pair, children: [], places: [], parent: null });
    for (const side of ["reference", "candidate"]) {
      if (pair[side]) known[side].set(pair[side].path ?? "", line);
    }
    lines.push(line);
  }
  for (const line of lines) {
    const side = line.pair.reference ? "reference" : "candidate";
    const { line: parent } = around(line.pair[side].path ?? "", known[side]);
    if (parent && parent !== line) {
      line.parent = parent;
      parent.children.push(line);
    }
    for (const each of ["reference", "candidate"]) describe(line, each, known[each]);
    line.words = ["reference", "candidate"]
      .flatMap((each) => (line.pair[each] ? [line.pair[each].path || "the root", line.pair[each].class_name] : []))
      .join(" ").toLowerCase();
  }
  const roots = lines.filter((line) => !line.parent);
  for (const root of roots) deepen(root, 0);
  for (const place of report.places) {
    const { reference, candidate } = place.row;
    const line = reference ? known.reference.get(reference.path ?? "") : candidate && known.candidate.get(candidate.path ?? "");
    if (line && place.row.phase !== "loss") line.places.push(place);
    place.line = line ?? null;
  }
  return { lines, roots };
}

function lineKey({ reference, candidate }) {
  return JSON.stringify([reference && (reference.path ?? ""), candidate && (candidate.path ?? "")]);
}

/** Returns the layer that holds a path, and the path's name below it. */
function around(path, known) {
  let above = path;
  while (above) {
    above = above.slice(0, Math.max(0, above.lastIndexOf(".")));
    if (known.has(above)) return { line: known.get(above), name: above ? path.slice(above.length + 1) : path };
  }
  return { line: null, name: path };
}

function describe(line, side, known) {
  const place = line.pair[side];
  if (!place) return;
  const path = place.path ?? "";
  let depth = 0;
  for (let above = around(path, known); above.line; above = around(above.line.pair[side].path ?? "", known)) depth += 1;
  line[side] = { depth, name: path ? around(path, known).name : "", class_name: place.class_name ?? "" };
}

function deepen(root, start) {
  const open = [[root, start]];
  while (open.length) {
    const [line, depth] = open.pop();
    line.depth = depth;
    for (const child of line.children) open.push([child, depth + 1]);
  }
}

/** Writes into each line what it came to in a step, and the gravest below it; `step` null: in all steps. */
function judgeLayers(layers, step) {
  for (const line of layers.lines) {
    const seen = line.places.filter((place) => step === null || place.step === step || BEFORE_STEPS.has(place.row.phase));
    line.own = gravest(seen.map((place) => place.meaning));
    line.worst = seen.reduce((worst, place) => Math.max(worst, errorOf(place.local ?? place.accumulated) ?? 0), 0);
    line.below = null;
  }
  for (const line of [...layers.lines].sort((a, b) => b.depth - a.depth)) {
    const below = gravest(line.children.flatMap((child) => [child.own, child.below]));
    line.below = below && below.rank < 4 ? below : null;
  }
}

function gravest(meanings) {
  return meanings.reduce((worst, one) => (one && (!worst || one.rank < worst.rank) ? one : worst), null);
}

/** Returns the lines to show: those whose parents are open, or that were searched for, with what holds them. */
function shownLines(layers, closed, wanted) {
  const kept = wanted && new Set();
  if (wanted) {
    for (const line of layers.lines) {
      if (!wanted(line)) continue;
      for (let one = line; one && !kept.has(one); one = one.parent) kept.add(one);
    }
  }
  const shown = [];
  const open = [...layers.roots].reverse();
  while (open.length) {
    const line = open.pop();
    if (kept && !kept.has(line)) continue;
    shown.push(line);
    if (kept || !closed.has(line)) for (let n = line.children.length - 1; n >= 0; n -= 1) open.push(line.children[n]);
  }
  return shown;
}
