"""Tables of the results, in Markdown, and the page that holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.faults.faults import Fault
from benchmarks.faults.healthy import Healthy
from benchmarks.faults.outcomes import (
    ELSEWHERE,
    EXACT,
    FALSE_ALARM,
    INCONCLUSIVE,
    MISSED,
    PASS,
    PHASE,
    TROUBLE,
)
from benchmarks.faults.results import Results
from benchmarks.faults.subjects import FAULTED

# The column of what is no model.
OTHERS = "numbers"
BEGIN, END = "<!-- benchmarks.faults: {} -->", "<!-- end of benchmarks.faults: {} -->"


def of_faults(faults: Sequence[Fault], results: Results) -> str:
    """Returns the table of faults by class."""
    columns = (EXACT, PHASE, ELSEWHERE, MISSED, TROUBLE)
    rows, total = [], Counter[str]()
    for kind in dict.fromkeys(fault.kind for fault in faults):
        counted = Counter[str]()
        for fault in faults:
            for result in results.of(fault.id) if fault.kind == kind else ():
                counted.update([result["found"], "all", f"hint {result['hint'].partition(':')[0]}"])
        total += counted
        rows.append([kind, *_counts(counted, columns)])
    rows.append(["all", *_counts(total, columns)])
    return table(["class", "planted", *columns, "class among two hints"], rows)


def _counts(counted: Counter[str], columns: Iterable[str]) -> list[str]:
    hinted = counted["hint right"] + counted["hint wrong"]
    hints = f"{counted['hint right']} of {hinted}" if hinted else "unknown"
    return [str(counted["all"]), *(str(counted[one] or "") for one in columns), hints]


def of_healthy(pairs: Sequence[Healthy], results: Results) -> str:
    """Returns the table of healthy pairs: settings by models, in each cell how many runs came out how."""
    cells: dict[str, dict[str, Counter[str]]] = {}
    total = Counter[str]()
    for pair in pairs:
        counted = Counter(result["found"] for result in results.of(pair.id))
        is_model = pair.setting.subject in FAULTED
        row = str(pair.setting) if is_model else f"{pair.setting.subject}, {pair.setting}"
        column = pair.setting.subject if is_model else OTHERS
        cells.setdefault(row, {}).setdefault(column, Counter()).update(counted)
        total += counted
    columns = [*FAULTED, OTHERS]
    rows = [[row, *(_counted(of.get(column, Counter())) for column in columns)] for row, of in cells.items()]
    told = ", ".join(f"{total[one]} {one}" for one in (PASS, FALSE_ALARM, INCONCLUSIVE, TROUBLE))
    return f"{table(['setting', *columns], rows)}\n\nOf {sum(total.values())} comparisons: {told}."


def _counted(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {found}" for found, count in sorted(outcomes.items(), reverse=True))


def misses(faults: Sequence[Fault], pairs: Sequence[Healthy], results: Results) -> str:
    """Returns a line for all that did not come out as it should: what it is, and what the report said."""
    lines = []
    for pair in pairs:
        wrong = [result for result in results.of(pair.id) if result["found"] != PASS]
        if wrong:
            lines.append(f"{wrong[0]['found']} ({len(wrong)} times): {pair.id}: {wrong[0]['said']}")
    for fault in faults:
        for result in results.of(fault.id):
            if result["found"] != EXACT:
                lines.append(f"{result['found']}: {fault.id}: {result['said']}")
            if result["hint"].startswith("wrong"):
                lines.append(f"hint {result['hint']}: {fault.id}")
    return "\n".join(lines)


def write(page: Path, tables: dict[str, str]) -> None:
    """Puts each table between its markers in `page`, which is made where there is none."""
    text = page.read_text(encoding="utf-8") if page.exists() else "# Verdicts\n"
    for name, made in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        if begin not in text:
            text = f"{text.rstrip()}\n\n{begin}\n{end}\n"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n\n{made}\n\n{end}{rest.partition(end)[2]}"
    page.write_text(text, encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
