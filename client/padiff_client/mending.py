"""Next steps: lines to paste into a spec where what is known tells them, else the lines to edit."""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Optional

from padiff_client import function_sentences, wording
from padiff_client.divergence import Divergence
from padiff_client.frameworks import FRAMEWORKS
from padiff_rpc.v1.records import Hint, ModelFailure, Place, Row, SourceLine, Unmatched
from padiff_rpc.v1.words import HintKind, LoneKind, Phase, Side, Verdict

if TYPE_CHECKING:
    from padiff_client.report import Report

_SHAPES = frozenset({Verdict.SHAPE_MISMATCH})
_SHOWN = 2
# How like two lone layers must be, of 2: their names and their classes. And by how much more than others.
_CLOSE, _AHEAD = 1.2, 0.1
_AGAIN = "then compare again"
_MODES = frozenset({HintKind.TRAIN_MODE, HintKind.STATISTICS})


def lines(report: Report) -> list[str]:
    """Returns what to do next, each with what it does; none for a pass, and where nothing is known."""
    found = [*_modes(report), *_pairs(report), *_weights(report)] or _edits(report)
    return found[:_SHOWN]


def _modes(report: Report) -> list[str]:
    """Returns the mode that one side is to have, where the modes differ."""
    modes = {one.side: one.train for one in report.environments}
    if len(set(modes.values())) < 2:
        return []
    evals = next(side for side, train in modes.items() if not train)
    return [f"train: true under {evals}: (or train: false under both), which puts both into one mode"]


def _pairs(report: Report) -> list[str]:
    """Returns how layers without a partner are paired, or left out."""
    lone = [one for one in report.unmatched if one.counts]
    of = {side: [one for one in lone if one.side is side] for side in Side}
    references, candidates = of[Side.REFERENCE], of[Side.CANDIDATE]
    if not references or not candidates:
        return [_ignored(one) for one in lone[:1]]
    closest = _closest(references, candidates, _shapes(report))
    if closest is None:
        return [
            "write which of the layers without a partner belong together under layer_map: pairs: in the "
            "spec, or what is not to count under layer_map: ignore:"
        ]
    reference, candidate = closest
    pair = f"{_quoted(reference.path)}: {_quoted(candidate.path)}"
    return [f"layer_map: {{pairs: {{{pair}}}}} if these two are the same layer"]


def made_at(report: Report) -> dict[Side, SourceLine]:
    """Returns the lines that made the layers of the first divergence, or the optimizers where these differ.

    Of the sides where they are known; of what code between layers makes there are none.
    """
    divergence = report.first_divergence
    if divergence is None or divergence.row.between:
        return {}
    if is_of_optimizer(divergence.row):
        made = {one.side: one.optimizer_made for one in report.environments}
        return {side: line for side, line in made.items() if line is not None}
    places = ((Side.REFERENCE, divergence.reference), (Side.CANDIDATE, divergence.candidate))
    paths = {side: place.path for side, place in places if place is not None}
    return {
        side: place.source
        for side, place in _planned(report)
        if place.path == paths.get(side) and place.source is not None
    }


def _planned(report: Report) -> Iterator[tuple[Side, Place]]:
    """Yields the places of all layers of the plan, with their sides."""
    for pair in report.plan:
        for side, place in ((Side.REFERENCE, pair.reference), (Side.CANDIDATE, pair.candidate)):
            if place is not None:
                yield side, place


def is_of_optimizer(row: Row) -> bool:
    """Whether an optimizer made a difference, as far as is known."""
    settings = any(hint.kind is HintKind.OPTIMIZER_SETTING for hint in row.hints)
    return row.phase is Phase.OPTIMIZER or settings


_Shapes = dict[tuple[Side, str], tuple[int, ...]]


def _shapes(report: Report) -> _Shapes:
    """Returns the shapes of layers' outputs, their axes in any order, as frameworks have them."""
    return {
        (side, place.path): tuple(sorted(place.spec.shape))
        for side, place in _planned(report)
        if place.spec is not None
    }


