// The page: verdict, charts, layers and comparisons, and the pane of what is chosen.

const STATES = { pass: "PASS", fail: "FAIL", inconclusive: "INCONCLUSIVE", "cut short": "CUT SHORT" };

class Page {
  constructor(report) {
    this.report = report;
    this.layers = readLayers(report);
    this.step = report.divergence?.step ?? report.stepNumbers[0] ?? 0;
    Object.assign(this, { everyStep: false, query: "", phase: "", hidden: new Set(), line: null, place: null, closed: new Set() });
    this.details = el("aside", { class: "details", "aria-label": "Details", tabindex: -1 });
    this.charts = el("section", { class: "charts", "aria-label": "Error against depth" });
    this.tree = this.makeTree();
    this.list = this.makeList();
    this.training = el("div", { class: "stack" });
    this.tabs = this.makeTabs();
    document.body.append(
      this.header(),
      el("main", {},
        this.opening(), this.charts,
        el("div", { class: "work" }, el("div", { class: "left" }, this.tabs.bar, this.toolbar(), this.tabs.panels), this.details)),
    );
    this.fold();
    this.refresh();
    this.follow();
    new ResizeObserver(() => this.charts.clientWidth !== this.drawnWidth && this.drawCharts()).observe(this.charts);
    addEventListener("hashchange", () => this.follow());
    addEventListener("keydown", (event) => this.press(event));
  }

  header() {
    const { report } = this;
    const names = (report.environments ?? []).map((one) => `${one.worker.framework} ${one.worker.framework_version}`);
    const made = report.started_at ? new Date(report.started_at * 1000).toISOString().slice(0, 16).replace("T", " ") : "";
    return el("header", { class: `top ${report.state.replace(" ", "-")}` },
      el("span", { class: "verdict", text: STATES[report.state] }),
      el("h1", { text: report.headline.replace(/^(PASS|FAIL|INCONCLUSIVE)[:,]? ?/, "") || "the models agree" }),
      el("p", { class: "quiet" }, [names.join(" against "), made && `${made} UTC`, report.seconds && `${report.seconds.toFixed(1)} s`].filter(Boolean).join(" · ")),
      el("button", { class: "theme", text: "Dark or light", on: { click: toggleTheme } }));
  }

  /** The first divergence, with what a reader does next; or why there is none. */
  opening() {
    const { report } = this;
    const place = report.divergence;
    const settings = (report.hyper_parameters ?? []).length;
    const counts = MEANINGS.map((one) => [one, report.places.filter((found) => found.meaning.name === one.name).length]).filter(([, n]) => n);
    const next = report.next?.length > 0 && el("div", { class: "next" }, el("h3", { text: "What to do next" }), el("ul", { class: "notes" }, report.next.map((text) => el("li", { text }))));
    const summary = el("p", { class: "counts" }, counts.map(([one, n]) => badge(one, `${whole(n)} ${n === 1 && one.key === "fault" ? "fault" : one.title.toLowerCase()}`)));
    if (!place) {
      const raised = report.failures?.[0]?.source;
      const reasons = (report.reasons ?? []).filter((text) => !report.headline.includes(text));
      return el("section", { class: "opening", "aria-label": "Verdict" }, summary,
        reasons.length > 0 && el("ul", { class: "notes" }, reasons.map((text) => el("li", { text }))),
        raised && el("p", { class: "quiet", text: `${raised.file}:${raised.line}` }), raised?.text && el("pre", { class: "code", text: raised.text }),
        next,
        report.failures?.length > 0 && el("p", {}, el("button", { class: "link", text: "show the traceback", on: { click: () => this.tabs.open("Notes") } })));
    }
    const { row } = place;
    const ratio = limitOf(row) ? errorOf(row) / limitOf(row) : null;
    const floor = floorOf(row);
    const measured = row.figures && [
      ["relative L2", small(errorOf(row))],
      floor ? ["of what rounding does here", times(errorOf(row) / floor)] : ratio ? ["of what is allowed", times(ratio)] : null,
      ["largest difference", small(row.figures.max_abs)],
      Number.isNaN(row.figures.cosine) ? null : ["cosine", String(Number(row.figures.cosine.toPrecision(7)))],
      Number.isNaN(row.figures.scale) ? null : ["scale", String(Number(row.figures.scale.toPrecision(5)))],
    ].filter(Boolean);
    return el("section", { class: "opening", "aria-label": "First divergence" },
      summary,
      el("div", { class: "first" },
        el("div", {}, el("h2", { text: "Where the sides part first" }), el("p", { class: "quiet", text: `${moment(row)}: ${row.what}` }), sides(row)),
        el("div", { class: "evidence" },
          measured && el("dl", { class: "measured" }, measured.map(([name, text]) => el("div", {}, el("dt", { text: name }), el("dd", { text })))),
          row.hints ? probably({ ...row, hints: row.hints.slice(0, 2) }) : row.reason && el("p", { class: "why", text: row.reason }),
          settingsOf(report, row.reference?.path, row.candidate?.path) ?? (settings ? el("p", {}, el("button", { class: "link", text: `${counted(settings, "setting")} of other layers differ`, on: { click: () => this.tabs.open("Settings") } })) : null),
          next,
          el("p", {}, el("button", { class: "primary", text: "Show all of it", on: { click: () => this.choosePlace(place) } })))));
  }

