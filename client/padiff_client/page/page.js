// The page: verdict, charts, layers and comparisons, and the pane of what is chosen.

// The cosine above which one side is a multiple of the other, roughly.
const ALIKE = 0.99;

class Page {
  /** `address`: of the run's page, where a server shows it; else null. */
  constructor(report, address = null) {
    this.report = report;
    this.address = address;
    this.layers = readLayers(report);
    this.step = report.divergence?.step ?? report.stepNumbers[0] ?? 0;
    Object.assign(this, { everyStep: false, query: "", phase: "", hidden: new Set(), line: null, place: null, closed: new Set(), isTouched: false });
    this.top = this.makeTop();
    this.opening = el("section", { class: "opening" });
    this.details = el("aside", { class: "details", "aria-label": "Details", tabindex: -1 });
    this.charts = el("section", { class: "charts", "aria-label": "Error against depth" });
    this.tree = this.makeTree();
    this.list = this.makeList();
    this.training = el("div", { class: "stack" });
    this.tabs = this.makeTabs();
    document.body.append(
      this.top.element,
      el("main", {},
        this.opening, this.charts,
        el("div", { class: "work" }, el("div", { class: "left" }, this.tabs.bar, this.toolbar(), this.tabs.panels), this.details)),
    );
    this.fold();
    this.draw();
    this.follow();
    for (const kind of ["pointerleave", "focusout"]) this.charts.addEventListener(kind, () => this.isLagging && this.drawCharts());
    new ResizeObserver(() => this.charts.clientWidth !== this.drawnWidth && this.drawCharts()).observe(this.charts);
    addEventListener("hashchange", () => this.follow());
    addEventListener("keydown", (event) => this.press(event));
  }

  /** Shows what has joined the report; what is open, chosen, searched and scrolled to stays so. */
  renew(content) {
    const hadLines = this.layers.lines.length > 0;
    this.report = readContent(content, this.report);
    this.layers = readLayers(this.report, this.layers);
    const { divergence, stepNumbers } = this.report;
    if (!hadLines) this.fold();
    // Who has chosen nothing yet follows the newest step, until something differs.
    if (!this.isTouched && !divergence && stepNumbers.length) this.step = stepNumbers[stepNumbers.length - 1];
    document.title = this.report.headline;
    this.draw();
    if (!this.isTouched && divergence && divergence !== this.place) {
      this.choosePlace(divergence);
      this.isTouched = false;
    } else if (!this.details.contains(document.activeElement)) this.showChosen();
  }

  /** Draws everything; of the charts nothing changes under a pointer that is on them. */
  draw() {
    this.top.fill();
    this.fillOpening();
    this.fillToolbar();
    this.tabs.fill();
    this.refresh(true);
  }

  makeTop() {
    const verdict = el("span", { class: "verdict", role: "status" });
    const title = el("h1"), made = el("p", { class: "quiet" });
    const element = el("header", { class: "top" }, this.address && el("a", { class: "back", href: "/", text: "Kept runs" }), verdict, title, made, themeButton());
    return { element, fill: () => this.fillTop(element, verdict, title, made) };
  }

  fillTop(element, verdict, title, told) {
    const { report } = this;
    const names = (report.environments ?? []).map((one) => `${one.worker.framework} ${one.worker.framework_version}`);
    const made = report.started_at ? new Date(report.started_at * 1000).toISOString().slice(0, 16).replace("T", " ") : "";
    const seconds = report.state === "running" && report.started_at ? Math.max(0, Date.now() / 1000 - report.started_at) : report.seconds;
    element.className = `top ${report.state.replace(" ", "-")}`;
    fill(verdict, report.state.toUpperCase());
    fill(title, withoutVerdict(report.headline));
    fill(told, [names.join(" against "), made && `${made} UTC`, duration(seconds)].filter(Boolean).join(" · "));
  }

