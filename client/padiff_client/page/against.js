// Two runs against each other: what became of every place, and what else was different.

const CHANGES = [
  { name: "worse", key: "fault", mark: "▲", title: "Worse", one: "worse" },
  { name: "better", key: "agrees", mark: "▼", title: "Better", one: "better" },
  { name: "new", key: "untold", mark: "+", title: "New", one: "compared in the run after alone" },
  { name: "gone", key: "none", mark: "−", title: "Gone", one: "compared in the run before alone" },
  { name: "same", key: "elsewhere", mark: "=", title: "The same", one: "the same" },
];
const CHANGE_BY_NAME = new Map(CHANGES.map((one) => [one.name, one]));
const SIDES = ["before", "after"];

class Against {
  constructor({ runs, reports, changes, settings }) {
    const read = reports.map((one) => readContent(one));
    const places = read.map((report) => new Map(report.places.map((place) => [place.row.id, place])));
    this.runs = runs;
    this.reports = read;
    this.pairs = changes.map(([before, after, change]) => {
      const pair = { before: places[0].get(before) ?? null, after: places[1].get(after) ?? null, change: CHANGE_BY_NAME.get(change) };
      const place = pair.after ?? pair.before;
      return Object.assign(pair, { place, words: place.words });
    }).sort((a, b) => a.place.step - b.place.step || phaseRank(a.place) - phaseRank(b.place) || a.place.row.order - b.place.row.order);
    Object.assign(this, { query: "", phase: "", step: "", hidden: new Set(this.counts().filter(([one]) => one.name === "same" && this.pairs.some((pair) => pair.change !== one)).map(([one]) => one.name)) });
    this.details = el("aside", { class: "details", "aria-label": "Details", tabindex: -1 });
    this.list = this.makeList();
    document.body.append(
      this.header(),
      el("main", {},
        el("section", { class: "opening", "aria-label": "The two runs" }, this.summary(), el("div", { class: "sides" }, runs.map((run, n) => this.card(run, n)))),
        this.differences(settings),
        el("div", { class: "work" }, el("section", { class: "left", "aria-label": "Places" }, this.toolbar(), this.list.whole), this.details)),
    );
    addEventListener("keydown", (event) => this.press(event));
    this.draw();
    this.choose(this.list.items[0] ?? null);
  }

  counts() {
    return CHANGES.map((one) => [one, this.pairs.filter((pair) => pair.change === one).length]).filter(([, number]) => number);
  }

  header() {
    const [before, after] = this.runs;
    const swapped = `/against?${new URLSearchParams({ before: after.id, after: before.id })}`;
    return el("header", { class: "top" },
      el("a", { class: "back", href: "/", text: "Kept runs" }), el("h1", { text: "Two runs against each other" }),
      el("a", { href: swapped, text: "Swap before and after" }), themeButton());
  }

  summary() {
    const found = this.counts();
    return el("p", { class: "counts" }, found.length ? found.map(([one, number]) => badge(one, `${whole(number)} ${one.title.toLowerCase()}`)) : "Neither run compared anything.");
  }

  card(run, n) {
    const versions = (this.reports[n].environments ?? []).map((one) => `${one.worker.framework} ${one.worker.framework_version}`).join(" against ");
    return el("div", { class: `side run ${run.state.replace(" ", "-")}` },
      el("h2", {}, `${SIDES[n][0].toUpperCase()}${SIDES[n].slice(1)} `, el("span", { class: `verdict small ${run.state.replace(" ", "-")}`, text: run.state.toUpperCase() })),
      el("p", { class: "why", text: withoutVerdict(run.headline) }),
      el("p", { class: "quiet", text: [localTime(run.started_at), duration(run.seconds), versions].filter(Boolean).join(" · ") }),
      el("p", {}, el("a", { href: `/runs/${run.id}`, text: `Open the run ${SIDES[n]}` })));
  }

  /** What differs besides the tensors: options, models, environments, settings and pairs of layers. */
  differences(settings) {
    const title = settings.length ? `What else differs (${settings.length})` : "Nothing else differs: options, models, environments, settings and pairs of layers are alike";
    return el("section", { class: "opening", "aria-label": "What else differs" },
      settings.length
        ? el("details", { class: "told", open: settings.length < 13 }, el("summary", { text: title }), table(["of", "what", ...SIDES], settings.map(([part, name, ...values]) => [part, words(name), ...values.map((value) => value || "–")])))
        : el("p", { class: "quiet", text: title }));
  }