  toolbar() {
    const { report } = this;
    const phases = PHASES.filter((one) => report.places.some((place) => place.row.phase === one));
    this.search = el("input", { type: "search", placeholder: "Search layers, classes, files  ( / )", "aria-label": "Search", on: { input: () => { this.query = this.search.value.trim().toLowerCase(); this.refresh(); } } });
    const phase = el("select", { "aria-label": "Phase", on: { change: () => { this.phase = phase.value; this.refresh(); } } },
      el("option", { value: "", text: "every phase" }), phases.map((one) => el("option", { value: one, text: words(one) })));
    this.chips = MEANINGS.filter((one) => report.places.some((place) => place.meaning.name === one.name)).map((one) =>
      el("button", { class: `chip ${one.key}`, "aria-pressed": "true", on: { click: (event) => this.toggle(one, event.currentTarget) } }, el("i", { "aria-hidden": "true", text: one.mark }), one.title));
    this.only = el("button", { class: "chip only", hidden: true, title: "Show every layer again", on: { click: () => { this.line = null; this.refresh(); } } });
    return el("div", { class: "toolbar", role: "toolbar", "aria-label": "Search and filters" }, this.search, phase, this.steps(), el("div", { class: "chips", role: "group", "aria-label": "Verdicts" }, this.chips, this.only));
  }

  steps() {
    const { stepNumbers } = this.report;
    if (stepNumbers.length < 2) return null;
    this.slider = el("input", { type: "range", min: 0, max: stepNumbers.length - 1, step: 1, "aria-label": "Step", on: { input: () => this.chooseStep(stepNumbers[this.slider.value]) } });
    this.slider.value = stepNumbers.indexOf(this.step);
    this.stepText = el("output", {});
    const every = el("input", { type: "checkbox", on: { change: () => { this.everyStep = every.checked; this.refresh(); } } });
    return el("span", { class: "steps" }, this.slider, this.stepText, el("label", {}, every, "every step"));
  }

  makeTree() {
    const cell = (line, side) => {
      const shown = line[side];
      if (!shown) return el("span", { role: "gridcell", class: "layer gap" }, el("span", { class: "gap-note", css: { "--depth": line.depth }, text: `no partner in the ${side}` }));
      return el("span", { role: "gridcell", class: "layer", css: { "--depth": shown.depth }, title: line.pair[side].path || "the root" },
        side === (line.reference ? "reference" : "candidate") ? this.twist(line) : el("i", { class: "twist" }), el("b", { text: shown.name || "the model" }), el("span", { class: "quiet", text: shown.class_name }));
    };
    const tree = new LongList({
      name: "Layers of both sides", head: ["verdict", "reference", "candidate", "worst error"],
      row: (line) => [
        el("span", { role: "gridcell", class: "state" }, mark(line)),
        cell(line, "reference"), cell(line, "candidate"),
        el("span", { role: "gridcell", class: "figure", text: line.places.length ? small(line.worst) : "" }),
      ],
      choose: (line) => this.chooseLine(line),
      fold: (line, opens) => this.foldLine(line, opens),
      facts: (line) => ({ level: line.depth, open: line.children.length ? !this.closed.has(line) : null }),
    });
    tree.element.classList.add("tree");
    return tree;
  }

  twist(line) {
    if (!line.children.length) return el("i", { class: "twist" });
    return el("i", { class: "twist has", "aria-hidden": "true", text: this.closed.has(line) ? "▸" : "▾", on: { click: (event) => { event.stopPropagation(); this.foldLine(line, this.closed.has(line)); } } });
  }