  /** The first divergence, with what a reader does next; or why there is none. */
  fillOpening() {
    const { report } = this;
    const place = report.divergence;
    this.opening.setAttribute("aria-label", place ? "First divergence" : "Verdict");
    const settings = (report.hyper_parameters ?? []).length;
    const counts = MEANINGS.map((one) => [one, report.places.filter((found) => found.meaning.name === one.name).length]).filter(([, n]) => n);
    const next = report.next?.length > 0 && el("div", { class: "next" }, el("h3", { text: "What to do next" }), el("ul", { class: "notes" }, report.next.map((text) => el("li", { text }))));
    const summary = el("p", { class: "counts" }, counts.map(([one, n]) => badge(one, one.key === "fault" ? counted(n, "place differs", "places differ") : `${whole(n)} ${one.title.toLowerCase()}`)));
    if (!place) {
      const raised = report.failures?.[0]?.source;
      // What a comparison that goes on has not compared yet is no reason for anything.
      const isRunning = report.state === "running";
      const reasons = isRunning ? [] : report.unsaid.filter((text) => !report.headline.includes(text));
      return fill(this.opening, counts.length > 0 && summary,
        isRunning && !counts.length && el("p", { class: "quiet", text: "The models are being built, traced and paired; rows join this page as they are compared." }),
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
      Number.isNaN(row.figures.cosine) ? null : ["cosine", row.figures.cosine.toFixed(4)],
      // Of values that are no multiple of the others a scale says nothing.
      Math.abs(row.figures.cosine) > ALIKE ? ["scale", String(Number(row.figures.scale.toPrecision(4)))] : null,
    ].filter(Boolean);
    return fill(this.opening,
      summary,
      el("div", { class: "first" },
        el("div", {}, el("h2", { text: "First difference" }), el("p", { class: "quiet", text: `${moment(row)}: ${row.what}` }), sides(row, report.made)),
        el("div", { class: "evidence" },
          measured && el("dl", { class: "measured" }, measured.map(([name, text]) => el("div", {}, el("dt", { text: name }), el("dd", { text })))),
          likelyOf(report.likely) ?? (row.reason && el("p", { class: "why", text: row.reason })),
          settingsOf(report, row.reference?.path, row.candidate?.path) ?? (settings ? el("p", {}, el("button", { class: "link", text: `${counted(settings, "setting")} of other layers differ`, on: { click: () => this.tabs.open("Settings") } })) : null),
          next,
          el("p", {}, el("button", { class: "primary", text: "Show all figures", on: { click: () => this.choosePlace(place) } })))));
  }

  toolbar() {
    this.search = el("input", { type: "search", placeholder: "Search layers, classes, files  ( / )", "aria-label": "Search", on: { input: () => { this.query = this.search.value.trim().toLowerCase(); this.refresh(); } } });
    const phase = el("select", { "aria-label": "Phase", on: { change: () => { this.phase = phase.value; this.refresh(); } } }, el("option", { value: "", text: "every phase" }));
    this.phases = phase;
    this.chips = MEANINGS.map((one) =>
      el("button", { class: `chip ${one.key}`, "aria-pressed": "true", on: { click: (event) => this.toggle(one, event.currentTarget) } }, el("i", { "aria-hidden": "true", text: one.mark }), one.title));
    this.only = el("button", { class: "chip only", hidden: true, title: "Show every layer again", on: { click: () => { this.line = null; this.refresh(); } } });
    return el("div", { class: "toolbar", role: "toolbar", "aria-label": "Search and filters" }, this.search, phase, this.steps(), el("div", { class: "chips", role: "group", "aria-label": "Verdicts" }, this.chips, this.only));
  }

  steps() {
    this.slider = el("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Step", on: { input: () => { this.isTouched = true; this.chooseStep(this.report.stepNumbers[this.slider.value]); } } });
    this.stepText = el("output", {});
    const every = el("input", { type: "checkbox", on: { change: () => { this.everyStep = every.checked; this.refresh(); } } });
    return (this.stepChoice = el("span", { class: "steps" }, this.slider, this.stepText, el("label", {}, every, "every step")));
  }

