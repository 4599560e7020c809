"""The verdict on one screen: what differs, where on both sides, how much, what probably, and what next."""

from __future__ import annotations

import itertools
import os
import textwrap
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Optional

from padiff_client import (
    mending,
    note_sentences,
    render,
    sentences,
    wording,
)
from padiff_client.divergence import Divergence
from padiff_client.likely import Likely, likely
from padiff_rpc.records import record
from padiff_rpc.v1.records import Figures, Place, Row, SourceLine
from padiff_rpc.v1.words import Cause, HintKind, Phase, Side, Verdict

if TYPE_CHECKING:
    from padiff_client.report import Report

_LEAST_WIDTH = 40
_LABEL = 13
# What a hint of these says of a setting, it says by its kind.
_SAID = {HintKind.EPSILON: "epsilon", HintKind.MOMENTUM: "momentum"}
# Of settings, of other places.
_SETTINGS, _OTHERS = 3, 2
# What is wrong with one weight there is often wrong with all.
_OF_ALL_WEIGHTS = frozenset({Phase.INITIAL_WEIGHTS, Phase.OPTIMIZER, Phase.WEIGHTS})
_STACK_LINES = 10
# Of a line of code.
_MOST_LINES = 2
# The cosine above which one side is a multiple of the other, roughly.
_ALIKE = 0.99
_TRACEBACK = "Traceback (most recent call last):"


class Tone(Enum):
    """What colour a verdict has on a terminal that shows any, as its control sequence says it."""

    GOOD = "32;1"
    BAD = "31;1"
    UNTOLD = "33;1"
    LABEL = "36"

    def paint(self, text: str) -> str:
        """Returns the text in this colour."""
        return f"\x1b[{self.value}m{text}\x1b[0m"


_TONES = {"PASS": Tone.GOOD, "FAIL": Tone.BAD, "INCONCLUSIVE": Tone.UNTOLD, "RUNNING": Tone.UNTOLD}


@record
class Fact:
    """A line of the first screen.

    Attributes:
        label: "" where it goes on with what the label before it names.
        is_code: it is a line of somebody's file, of which no more is shown than two lines.
    """

    label: str
    text: str
    is_code: bool = False


def text(report: Report, *, width: int = 80, coloured: bool = False, rest: str = "") -> str:
    """Returns the first screen, filled to `width` columns; `rest` says how all of it is shown."""
    width = max(width, _LEAST_WIDTH)
    headline = render.headline(report).text
    lines = textwrap.wrap(headline, width, subsequent_indent="  ", break_on_hyphens=False)
    if coloured:
        verdict = next((one for one in _TONES if headline.startswith(one)), "")
        lines[0] = (_TONES[verdict].paint(verdict) if verdict else "") + lines[0][len(verdict) :]
    last = [Fact(label="the rest", text=rest)] if rest else []
    for fact in [*facts(report), *last]:
        for i, line in enumerate(_filled(fact, width - _LABEL)):
            name = f"  {fact.label if i == 0 else '':<{_LABEL - 2}}"
            lines.append(f"{Tone.LABEL.paint(name) if coloured and name.strip() else name}{line}".rstrip())
    return "\n".join(lines)


def _filled(fact: Fact, width: int) -> list[str]:
    if not fact.is_code:
        return textwrap.wrap(fact.text, width, break_on_hyphens=False) or [""]
    filler = textwrap.TextWrapper(
        width, subsequent_indent="  ", max_lines=_MOST_LINES, placeholder=" ...", break_on_hyphens=False
    )
    return filler.wrap(fact.text) or [""]


