// The tabs beside the layers: weights, training, settings, notes, environments, the report as text.

function makeWeights() {
  const list = new LongList({
    name: "Weights", head: ["side", "weight", "fate", "partner", "rule, or why"], choose() {},
    row: (one) => [one.side, [one.path, one.name].filter(Boolean).join("."), words(one.fate), one.partner ?? "", one.reason ?? one.rule ?? ""]
      .map((text) => el("span", { role: "gridcell", text, title: text })),
  });
  list.element.classList.add("weights");
  return list;
}

function fillWeights(list, report) {
  list.fill([...report.weights].sort((a, b) => (a.fate === "placed") - (b.fate === "placed")));
  return list.whole;
}

function trainingPanel(report, step, choose) {
  const found = report.steps ?? [];
  const steps = found.map((one) => one.step);
  const curve = (key, name, field) => ({ key, name, values: found.map((one) => number(one[field] ?? 0)) });
  const losses = [curve("accumulated", "reference", "loss_reference"), curve("local", "candidate", "loss_candidate")];
  const growth = [curve("local", "values", "values_relative_l2"), curve("accumulated", "weights", "weights_relative_l2")];
  return [
    stepCurves({ name: "Loss", steps, curves: losses, chosen: step, choose }),
    stepCurves({ name: "Largest difference of each step (relative L2)", steps, curves: growth, logs: true, chosen: step, choose }),
    table(["step", "passed", "loss, reference", "loss, candidate", "values", "weights"], found.map((one) => [
      String(one.step), one.passed ? "yes" : "no", told(number(one.loss_reference)), told(number(one.loss_candidate)),
      small(number(one.values_relative_l2 ?? 0)), small(number(one.weights_relative_l2 ?? 0))])),
  ];
}

function settingsPanel(report) {
  const layers = (report.hyper_parameters ?? []).map((one) => [
    one.reference_path === one.candidate_path ? one.reference_path || "the root" : `${one.reference_path || "the root"} / ${one.candidate_path || "the root"}`,
    one.name, one.reference, one.candidate]);
  const optimizer = (report.optimizer ?? []).map((one) => [one.name, one.reference, one.candidate, one.convention ? "no setting changes it" : one.parameters?.join(", ") ?? ""]);
  const random = (report.random_operations ?? []).map((one) => [one.side, one.path || "the root", one.name, one.shared ? "shared" : one.reason ?? "not shared"]);
  const alone = (report.unmatched ?? []).map((one) => [
    [one.path || "the root", one.name].filter(Boolean).join("."), `only in the ${one.side}`, one.what, one.counts ? "fails the report" : "", one.reason ?? ""]);
  return [
    layers.length && section("Settings in which paired layers differ", table(["layer", "setting", "reference", "candidate"], layers)),
    optimizer.length && section("Optimizers", table(["setting", "reference", "candidate", "of"], optimizer)),
    alone.length && section("Without a partner", table(["what", "where", "kind", "counts", "why"], alone)),
    random.length && section("Random decisions", table(["side", "layer", "operation", "same on both sides"], random)),
  ].filter(Boolean);
}

function notesPanel(report) {
  const texts = [...(report.reasons ?? []), ...(report.notes ?? [])];
  const raised = [
    ...(report.failures ?? []).map((one) => section(`The ${one.side ?? "model"} raised ${one.exception}: ${one.text}`, el("pre", { tabindex: 0, text: one.traceback }))),
    ...(report.troubles ?? []).map((one) => el("p", { class: "why", text: one.text })),
  ];
  return [...raised, texts.length && el("ul", { class: "notes" }, texts.map((text) => el("li", { text })))].filter(Boolean);
}

function environmentPanel(report) {
  const sides = (report.environments ?? []).map((one) => one.side);
  const line = (name, text) => [name, ...(report.environments ?? []).map((one) => String(text(one) ?? ""))];
  const about = report.environments?.length && section("Environments", table(["", ...sides], [
    line("framework", (one) => `${one.worker.framework} ${one.worker.framework_version}`),
    line("Python", (one) => one.worker.python_version), line("NumPy", (one) => one.worker.numpy_version),
    line("device", (one) => one.device), line("mode", (one) => (one.train ? "train" : "eval")),
    line("seed", (one) => one.seed), line("flags", (one) => one.flags?.join(", ")),
    line("host", (one) => one.worker.host), line("interpreter", (one) => one.worker.executable)]));
  const totals = new Map();
  for (const one of report.timings ?? []) {
    const name = `${words(one.phase)}|${one.side ?? "coordinator"}`;
    totals.set(name, (totals.get(name) ?? 0) + one.seconds);
  }
  const longest = [...totals].sort((a, b) => b[1] - a[1]).slice(0, 14);
  const most = longest[0]?.[1] ?? 1;
  const bars = el("ul", { class: "plain bars" }, longest.map(([name, seconds]) => {
    const [phase, side] = name.split("|");
    return el("li", {}, el("span", { text: `${phase}, ${side}` }), el("i", { class: "meter", "aria-hidden": "true", css: { "--share": `${(100 * seconds) / most}%` } }), el("span", { class: "figure", text: `${seconds.toFixed(1)} s` }));
  }));
  const covered = report.coverage ?? {};
  const coverage = ["tensors", "calls", "parameters", "buffers", "losses"].filter((noun) => covered[`${noun}_total`])
    .map((noun) => [noun, whole(covered[`${noun}_compared`] ?? 0), whole(covered[`${noun}_total`])]);
  return [about, coverage.length && section("Compared", table(["", "compared", "of"], coverage)),
    longest.length && section(`Time (${(report.seconds ?? 0).toFixed(1)} s in all; both sides run at once)`, bars)].filter(Boolean);
}

function textPanel(report) {
  return el("pre", { class: "text", tabindex: 0, "aria-label": "The report as text", text: report.text });
}
