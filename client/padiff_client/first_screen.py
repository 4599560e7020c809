"""The verdict on one screen: what differs, where on both sides, how much, what probably, and what next."""

from __future__ import annotations

import itertools
import math
import os
import textwrap
from enum import Enum
from typing import TYPE_CHECKING, Optional

from padiff_client import (
    function_sentences,
    hint_sentences,
    mending,
    note_sentences,
    render,
    sentences,
    wording,
)
from padiff_client.divergence import Divergence
from padiff_rpc.records import record
from padiff_rpc.v1.records import Figures, Place, Row, SourceLine
from padiff_rpc.v1.words import Cause, HintKind, Phase, Verdict

if TYPE_CHECKING:
    from padiff_client.report import Report

_LEAST_WIDTH = 40
_LABEL = 13
# What a hint of these says of a setting, it says by its kind.
_SAID = {HintKind.EPSILON: "epsilon", HintKind.MOMENTUM: "momentum"}
# Of settings, of hints.
_SETTINGS, _HINTS = 3, 2
_STACK_LINES = 10
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
        is_code: it is a line of somebody's file, which is cut where it is too long, and not filled.
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
    if fact.is_code:
        return [fact.text if len(fact.text) <= width else f"{fact.text[: width - 4]} ..."]
    return textwrap.wrap(fact.text, width, break_on_hyphens=False) or [""]


def facts(report: Report) -> list[Fact]:
    """Returns what every surface shows first, behind the headline."""
    divergence = report.first_divergence
    found = []
    if divergence is not None:
        found += _place("reference", divergence.reference, divergence.row)
        found += _place("candidate", divergence.candidate, divergence.row)
        found += _labelled("how much", _how_much(divergence))
        findings = [one for one in report.findings if function_sentences.is_of(one, divergence.row)]
        probably = _probably(divergence.row, has_finding=bool(findings))
        found += _labelled("probably", probably)
        for one in findings[:1]:
            found += _labelled("function" if probably else "probably", [function_sentences.sentence(one)])
            found += _labelled("", function_sentences.code(one), are_code=True)
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


def _place(label: str, place: Optional[Place], row: Row) -> list[Fact]:
    if place is None:
        return [Fact(label=label, text="has none")]
    if wording.is_of_loaders(row):
        spec = f", {place.spec}" if place.spec else ""
        return [Fact(label=label, text=wording.plain(f"{place.slot}{spec}"))]
    said = wording.layer(place) + (f", {place.spec}" if place.spec is not None else "")
    if wording.happens_in_a_call(row) and place.call:
        said += f", call {place.call}"
    found = [Fact(label=label, text=said)]
    # Of what code between two calls makes: from behind the one to the other.
    for word, source in (("after ", place.behind), ("up to " if place.behind else "", place.source)):
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
        return f"{wording.times(often)} times what is allowed here"
    return f"allowed are {wording.allowed(row.tolerance)}"


def _shape(figures: Figures) -> str:
    """Returns how the values relate as a whole, and how many are off."""
    parts = [f"scale {figures.scale:.4g}"] if figures.scale == figures.scale else []
    if figures.cosine == figures.cosine:
        parts.append(f"cosine {figures.cosine:.4f}")
    if figures.is_estimate:
        return ", ".join([*parts, "estimated from sketches"])
    off, elements = figures.mismatches, figures.elements
    number = "all" if off == elements else f"{off:,} of"
    parts.append(f"{number} {elements:,} {'element' if elements == 1 else 'elements'} off")
    return ", ".join(parts)


def _probably(row: Row, *, has_finding: bool) -> list[str]:
    """Returns which kinds of mistake it may be, settings first; where none is known, a finding says more."""
    if row.verdict is Verdict.SHAPE_MISMATCH and row.phase is Phase.INITIAL_WEIGHTS:
        return _sizes(row)
    known = [one for one in row.hints if one.kind is not HintKind.UNKNOWN]
    if not known:
        return ["no kind of mistake that is known here"] if row.hints and not has_finding else []
    known.sort(key=lambda one: one.kind is not HintKind.OPTIMIZER_SETTING)
    said = map(hint_sentences.sentence, known[:_HINTS])
    return [one if i == 0 else f"or {one}" for i, one in enumerate(said)]


def _sizes(row: Row) -> list[str]:
    shapes = mending.shapes_of(row)
    if shapes is None:
        return []
    if math.prod(shapes[0]) == math.prod(shapes[1]):
        return ["the two layers store this weight in different layouts"]
    return ["the two layers are made with different sizes"]


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
    """Returns how many other places are at fault, or differ because of it."""
    more = len(other_faults(report))
    lines = []
    if report.first_divergence is not None and more > 0:
        is_judged_alone = report.summary.in_lockstep or bool(report.places)
        why = "each given the reference's own values" if is_judged_alone else "which may follow from this"
        lines.append(f"{wording.count(more, 'more place')} {'differs' if more == 1 else 'differ'}, {why}")
    return lines