def facts(report: Report) -> list[Fact]:
    """Returns what every surface shows first, behind the headline."""
    divergence = report.first_divergence
    found = []
    if divergence is not None:
        made = mending.made_at(report)
        found += _place("reference", divergence.reference, divergence.row, made.get(Side.REFERENCE))
        found += _place("candidate", divergence.candidate, divergence.row, made.get(Side.CANDIDATE))
        found += _labelled("how much", _how_much(divergence))
        found += _probably(likely(report))
    else:
        # Where a comparison was cut short, what was not compared follows from that.
        cut_short = len(report.failures) + len(report.troubles)
        reasons = report.reasons[render.headline(report).reasons : cut_short or None]
        found += _labelled("because", list(reasons[:_SETTINGS]))
    found += _stack(report)
    found += _labelled("settings", _settings(report, divergence))
    found += _labelled("try", mending.lines(report))
    found += _labelled("also", _others(report))
    found += _labelled("note", note_sentences.of_first_screen(report.summary))
    found += _labelled("compared", [render.coverage(report)])
    if divergence is None:
        found += _labelled("largest", render.largest(report)[:_SETTINGS])
        found += _labelled("steps", render.steps(report))
    return found


def _labelled(label: str, texts: list[str], *, are_code: bool = False) -> list[Fact]:
    return [Fact(label=label if i == 0 else "", text=one, is_code=are_code) for i, one in enumerate(texts)]


def _place(label: str, place: Optional[Place], row: Row, made: Optional[SourceLine]) -> list[Fact]:
    """Returns a side's place with the line behind it: that of a call, or that which `made` the layer."""
    if place is None:
        return [Fact(label=label, text="has none")]
    if wording.is_of_loaders(row):
        spec = f", {place.spec}" if place.spec else ""
        return [Fact(label=label, text=wording.plain(f"{place.slot}{spec}"))]
    said = wording.layer(place) + (f", {place.spec}" if place.spec is not None else "")
    if row.rule is not None and row.rule.steps and place is row.reference:
        said += " in the candidate's layout"
    if wording.happens_in_a_call(row) and place.call:
        said += f", call {place.call}"
    found = [Fact(label=label, text=said)]
    # Of what code between two calls makes: from behind the one to the other.
    lines = [("after ", place.behind), ("up to " if place.behind else "", place.source)]
    if place.source is None:
        what = "the optimizer is " if mending.is_of_optimizer(row) else ""
        lines.append((f"{what}made at ", made))
    for word, source in lines:
        if source is not None and source.line:
            found += [Fact(label="", text=f"{word}{_file_line(source)}"), *_code(source)]
    return found


def _file_line(source: SourceLine) -> str:
    """Returns a line's file and number, the file relative to the working directory where it is below it."""
    here = os.getcwd() + os.sep
    return wording.plain(str(source).removeprefix(here))


def _code(source: SourceLine) -> list[Fact]:
    code = wording.plain(source.text.strip())
    return [Fact(label="", text=code, is_code=True)] if code else []


def _stack(report: Report) -> list[Fact]:
    """Returns the innermost lines of the user's own stack, where a model raised; the headline says what."""
    for failed in report.failures:
        # Of the exception that was raised last; Python indents its stack, and what it says behind is not.
        last = failed.traceback.rpartition(_TRACEBACK)[2].strip("\n").splitlines()
        stack = itertools.takewhile(lambda line: line[:1] == " ", last)
        # Its marks below a line would not stand right in a cut one.
        shown = [line for line in stack if line.strip(" ~^")]
        cut = shown[-_STACK_LINES:]
        return _labelled("raised in", [wording.plain(line).removeprefix("  ") for line in cut], are_code=True)
    return []


def _how_much(divergence: Divergence) -> list[str]:
    row, figures = divergence.row, divergence.figures
    lines = []
    if figures is not None and row.verdict is Verdict.NONFINITE:
        lines.append(wording.measured(figures))
    elif figures is not None:
        lines.append(
            ", ".join(filter(None, (f"relative L2 {wording.small(figures.relative_l2)}", _times(row))))
        )
        lines.append(_shape(figures))
    if divergence.worst is not None:
        lines.append(f"worst at {wording.worst(divergence.worst)}")
    if figures is not None and figures.worst_row is not None:
        lines.append(f"worst row {wording.worst_row(figures.worst_row)}")
    if row.reasons and (row.verdict is not Verdict.MISMATCH or figures is None):
        # How sure the pairing is, is said in the rest.
        said = (one for one in row.reasons if one.cause is not Cause.LOW_CONFIDENCE)
        lines.append(wording.plain(sentences.joined(said, row)))
    return lines