  toolbar() {
    const phases = PHASES.filter((one) => this.pairs.some((pair) => pair.place.row.phase === one));
    const steps = [...new Set(this.pairs.map((pair) => pair.place.step))];
    this.search = el("input", { type: "search", placeholder: "Search layers, classes, files  ( / )", "aria-label": "Search", on: { input: () => { this.query = this.search.value.trim().toLowerCase(); this.draw(); } } });
    const select = (name, every, values, text) => {
      const made = el("select", { "aria-label": name, on: { change: () => { this[name.toLowerCase()] = made.value; this.draw(); } } }, el("option", { value: "", text: every }), values.map((value) => el("option", { value, text: text(value) })));
      return made;
    };
    const chips = this.counts().map(([one]) => el("button", { class: `chip ${one.key}`, "aria-pressed": String(!this.hidden.has(one.name)), on: { click: (event) => this.toggle(one, event.currentTarget) } }, el("i", { "aria-hidden": "true", text: one.mark }), one.title));
    return el("div", { class: "toolbar", role: "toolbar", "aria-label": "Search and filters" }, this.search,
      select("Phase", "every phase", phases, words), steps.length > 1 && select("Step", "every step", steps, (step) => `step ${step}`),
      el("div", { class: "chips", role: "group", "aria-label": "Changes" }, chips));
  }

  makeList() {
    const list = new LongList({
      name: "Places of both runs", head: ["verdict", "when", "what", "before", "after", "error"],
      row: (pair) => [
        el("span", { role: "gridcell", class: "state" }, glyph(pair.change, pair.change.one)),
        el("span", { role: "gridcell", text: moment(pair.place.row) }),
        el("span", { role: "gridcell", text: placeName(pair.place), title: placeName(pair.place) }),
        ...SIDES.map((side) => el("span", { role: "gridcell", class: "figure" }, this.outcome(pair[side]))),
        el("span", { role: "gridcell", class: "figure", text: ratioText(pair) }),
      ],
      choose: (pair) => this.choose(pair),
    });
    list.element.classList.add("against");
    return list;
  }

  outcome(place) {
    if (!place) return "–";
    const error = errorOf(place.row);
    return [glyph(place.meaning, place.meaning.one), ` ${error === null ? "" : small(error)}`];
  }

  draw() {
    const { query, phase, step, hidden } = this;
    this.list.fill(this.pairs.filter((pair) => !hidden.has(pair.change.name) && (!query || pair.words.includes(query))
      && (!phase || pair.place.row.phase === phase) && (step === "" || String(pair.place.step) === step)));
  }

  toggle(change, chip) {
    const isHidden = this.hidden.has(change.name);
    if (isHidden) this.hidden.delete(change.name);
    else this.hidden.add(change.name);
    chip.setAttribute("aria-pressed", String(isHidden));
    this.draw();
  }

  choose(pair) {
    this.list.mark(pair);
    if (!pair) return fill(this.details, el("p", { class: "quiet", text: "Choose a place." }));
    fill(this.details, this.pairDetails(pair));
    this.details.scrollTop = 0;
  }

  pairDetails(pair) {
    const { place } = pair;
    const shown = SIDES.map((side, n) => [side, pair[side], n]).filter(([, one]) => one);
    const figures = FIGURES.map(([name, text]) => [name, ...SIDES.map((side) => (pair[side]?.row.figures ? text(pair[side].row) : ""))]).filter(([, ...texts]) => texts.some(Boolean));
    return [
      el("div", { class: "details-title" }, badge(pair.change), el("span", { class: "quiet", text: moment(place.row) })),
      el("h2", { text: placeName(place) }),
      shown.map(([side, one, n]) => section(side, el("p", {}, badge(one.meaning)), sentencesOf(one.row), probably(one.row),
        el("p", {}, el("a", { href: `/runs/${this.runs[n].id}#row=${one.row.id}`, text: `Open it in the run ${side}` })))),
      figures.length > 0 && section("Figures", table(["", ...SIDES], figures)),
      sides(place.row),
    ];
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    if (event.key === "/") { this.search.focus(); event.preventDefault(); }
  }
}

/** Returns by which factor a place's error changed, where both runs measured one. */
function ratioText({ before, after }) {
  const [was, is] = [errorOf(before?.row), errorOf(after?.row)];
  if (was === null || is === null || was === is) return "";
  if (!was || !is) return "";
  const ratio = Math.max(is / was, was / is);
  return `${is > was ? "×" : "÷"}${ratio >= 100 ? whole(Math.round(ratio)) : small(ratio)}`;
}

new Against(shownContent());
