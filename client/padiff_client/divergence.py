"""The first place where two models part."""

from __future__ import annotations

from functools import cached_property
from typing import Optional

from padiff_client import function_sentences, hint_sentences, layer_trees, sentences, wording
from padiff_rpc.v1.records import Figures, FirstDivergence, Place, ReportSummary, Row, Tolerance, WorstElement
from padiff_rpc.v1.words import CaptureKind, Cause, Difference, Phase, Side, Verdict


class Divergence:
    """The first divergence in execution order (for backward: from the loss). `str()` explains it."""

    def __init__(self, found: FirstDivergence, summary: ReportSummary) -> None:
        self.row: Row = found.row
        self.cause: Difference = found.cause
        self.position: int = found.position
        self.compared: int = found.compared
        self._coverage = summary.coverage
        self._plan = summary.plan
        self._findings = [one for one in summary.findings if function_sentences.is_of(one, found.row)]
        self._functions = next((one for one in summary.function_details if one.step == found.row.step), None)
        self._optimizer = summary.optimizer if found.row.phase in _AFTER_AN_OPTIMIZER else ()

    @property
    def reference(self) -> Optional[Place]:
        """The reference's place; None where only the candidate has it."""
        return self.row.reference

    @property
    def candidate(self) -> Optional[Place]:
        """The candidate's place; None where only the reference has it."""
        return self.row.candidate

    @property
    def path(self) -> str:
        """The layer's path in the reference (in the candidate where the reference has none)."""
        place = self.reference or self.candidate
        return place.path if place is not None else ""

    @property
    def call(self) -> int:
        """Which call of the layer in its step, from 0."""
        place = self.reference or self.candidate
        return place.call if place is not None else 0

    @property
    def step(self) -> int:
        """The step in which it shows, from 0."""
        return self.row.step

    @property
    def phase(self) -> Phase:
        """The phase of the step."""
        return self.row.phase

    @property
    def kind(self) -> CaptureKind:
        """What is compared: an output, a gradient, a weight, ..."""
        return self.row.kind

    @property
    def verdict(self) -> Verdict:
        """What the pair of tensors came to."""
        return self.row.verdict

    @property
    def figures(self) -> Optional[Figures]:
        """How far the two tensors are apart; None where no two were compared."""
        return self.row.figures

    @property
    def tolerance(self) -> Optional[Tolerance]:
        """What was allowed."""
        return self.row.tolerance

    @property
    def worst(self) -> Optional[WorstElement]:
        """The element that is furthest apart."""
        figures = self.row.figures
        return figures.worst[0] if figures is not None and figures.worst else None

    @property
    def coverage(self) -> str:
        """How much was compared: "first among 151 of 158 compared"."""
        covered = self._coverage
        return f"first among {covered.tensors_compared} of {covered.tensors_total} compared"

    @cached_property
    def tree(self) -> str:
        """The layer trees of both sides around the place, the place marked."""
        if self.kind is CaptureKind.LOSS:
            return ""
        found = self._findings[0] if self._findings else None
        leaves = (
            function_sentences.leaves(found, self._functions, side)
            for side in (Side.REFERENCE, Side.CANDIDATE)
        )
        return layer_trees.excerpt(self._plan, self.reference, self.candidate, *leaves)

    @property
    def summary(self) -> str:
        """One line: phase, step, what, layer, call and cause."""
        row = self.row
        text = f"{wording.moment_of(row)}, {wording.place_of(row)}"
        if any(reason.cause is Cause.CARRIED_OVER for reason in row.reasons):
            text = f"carried over between steps: {text}"
        cause = "not compared" if row.verdict is Verdict.NOT_COMPARED else _CAUSES[self.cause]
        return f"{text}: {cause}"

    @property
    def details(self) -> str:
        """Both places, the figures and what was allowed, and the layer trees around."""
        lines = [f"  {name:<10} {text}" for name, text in self._facts()]
        if self.tree:
            lines += ["", self.tree]
        return "\n".join(lines)

    def __str__(self) -> str:
        return f"first divergence: {self.summary}\n{self.details}"

    def __repr__(self) -> str:
        return f"<Divergence {self.summary}>"

    def _facts(self) -> list[tuple[str, str]]:
        row, worst = self.row, self.worst
        facts = [("reference", _side(self.reference, row)), ("candidate", _side(self.candidate, row))]
        if row.figures is not None:
            facts.append(("measured", wording.measured(row.figures)))
        if worst is not None:
            facts.append(("worst", wording.worst(worst)))
        if row.figures is not None and row.figures.worst_row is not None:
            facts.append(("worst row", wording.worst_row(row.figures.worst_row)))
        if row.tolerance is not None and row.figures is not None:
            facts.append(("allowed", wording.allowed(row.tolerance)))
        beyond = [reason for reason in row.reasons if reason.cause in _AGAINST_ROUNDING]
        # Of what a user's own bounds fail, rounding may make as much; the sentence begins with that word.
        facts += [("rounding", sentences.sentence(one, row).removeprefix("rounding: ")) for one in beyond]
        if row.from_gold is not None:
            facts.append(("oracle", wording.from_gold(row.from_gold)))
        if row.rule is not None:
            facts.append(("layout", f"the reference's value after the rule {wording.plain(str(row.rule))}"))
        # For values that were measured it would repeat the figures.
        if row.reasons and (row.verdict is not Verdict.MISMATCH or row.figures is None):
            facts.append(("reason", wording.plain(sentences.reason(row))))
        if row.hints:
            facts.append(("probably", hint_sentences.probably(row)))
        facts += [("optimizer", wording.optimizer_difference(one)) for one in self._optimizer[:_SHOWN]]
        position = f", number {self.position} of the {self.compared} of its step" if self.position else ""
        facts.append(("coverage", self.coverage + position))
        return facts


# How a difference compares with rounding: a user's own bounds may be closer.
_AGAINST_ROUNDING = frozenset(
    {Cause.BEYOND_OWN_ERROR, Cause.BEYOND_NOISE, Cause.WITHIN_OWN_ERROR, Cause.WITHIN_NOISE}
)
# What an optimizer makes of gradients.
_AFTER_AN_OPTIMIZER = frozenset({Phase.OPTIMIZER, Phase.WEIGHTS})
_SHOWN = 8
_CAUSES = {
    Difference.VALUE: "the values differ",
    Difference.SHAPE: "the shapes differ",
    Difference.DTYPE: "the dtypes differ",
    Difference.STRUCTURE: "the structures differ",
    Difference.NONFINITE: "not finite",
    Difference.MISSING: "one side has none",
}


def _side(place: Optional[Place], row: Row) -> str:
    if place is None:
        return "has none"
    if wording.is_of_loaders(row):
        return ", ".join(str(part) for part in (wording.plain(place.slot), place.spec) if part)
    text = wording.layer(place)
    if place.spec is not None:
        text += f", {place.spec}"
    if wording.happens_in_a_call(row):
        text += f", call {place.call}"
    for word, source in (("made at", place.source), ("behind", place.behind)):
        if source is not None and source.line:
            text += f", {word} {wording.plain(str(source))}"
            text += f": {wording.plain(source.text.strip())}" if source.text else ""
    return text