def _times(row: Row) -> str:
    """Returns how often the difference is what rounding does, or what is allowed."""
    for one in row.reasons:
        if one.cause is Cause.BEYOND_OWN_ERROR and one.numbers:
            return f"{wording.times(one.numbers[0])} times what rounding does here"
        if one.cause is Cause.BEYOND_NOISE and one.numbers:
            return f"{wording.times(one.numbers[0])} times what noise in the last digit does here"
    if row.tolerance is None or row.figures is None:
        return ""
    if row.tolerance.relative_l2:
        often = row.figures.relative_l2 / row.tolerance.relative_l2
        allowed = wording.small(row.tolerance.relative_l2)
        return f"{wording.times(often)} times what is allowed here, {allowed}"
    return f"allowed are {wording.allowed(row.tolerance)}"


def _shape(figures: Figures) -> str:
    """Returns how the values relate as a whole, and how many are off."""
    # Of values that are no multiple of the others a scale says nothing.
    parts = [f"scale {figures.scale:.4g}"] if abs(figures.cosine) > _ALIKE else []
    if figures.cosine == figures.cosine:
        parts.append(f"cosine {figures.cosine:.4f}")
    if figures.is_estimate:
        return ", ".join([*parts, "estimated from sketches"])
    off, elements = figures.mismatches, figures.elements
    number = "all" if off == elements else f"{off:,} of"
    parts.append(f"{number} {elements:,} {'element' if elements == 1 else 'elements'} beyond tolerance")
    return ", ".join(parts)


def _probably(found: Likely) -> list[Fact]:
    """Returns the likely mistake, the operation that shows it, and what the values look like."""
    lines = [one if i == 0 else f"or {one}" for i, one in enumerate(found.causes)]
    if found.is_unknown:
        lines = ["no kind of mistake that is known here"]
    facts = _labelled("probably", lines)
    if found.operation:
        facts += _labelled("operation" if facts else "probably", [found.operation])
        facts += _labelled("", list(found.code), are_code=True)
    return facts + _labelled("looks like" if facts else "probably", list(found.patterns))


def _settings(report: Report, divergence: Optional[Divergence]) -> list[str]:
    """Returns settings in which the sides differ, but for what a hint says, those of the place first."""
    hints = divergence.row.hints if divergence is not None else ()
    said = {name for one in hints for name in (*one.names, _SAID.get(one.kind, ""))}
    own = (divergence.reference, divergence.candidate) if divergence is not None else ()
    paths = {place.path for place in own if place is not None}
    lines = render.settings(
        [one for one in report.hyper_parameters if one.name not in said or one.reference_path not in paths],
        [one for one in report.optimizer if one.name not in said],
        first=paths,
    )
    return lines[:_SETTINGS] + ([f"... {len(lines) - _SETTINGS} more"] if len(lines) > _SETTINGS else [])


def other_faults(report: Report) -> list[Row]:
    """Returns the faults that the first screen does not tell, in execution order."""
    divergence = report.first_divergence
    return [row for row in report.faults if divergence is None or row != divergence.row]


def _others(report: Report) -> list[str]:
    """Returns how many other places differ, and on what they were judged."""
    more = other_faults(report)
    divergence = report.first_divergence
    if divergence is None or not more:
        return []
    row = divergence.row
    of_kind = [one for one in more if (one.phase, one.step, one.kind) == (row.phase, row.step, row.kind)]
    if row.phase in _OF_ALL_WEIGHTS and of_kind:
        alike = f"{wording.count(len(of_kind), 'more place')} of this kind {_differ(of_kind)}"
        others = len(more) - len(of_kind)
        return [f"{alike}, and {others} of others" if others else alike]
    said = f"{wording.count(len(more), 'more place')} {_differ(more)}"
    if not (report.summary.in_lockstep or report.places):
        return [f"{said}, which may follow from this"]
    return [f"{said}, on the reference's inputs: {_named(more)}"]


def _differ(rows: Sequence[Row]) -> str:
    return "differs" if len(rows) == 1 else "differ"


def _named(rows: Sequence[Row]) -> str:
    """Returns the first few places."""
    named = "; ".join(wording.place_of(row) for row in rows[:_OTHERS])
    return f"{named}; ..." if len(rows) > _OTHERS else named
