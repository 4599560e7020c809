// A list of any length: only the lines in sight are in the document. It is walked by arrow keys.

let lists = 0;

/**
 * Returns a grid. `row(item)` makes a line's cells; `choose(item)`: it was clicked, or Enter was pressed on it;
 * `fold(item, opens)`: Left or Right was; `facts(item)`: its level and whether it is open, for a tree.
 */
class LongList {
  constructor({ name, head, row, choose, fold, facts }) {
    Object.assign(this, { row, choose, fold, facts, items: [], at: -1, chosen: null, shown: [0, 0] });
    this.prefix = `list${(lists += 1)}-`;
    this.body = el("div", { class: "list-body", role: "rowgroup" });
    this.head = el("div", { class: "list-line list-head", role: "row" }, head.map((text) => el("span", { role: "columnheader" }, text === "verdict" ? el("span", { class: "unseen", text }) : text)));
    this.element = el(
      "div",
      { class: "list", role: facts ? "treegrid" : "grid", tabindex: 0, "aria-label": name, on: { scroll: () => this.draw(), keydown: (event) => this.press(event) } },
      el("div", { role: "rowgroup", class: "list-top" }, this.head),
      this.body,
    );
    this.empty = el("p", { class: "quiet pad", text: "Nothing fits the search and the filters.", hidden: true });
    this.whole = el("div", { class: "list-frame" }, this.element, this.empty);
    new ResizeObserver(() => {
      // A list that was out of sight has not been able to scroll.
      if (!this.wasSeen && this.element.clientHeight) this.bring();
      this.wasSeen = this.element.clientHeight > 0;
      this.draw(true);
    }).observe(this.element);
  }

  /** Shows other items; the cursor stays where it was, else goes to the chosen one. */
  fill(items) {
    const current = this.items[this.at];
    this.items = items;
    const kept = current === undefined ? -1 : items.indexOf(current);
    this.at = kept >= 0 ? kept : items.indexOf(this.chosen);
    this.body.style.setProperty("--lines", items.length);
    this.element.setAttribute("aria-rowcount", items.length + 1);
    this.empty.hidden = items.length > 0;
    this.draw(true);
  }

  /** Marks an item, and brings it into sight. */
  mark(item) {
    this.chosen = item;
    this.at = this.items.indexOf(item);
    if (this.at >= 0) this.bring();
    this.draw(true);
  }

  get height() {
    return parseFloat(getComputedStyle(this.element).getPropertyValue("--line")) || 26;
  }

  bring() {
    const { height, element } = this;
    const room = element.clientHeight - height;
    const top = this.at * height;
    if (this.at < 0 || room <= 0) return;
    if (top < element.scrollTop) element.scrollTop = top - Math.min(room / 3, top);
    else if (top + height > element.scrollTop + room) element.scrollTop = top - room + Math.min(room / 2, 3 * height);
  }

  draw(again = false) {
    const { height, element } = this;
    const first = Math.max(0, Math.floor(element.scrollTop / height) - 8);
    const last = Math.min(this.items.length, first + Math.ceil(element.clientHeight / height) + 16);
    if (!again && first === this.shown[0] && last === this.shown[1]) return;
    this.shown = [first, last];
    this.body.replaceChildren(...this.items.slice(first, last).map((item, n) => this.line(item, first + n)));
    const active = this.at >= first && this.at < last ? this.prefix + this.at : null;
    if (active) element.setAttribute("aria-activedescendant", active);
    else element.removeAttribute("aria-activedescendant");
  }

  line(item, index) {
    const facts = this.facts?.(item);
    return el(
      "div",
      {
        class: "list-line", role: "row", id: this.prefix + index, css: { "--at": index },
        "aria-rowindex": index + 2, "aria-selected": String(item === this.chosen),
        "data-active": index === this.at, "aria-level": facts && facts.level + 1,
        "aria-expanded": facts && facts.open !== null ? String(facts.open) : null,
        on: { click: () => { this.at = index; this.choose(item); } },
      },
      this.row(item),
    );
  }

  press(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.height) - 2);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const item = this.items[this.at];
    if (event.key in moves) {
      this.at = Math.min(this.items.length - 1, Math.max(0, this.at + moves[event.key]));
      this.bring();
      this.draw(true);
    } else if (event.key === "Enter" || event.key === " ") {
      if (item) this.choose(item);
    } else if (this.fold && item && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      this.fold(item, event.key === "ArrowRight");
    } else return;
    event.preventDefault();
  }
}