  /** Offers the phases, verdicts and steps that there are. */
  fillToolbar() {
    const { places, stepNumbers } = this.report;
    const phases = new Set(places.map((place) => place.row.phase));
    const offered = new Set([...this.phases.options].map((one) => one.value));
    for (const one of PHASES.filter((phase) => phases.has(phase) && !offered.has(phase))) {
      const next = [...this.phases.options].find((option) => PHASES.indexOf(option.value) > PHASES.indexOf(one));
      this.phases.add(el("option", { value: one, text: words(one) }), next ?? null);
    }
    const meanings = new Set(places.map((place) => place.meaning.name));
    MEANINGS.forEach((one, n) => { this.chips[n].hidden = !meanings.has(one.name) && !this.hidden.has(one.name); });
    this.stepChoice.hidden = stepNumbers.length < 2;
    this.slider.max = Math.max(0, stepNumbers.length - 1);
    this.slider.value = stepNumbers.indexOf(this.step);
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
    const weights = makeWeights();
    const stack = el.bind(null, "div", { class: "stack" });
    // Each with what it shows, nothing where there is nothing to show.
    const made = [
      ["Layers", () => this.report.plan?.length && this.tree.whole],
      ["Comparisons", () => this.report.places.length && this.list.whole],
      ["Training", () => this.report.steps?.length && this.training],
      ["Settings", () => { const found = settingsPanel(this.report); return found.length && stack(found); }],
      ["Weights", () => this.report.weights?.length && fillWeights(weights, this.report)],
      ["Notes", () => { const found = notesPanel(this.report); return found.length && stack(found); }],
      ["Environment", () => stack(environmentPanel(this.report))],
      ["Text", () => stack(textPanel(this.report))],
    ];
    const panels = el("div", { class: "panels" });
    const bar = el("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the report" });
    const entries = made.map(([name, make], n) => {
      const panel = el("div", { role: "tabpanel", id: `panel-${n}`, "aria-labelledby": `tab-${n}`, hidden: true, class: "panel" });
      const tab = el("button", { role: "tab", id: `tab-${n}`, "aria-controls": `panel-${n}`, text: name, on: { click: () => choose(name), keydown: (event) => walk(event, name) } });
      bar.append(tab);
      panels.append(panel);
      return { name, make, tab, panel };
    });
    const open = (name) => {
      for (const entry of entries) {
        const isOpen = entry.name === name;
        if (isOpen) fillOne(entry.panel, entry.make());
        entry.panel.hidden = !isOpen;
        entry.tab.setAttribute("aria-selected", String(isOpen));
        entry.tab.tabIndex = isOpen ? 0 : -1;
      }
      document.body.dataset.tab = name;
    };
    // Until one is chosen, the first that has something to show is open.
    let chosen = null;
    const choose = (name) => { chosen = name; open(name); };
    const offer = () => {
      for (const entry of entries) entry.tab.hidden = !entry.make();
      open(chosen ?? entries.find((entry) => !entry.tab.hidden).name);
    };
    const walk = (event, name) => {
      const offered = entries.filter((entry) => !entry.tab.hidden);
      const n = offered.findIndex((entry) => entry.name === name);
      const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: offered.length - 1 }[event.key];
      if (to === undefined) return;
      const entry = offered[(to + offered.length) % offered.length];
      choose(entry.name);
      entry.tab.focus();
      event.preventDefault();
    };
    return { bar, panels, open: choose, fill: offer };
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

  /** Draws again what depends on step, search and filters. `isRenewed`: nobody asked for it. */
  refresh(isRenewed = false) {
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
    fill(this.training, trainingPanel(this.report, this.step, (step) => { this.isTouched = true; this.chooseStep(step); }));
    if (isRenewed && this.charts.childElementCount && this.charts.matches(":hover, :focus-within")) this.isLagging = true;
    else this.drawCharts();
  }

  drawCharts() {
    this.isLagging = false;
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
    this.isTouched = true;
    this.line = line.children.length || line.parent ? line : null;
    this.place = null;
    this.shownLine = line;
    this.tree.mark(line);
    this.showChosen(true);
    this.refresh();
  }

  choosePlace(place) {
    this.isTouched = true;
    this.place = place;
    if (place.step !== this.step) this.chooseStep(place.step);
    if (this.line && !descendants(this.line).includes(place.line)) this.line = null;
    for (let line = place.line?.parent; line; line = line.parent) this.closed.delete(line);
    this.refresh();
    this.list.mark(place);
    if (place.line) this.tree.mark(place.line);
    this.showChosen(true);
    history.replaceState(null, "", `#row=${place.row.id}`);
  }

  get go() {
    return { place: (place) => this.choosePlace(place), line: (line) => this.chooseLine(line) };
  }

  /** Shows what is chosen beside the lists, from its top where it was chosen just now. */
  showChosen(isNew = false) {
    const { report, place, shownLine } = this;
    if (place) fill(this.details, placeDetails(report, place, this.go));
    else if (shownLine) fill(this.details, lineDetails(report, shownLine, this.seenStep, this.go));
    else fill(this.details, el("p", { class: "quiet", text: "Choose a layer, a comparison or a point of a chart." }));
    if (isNew) this.details.scrollTop = 0;
  }

  /** Opens the row that the address names, else the first divergence. */
  follow() {
    const asked = /#row=(\d+)/.exec(location.hash);
    const row = asked && Number(asked[1]);
    const place = asked ? this.report.places.find((one) => one.row.id === row || one.local?.id === row || one.accumulated?.id === row) : this.report.divergence;
    if (place && place !== this.place) this.choosePlace(place);
    else if (!place) this.showChosen();
    // The first divergence was not chosen by anybody.
    this.isTouched = Boolean(asked);
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

function figureOf(row) {
  const error = errorOf(row);
  return error === null ? "" : small(error);
}

function descendants(line) {
  const found = [line];
  for (let n = 0; n < found.length; n += 1) found.push(...found[n].children);
  return found;
}

const content = shownContent();
const page = new Page(readContent(content), content.address);