  makeList() {
    const list = new LongList({
      name: "Comparisons", head: ["verdict", "when", "what", "local", "accumulated", "allowed"],
      row: (place) => [
        el("span", { role: "gridcell", class: "state" }, glyph(place.meaning, place.meaning.one)),
        ...[moment(place.row), placeName(place), figureOf(place.local), figureOf(place.accumulated), allowedText(place.local ?? place.accumulated)]
          .map((text, n) => el("span", { role: "gridcell", class: n > 1 ? "figure" : "", text, title: n === 1 ? text : null })),
      ],
      choose: (place) => this.choosePlace(place),
    });
    list.element.classList.add("comparisons");
    return list;
  }

  makeTabs() {
    const { report } = this;
    const settings = settingsPanel(report), notes = notesPanel(report);
    const made = [
      report.plan?.length && ["Layers", () => this.tree.whole],
      report.places.length && ["Comparisons", () => this.list.whole],
      report.steps?.length && ["Training", () => this.training],
      settings.length && ["Settings", () => el("div", { class: "stack" }, settings)],
      report.weights?.length && ["Weights", () => weightsPanel(report)],
      notes.length && ["Notes", () => el("div", { class: "stack" }, notes)],
      ["Environment", () => el("div", { class: "stack" }, environmentPanel(report))],
      ["Text", () => el("div", { class: "stack" }, textPanel(report))],
    ].filter(Boolean);
    const panels = el("div", { class: "panels" });
    const bar = el("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the report" });
    const entries = made.map(([name, make], n) => {
      const panel = el("div", { role: "tabpanel", id: `panel-${n}`, "aria-labelledby": `tab-${n}`, hidden: true, class: "panel" });
      const tab = el("button", { role: "tab", id: `tab-${n}`, "aria-controls": `panel-${n}`, text: name, on: { click: () => open(name), keydown: (event) => walk(event, n) } });
      bar.append(tab);
      panels.append(panel);
      return { name, make, tab, panel, isMade: false };
    });
    const open = (name) => {
      for (const entry of entries) {
        const chosen = entry.name === name;
        if (chosen && !entry.isMade) { entry.panel.append(entry.make()); entry.isMade = true; }
        entry.panel.hidden = !chosen;
        entry.tab.setAttribute("aria-selected", String(chosen));
        entry.tab.tabIndex = chosen ? 0 : -1;
      }
      document.body.dataset.tab = name;
    };
    const walk = (event, n) => {
      const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: entries.length - 1 }[event.key];
      if (to === undefined) return;
      const entry = entries[(to + entries.length) % entries.length];
      open(entry.name);
      entry.tab.focus();
      event.preventDefault();
    };
    open(entries[0].name);
    return { bar, panels, open };
  }

  /** Closes what is deep in a large model, but on the way to faults. */
  fold() {
    if (this.layers.lines.length < 60) return;
    judgeLayers(this.layers, null);
    const { divergence } = this.report;
    const way = new Set();
    for (let line = divergence?.line; line; line = line.parent) way.add(line);
    for (const line of this.layers.lines) if (line.children.length && line.depth > 0 && !way.has(line)) this.closed.add(line);
  }

  get seenStep() {
    return this.everyStep ? null : this.step;
  }

  /** Draws again what depends on step, search and filters. */
  refresh() {
    const { query, phase, hidden, line } = this;
    judgeLayers(this.layers, this.seenStep);
    const fits = (place) => (!query || place.words.includes(query)) && (!phase || place.row.phase === phase) && !hidden.has(place.meaning.name);
    const inStep = (place) => this.everyStep || place.step === this.step || BEFORE_STEPS.has(place.row.phase);
    const below = line && new Set(descendants(line));
    this.list.fill(this.report.places.filter((place) => fits(place) && inStep(place) && (!below || below.has(place.line))));
    const isFiltered = query || phase || hidden.size;
    const wanted = isFiltered && ((one) => (hidden.size || phase ? one.places.some((place) => inStep(place) && fits(place)) : false) || (query && !hidden.size && !phase && one.words.includes(query)));
    this.tree.fill(shownLines(this.layers, this.closed, wanted || null));
    this.only.hidden = !line;
    this.only.textContent = line ? `only ${layerName(line.pair.reference ?? line.pair.candidate)} ✕` : "";
    if (this.slider) {
      this.stepText.textContent = this.everyStep ? "every step" : `step ${this.step}`;
      this.slider.setAttribute("aria-valuetext", this.stepText.textContent);
    }
    this.training.replaceChildren(...trainingPanel(this.report, this.step, (step) => this.chooseStep(step)).filter(Boolean));
    this.drawCharts();
  }

  drawCharts() {
    const places = this.report.places.filter((place) => place.step === this.step);
    this.drawnWidth = this.charts.clientWidth;
    const width = Math.max(320, this.charts.clientWidth - 34);
    const of = (phase, title) => errorChart({ title, width, places: places.filter((place) => place.row.phase === phase), culprit: this.report.divergence, selected: this.place, choose: (place) => this.choosePlace(place) });
    const step = this.report.stepNumbers.length > 1 ? `, step ${this.step}` : "";
    const drawn = [of("forward", `Forward${step}`), of("backward", `Backward, from the loss${step}`)].filter(Boolean);
    const hasBoth = places.some((place) => place.local && place.accumulated);
    this.charts.replaceChildren(...(drawn.length ? [el("div", { class: "charts-head" }, el("h2", { text: "Error against depth" }), chartLegend(hasBoth)), ...drawn] : []));
    this.charts.classList.toggle("blank", !drawn.length);
  }

  toggle(meaning, chip) {
    const isHidden = this.hidden.has(meaning.name);
    if (isHidden) this.hidden.delete(meaning.name);
    else this.hidden.add(meaning.name);
    chip.setAttribute("aria-pressed", String(isHidden));
    this.refresh();
  }

  foldLine(line, opens) {
    if (!line.children.length || this.closed.has(line) !== opens) {
      const to = opens ? line.children[0] : line.parent;
      if (to) { this.tree.at = this.tree.items.indexOf(to); this.tree.bring(); this.tree.draw(true); }
      return;
    }
    if (opens) this.closed.delete(line);
    else this.closed.add(line);
    this.refresh();
  }

  chooseStep(step) {
    this.step = step;
    if (this.slider) this.slider.value = this.report.stepNumbers.indexOf(step);
    this.refresh();
  }

  chooseLine(line) {
    this.line = line.children.length || line.parent ? line : null;
    this.place = null;
    this.tree.mark(line);
    this.show(lineDetails(this.report, line, this.seenStep, this.go));
    this.refresh();
  }

  choosePlace(place) {
    this.place = place;
    if (place.step !== this.step) this.chooseStep(place.step);
    if (this.line && !descendants(this.line).includes(place.line)) this.line = null;
    for (let line = place.line?.parent; line; line = line.parent) this.closed.delete(line);
    this.refresh();
    this.list.mark(place);
    if (place.line) this.tree.mark(place.line);
    this.show(placeDetails(this.report, place, this.go));
    history.replaceState(null, "", `#row=${place.row.id}`);
  }

  get go() {
    return { place: (place) => this.choosePlace(place), line: (line) => this.chooseLine(line) };
  }

  show(parts) {
    this.details.replaceChildren(...parts.flat().filter(Boolean));
    this.details.scrollTop = 0;
  }

  /** Opens the row that the address names, else the first divergence. */
  follow() {
    const asked = /#row=(\d+)/.exec(location.hash);
    const row = asked && Number(asked[1]);
    const place = asked ? this.report.places.find((one) => one.row.id === row || one.local?.id === row || one.accumulated?.id === row) : this.report.divergence;
    if (place && place !== this.place) this.choosePlace(place);
    else if (!place) this.show([el("p", { class: "quiet", text: "Choose a layer, a comparison or a point of a chart." })]);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    if (event.key === "/") { this.search.focus(); event.preventDefault(); }
    if (event.key === "n" || event.key === "p") this.nextFault(event.key === "n" ? 1 : -1);
  }

  nextFault(way) {
    const faults = this.report.places.filter((place) => place.meaning.rank === 0);
    if (!faults.length) return;
    const at = faults.indexOf(this.place);
    this.choosePlace(faults[(at + way + faults.length) % faults.length]);
  }
}

function mark(line) {
  if (line.own && (!line.below || line.own.rank <= line.below.rank)) return glyph(line.own, line.own.one);
  if (line.below) return glyph(line.below, `below: ${line.below.one}`, "below");
  if (line.own) return glyph(line.own, line.own.one);
  return null;
}

function glyph(meaning, name, more = "") {
  return el("i", { class: `glyph ${meaning.key} ${more}`, role: "img", "aria-label": name, title: name, text: meaning.mark });
}

function figureOf(row) {
  const error = errorOf(row);
  return error === null ? "" : small(error);
}

function descendants(line) {
  const found = [line];
  for (let n = 0; n < found.length; n += 1) found.push(...found[n].children);
  return found;
}

function toggleTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
}

new Page(readContent(document.getElementById("content").textContent));