def _closest(
    references: Sequence[Unmatched], candidates: Sequence[Unmatched], shapes: _Shapes
) -> Optional[tuple[Unmatched, Unmatched]]:
    """Returns the two that are most alike by name, class and shape; None where others are as much so."""
    found = sorted(
        (
            (_likeness(reference, candidate, shapes), reference, candidate)
            for reference in references
            for candidate in candidates
            if reference.what is candidate.what
        ),
        key=lambda one: -one[0],
    )
    if not found or found[0][0] < _CLOSE:
        return None
    best, reference, candidate = found[0]
    rivals = [one for one in found[1:] if (one[1] is reference) is not (one[2] is candidate)]
    return None if any(one[0] > best - _AHEAD for one in rivals) else (reference, candidate)


def _likeness(reference: Unmatched, candidate: Unmatched, shapes: _Shapes) -> float:
    known = {shapes.get((one.side, one.path)) for one in (reference, candidate)} - {None}
    if len(known) > 1:
        return 0.0
    names: float = difflib.SequenceMatcher(None, reference.path.casefold(), candidate.path.casefold()).ratio()
    ours, theirs = (f"{one.class_name} {one.name}".casefold() for one in (reference, candidate))
    return names + difflib.SequenceMatcher(None, ours, theirs).ratio()


def _ignored(one: Unmatched) -> str:
    what = "a layer" if one.what is LoneKind.CALL else "a weight"
    return (
        f"layer_map: {{ignore: {{{one.side}: [{_quoted(one.path)}]}}}} if {what} that only the "
        f"{one.side} has is meant"
    )


def _weights(report: Report) -> list[str]:
    """Returns the rule that carries a weight which has another layout on the other side."""
    row = report.first_divergence.row if report.first_divergence is not None else None
    if row is None or not _needs_rule(row) or _by_settings(report):
        return []
    assert row.reference is not None
    assert row.candidate is not None
    sizes = shapes_of(row)
    if sizes is not None and math.prod(sizes[0]) != math.prod(sizes[1]):
        path = row.candidate.path or "the root"
        size = list(sizes[0])
        return [f"make the candidate's {_with_line(path, report)} of the reference's size, {size}, {_AGAIN}"]
    names = f"reference: {_quoted(row.reference.path)}, candidate: {_quoted(row.candidate.path)}"
    return [
        f"layer_map: {{special_init: [{{{names}, function: 'my_rules:carry'}}]}}, with a NumPy function of "
        "yours that turns the reference's weights into the candidate's"
    ]


