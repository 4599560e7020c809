// The list of kept runs: sorted, filtered, two of them chosen to be shown against each other.

const STATES = ["running", "fail", "cut short", "inconclusive", "pass"];
const COLUMNS = [
  { name: "verdict", of: (run) => STATES.indexOf(run.state) },
  { name: "when", of: (run) => -run.started_at },
  { name: "reference", of: (run) => run.reference },
  { name: "candidate", of: (run) => run.candidate },
  { name: "first divergence, or why it ended", of: (run) => run.told },
  { name: "steps", of: (run) => -(run.steps ?? 0) },
  { name: "took", of: (run) => -run.seconds },
];

class Runs {
  constructor({ folder, runs }) {
    Object.assign(this, { folder, runs, query: "", hidden: new Set(), chosen: [], by: COLUMNS[1], isBackward: false, lines: new Map() });
    this.search = el("input", { type: "search", placeholder: "Search models and divergences  ( / )", "aria-label": "Search", on: { input: () => { this.query = this.search.value.trim().toLowerCase(); this.draw(); } } });
    this.chips = STATES.map((state) => el("button", { class: "chip", "aria-pressed": "true", on: { click: (event) => this.toggle(state, event.currentTarget) } }));
    this.choice = el("output", { class: "quiet" });
    this.compare = el("button", { class: "primary", text: "Compare the two", disabled: true, on: { click: () => this.open() } });
    this.heads = COLUMNS.map((column) => el("th", { scope: "col" }, el("button", { class: "sort", on: { click: () => this.sort(column) } })));
    this.body = el("tbody", { on: { keydown: (event) => this.walk(event) } });
    this.table = el("table", { class: "runs", "aria-label": "Kept runs" }, el("thead", {}, el("tr", {}, el("td"), this.heads)), this.body);
    this.empty = el("p", { class: "quiet pad" });
    document.body.append(
      el("header", { class: "top" }, el("h1", { text: "Kept runs" }), el("p", { class: "quiet", text: folder, title: folder }), themeButton()),
      el("main", {}, el("section", { class: "left", "aria-label": "Kept runs" },
        el("div", { class: "toolbar", role: "toolbar", "aria-label": "Search and filters" }, this.search, el("div", { class: "chips", role: "group", "aria-label": "Verdicts" }, this.chips), this.choice, this.compare),
        el("div", { class: "runs-frame", tabindex: 0, role: "group", "aria-label": "Table of kept runs" }, this.table), this.empty)),
    );
    addEventListener("keydown", (event) => {
      if (event.key === "/" && event.target.tagName !== "INPUT") { this.search.focus(); event.preventDefault(); }
    });
    this.draw();
  }

  /** Shows the runs as they are now; what is chosen, searched and sorted stays so. */
  renew({ runs }) {
    this.runs = runs;
    const ids = new Set(runs.map((run) => run.id));
    this.chosen = this.chosen.filter((id) => ids.has(id));
    for (const id of this.lines.keys()) if (!ids.has(id)) this.lines.delete(id);
    this.draw();
  }

  draw() {
    const words = (run) => [run.id, run.reference, run.candidate, run.told, run.state].join(" ").toLowerCase();
    const shown = this.runs.filter((run) => !this.hidden.has(run.state) && words(run).includes(this.query));
    const way = this.isBackward ? -1 : 1;
    const { of } = this.by;
    shown.sort((a, b) => way * (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0) || b.started_at - a.started_at);
    const lines = shown.map((run) => this.line(run));
    if (lines.length !== this.body.children.length || lines.some((line, n) => line !== this.body.children[n])) this.body.replaceChildren(...lines);
    this.table.hidden = !shown.length;
    this.empty.hidden = shown.length > 0;
    this.empty.textContent = this.runs.length ? "Nothing fits the search and the filters." : `No run is kept in ${this.folder}. A comparison by padiff compare or auto_diff joins the list as soon as it begins.`;
    STATES.forEach((state, n) => {
      const number = this.runs.filter((run) => run.state === state).length;
      this.chips[n].hidden = !number;
      fill(this.chips[n], el("i", { class: `dot-state ${stateClass(state)}`, "aria-hidden": "true" }), `${state} ${whole(number)}`);
    });
    COLUMNS.forEach((column, n) => {
      const isBy = column === this.by;
      this.heads[n].setAttribute("aria-sort", isBy ? (this.isBackward ? "descending" : "ascending") : "none");
      fill(this.heads[n].firstChild, column.name, isBy && el("i", { "aria-hidden": "true", text: this.isBackward ? " ▴" : " ▾" }));
    });
    this.compare.disabled = this.chosen.length !== 2;
    this.choice.textContent = ["Choose two to compare them", "Choose one more", ""][this.chosen.length];
  }

  /** Returns the line of a run: the one that stands, with what is new of it. */
  line(run) {
    if (!this.lines.has(run.id)) {
      const box = el("input", { type: "checkbox", "aria-label": `Choose the run ${run.id.slice(0, 8)} of ${localTime(run.started_at)}`, on: { change: () => this.choose(run.id), click: (event) => event.stopPropagation() } });
      const open = el("a", { href: `/runs/${run.id}`, text: localTime(run.started_at), title: run.id });
      const cells = COLUMNS.map(() => el("td"));
      cells[1].append(open);
      const line = el("tr", { on: { click: (event) => { if (!event.target.closest("a, input, label")) location.assign(open.href); } } },
        el("td", {}, el("label", { class: "box" }, box)), cells);
      this.lines.set(run.id, { line, cells, box });
    }
    const { line, cells, box } = this.lines.get(run.id);
    box.checked = this.chosen.includes(run.id);
    line.classList.toggle("chosen", box.checked);
    fill(cells[0], el("span", { class: `verdict small ${stateClass(run.state)}`, text: run.state.toUpperCase() }));
    fill(cells[2], el("span", { text: run.reference, title: run.reference }));
    fill(cells[3], el("span", { text: run.candidate, title: run.candidate }));
    fill(cells[4], el("span", { text: run.told || "–", title: run.told }));
    fill(cells[5], run.steps === null ? "" : whole(run.steps));
    fill(cells[6], duration(run.seconds));
    return line;
  }

  /** Chooses a run, or no longer; of more than two the one that was chosen first goes. */
  choose(id) {
    this.chosen = this.chosen.includes(id) ? this.chosen.filter((one) => one !== id) : [...this.chosen, id].slice(-2);
    this.draw();
  }

  /** Shows the two chosen runs against each other, the earlier as the one before. */
  open() {
    const two = this.chosen.map((id) => this.runs.find((run) => run.id === id)).sort((a, b) => a.started_at - b.started_at);
    location.assign(`/against?${new URLSearchParams({ before: two[0].id, after: two[1].id })}`);
  }

  toggle(state, chip) {
    const isHidden = this.hidden.has(state);
    if (isHidden) this.hidden.delete(state);
    else this.hidden.add(state);
    chip.setAttribute("aria-pressed", String(isHidden));
    this.draw();
  }

  sort(column) {
    this.isBackward = column === this.by && !this.isBackward;
    this.by = column;
    this.draw();
  }

  walk(event) {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    const links = [...this.body.querySelectorAll("a")];
    const at = links.indexOf(event.target.closest("tr").querySelector("a"));
    links[Math.min(links.length - 1, Math.max(0, at + way))].focus();
    event.preventDefault();
  }
}

function stateClass(state) {
  return state.replace(" ", "-");
}

const list = new Runs(shownContent());
poll(async () => {
  list.renew(await asked("/runs"));
  return true;
});