def shapes_of(row: Row) -> Optional[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Returns the shapes of both sides; None where one is not known."""
    specs = [place.spec for place in (row.reference, row.candidate) if place is not None]
    if len(specs) < 2 or specs[0] is None or specs[1] is None:
        return None
    return specs[0].shape, specs[1].shape


def _needs_rule(row: Row) -> bool:
    has_both = row.reference is not None and row.candidate is not None
    return has_both and row.phase is Phase.INITIAL_WEIGHTS and row.verdict in _SHAPES


def _edits(report: Report) -> list[str]:
    """Returns which lines of the models to look at and to change."""
    if report.failures:
        return [_after_failure(report.failures)]
    divergence = report.first_divergence
    if divergence is None:
        untold = report.inconclusive is not None and not report.troubles
        return [f"dtype: float32 under both models, which rounds less, {_AGAIN}"] if untold else []
    if wording.is_of_loaders(divergence.row):
        return [f"change one loader so that both give this batch alike, {_AGAIN}"]
    said = (_by_hint(hint, report, divergence) for hint in divergence.row.hints)
    return [next(filter(None, said), None) or _by_settings(report) or _by_lines(report, divergence)]


def _after_failure(failures: Sequence[ModelFailure]) -> str:
    """Returns what to correct where a model raised: the inputs, the spec, the environment or the code."""
    failed = failures[0]
    side = failed.side or "model"
    where = f" at {_at(failed.source)}" if failed.source is not None else ""
    if failed.phase is Phase.LOAD:
        if failed.exception == ModuleNotFoundError.__name__:
            return f"install what is missing into the {side}'s Python, or correct the import{where}, {_AGAIN}"
        return f"correct {side}.model or {side}.kwargs in the spec, or the code{where}, {_AGAIN}"
    if any(one.path == failed.path for one in failures[1:]):
        return f"correct the inputs, which neither model takes, or the code{where}, {_AGAIN}"
    if failed.source is None:
        return f"correct the inputs, which the {side} does not take, or its code, {_AGAIN}"
    return f"correct the {side}'s code{where}, {_AGAIN}"


def _by_hint(hint: Hint, report: Report, divergence: Divergence) -> str:
    """Returns the setting to change, where a hint names it."""
    path = (divergence.candidate or divergence.reference or Place(path="")).path or "the root"
    if hint.kind in _MODES:
        return f"put both models into one mode: the same train: under reference: and candidate:, {_AGAIN}"
    if hint.kind in (HintKind.EPSILON, HintKind.MOMENTUM):
        return _setting(report, path, str(hint.kind), f"{hint.numbers[0]:.6g}")
    if hint.kind is HintKind.SETTING:
        return _setting(report, path, *hint.names[:2])
    if hint.kind is HintKind.OPTIMIZER_SETTING:
        optimizer = _with_line("optimizer", report)
        return f"give the candidate's {optimizer} the reference's {hint.names[0]}, {hint.names[1]}, {_AGAIN}"
    return ""


def _by_settings(report: Report) -> str:
    """Returns the setting to change, where one differs at the first divergence."""
    divergence = report.first_divergence
    path = divergence.reference.path if divergence is not None and divergence.reference is not None else None
    for one in report.hyper_parameters:
        if one.reference_path == path:
            layer = one.candidate_path or "the root"
            return _setting(report, layer, one.name, one.reference)
    return ""


def _setting(report: Report, layer: str, name: str, value: str) -> str:
    frameworks = (one.worker.framework for one in report.environments if one.side is Side.CANDIDATE)
    framework = FRAMEWORKS.get(next(frameworks, ""))
    spelt = framework.spelled(name, value) if framework is not None else ""
    given = spelt or f"the reference's {name}, {value}"
    return f"give the candidate's {_with_line(layer, report)} {given}, {_AGAIN}"


def _with_line(layer: str, report: Report) -> str:
    made = _where_made(report)
    return f"{layer} ({made})" if made else layer


def _where_made(report: Report) -> str:
    """Returns "made at port.py:12": the line that makes the candidate's layer; "" where it is not known."""
    line = made_at(report).get(Side.CANDIDATE)
    return f"made at {_at(line)}" if line is not None else ""


def _by_lines(report: Report, divergence: Divergence) -> str:
    """Returns the candidate's line to edit, and the reference's to follow."""
    found = [one for one in report.findings if function_sentences.is_of(one, divergence.row)]
    edit = function_sentences.edit(found[0]) if found else ""
    if edit:
        return f"{edit}, {_AGAIN}"
    calls = (found[0].candidate_call, found[0].reference_call) if found else (None, None)
    ours, theirs = (
        (call.source if call is not None and call.source is not None and call.source.line else _line(place))
        for call, place in zip(calls, (divergence.candidate, divergence.reference))
    )
    what = wording.place_of(divergence.row)
    if ours is None:
        return f"compare how the two models make {what}; correct the candidate, {_AGAIN}"
    # A finding names the call itself.
    called = ", ".join(filter(None, ("or the layer that it calls", _where_made(report))))
    layer = "" if found else f" ({called})"
    if theirs is None:
        return f"correct {_at(ours)}{layer}, {_AGAIN}"
    return f"make {_at(ours)}{layer} do what {_at(theirs)} does, {_AGAIN}"


def _line(place: Optional[Place]) -> Optional[SourceLine]:
    found = (place.source, place.behind) if place is not None else ()
    return next((one for one in found if one is not None and one.line), None)


def _at(source: SourceLine) -> str:
    return wording.plain(f"{os.path.basename(source.file)}:{source.line}")


def _quoted(path: str) -> str:
    """Returns a path as YAML takes it in a flow."""
    is_plain = bool(path) and path.replace(".", "").replace("_", "").isalnum() and not path[0].isdigit()
    return path if is_plain else json.dumps(path, ensure_ascii=False)
