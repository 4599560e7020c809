"""Reasons why a report is not a pass, also where no tensor differs."""

from __future__ import annotations

from collections.abc import Sequence

from padiff_client import sentences, wording
from padiff_rpc.v1.records import Coverage, ModelFailure, PlanPair, ReportSummary, Row, Trouble, Unmatched
from padiff_rpc.v1.words import Side, Verdict

_SHOWN = 5
_NAMED = 3


def reasons(summary: ReportSummary, rows: Sequence[Row]) -> tuple[str, ...]:
    """Returns a sentence for each thing that keeps the report from being a pass, gravest first."""
    found = [failure(one) for one in summary.failures]
    found += [trouble(one) for one in summary.troubles]
    # No exception comes of modes that differ, and most other differences do.
    found += _modes(summary)
    found += _differing(rows)
    found += _missed(rows)
    counting = [unmatched(one) for one in summary.unmatched if one.counts]
    found += counting[:_SHOWN]
    if len(counting) > _SHOWN:
        found.append(f"{len(counting) - _SHOWN} more without a partner")
    found += _gaps(summary.coverage)
    found += _inconclusive(summary)
    return tuple(found) or ("the coordinator judged so and gave no reason",)


def _inconclusive(summary: ReportSummary) -> list[str]:
    one = summary.inconclusive
    if one is None:
        return []
    return [
        f"{wording.count(one.places, 'place')} cannot be judged: rounding alone reaches "
        f"{wording.share(one.rounding)} there; the first is {wording.moment_of(one.first)}, "
        f"{wording.place_of(one.first)}"
    ]


def _modes(summary: ReportSummary) -> list[str]:
    modes = {one.side: "train" if one.train else "eval" for one in summary.environments}
    if len(set(modes.values())) < 2:
        return []
    each = ", ".join(f"the {side} in {mode} mode" for side, mode in modes.items())
    return [f"{each}: they compute differently; give both the same train"]


def failure(one: ModelFailure) -> str:
    """Returns what a user's model raised, and where."""
    side = f"the {one.side}" if one.side is not None else "a model"
    where = f" in {wording.plain(one.path)}" if one.path else ""
    moment = wording.moment(one.phase, one.step)
    return f"{side} raised {wording.plain(one.exception)}{where} ({moment}): {wording.plain(one.text)}"


def trouble(one: Trouble) -> str:
    """Returns what ended the comparison early."""
    side = f"the {one.side}, " if one.side is not None else ""
    return f"{side}{wording.moment(one.phase, one.step)}: {wording.plain(one.text)}"


def unmatched(one: Unmatched) -> str:
    """Returns what has no partner."""
    place = wording.plain(one.path) or "the root"
    name = f" {wording.plain(one.name)}" if one.name else ""
    text = f"only the {one.side} has the {one.what}{name} of {place}"
    if one.class_name:
        text += f" ({wording.plain(one.class_name)})"
    return f"{text}: {wording.plain(sentences.reason(one))}" if one.reasons else text


def containers(lone: Sequence[Unmatched], plan: Sequence[PlanPair]) -> tuple[list[str], list[Unmatched]]:
    """Returns a sentence for each side's layers that only hold others, and the rest of `lone`."""
    holding = {
        side: {
            around
            for pair in plan
            for place in [pair.reference if side is Side.REFERENCE else pair.candidate]
            if place is not None
            for around in _around(place.path)
        }
        for side in Side
    }
    texts, rest = [], list(lone)
    for side in Side:
        found = {one.path: one for one in lone if one.side is side and one.path in holding[side]}
        if len(found) > 1:
            rest = [one for one in rest if not (one.side is side and one.path in found)]
            shown = ", ".join(wording.plain(path) for path in list(found)[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            texts.append(
                f"only the {side} has {len(found)} layers that hold others: {shown}{more}; what they hold "
                "is paired on its own"
            )
    return texts, rest


def _around(path: str) -> list[str]:
    """Returns the paths of the layers around a layer, without the root's."""
    parts = path.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _differing(rows: Sequence[Row]) -> list[str]:
    numbers: dict[str, int] = {}
    for row in rows:
        if row.counts and row.verdict in wording.FAILING:
            numbers[str(row.phase)] = numbers.get(str(row.phase), 0) + 1
    if not numbers:
        return []
    parts = ", ".join(f"{number} in {phase.replace('_', ' ')}" for phase, number in numbers.items())
    return [f"{wording.count(sum(numbers.values()), 'comparison')} failed: {parts}"]


def _missed(rows: Sequence[Row]) -> list[str]:
    """Returns what had to be compared and was not, by reason."""
    missed: dict[str, list[Row]] = {}
    for row in rows:
        if row.counts and row.verdict is Verdict.NOT_COMPARED:
            missed.setdefault(sentences.reason(row), []).append(row)
    return [
        f"not compared: {wording.place_of(same[0])}"
        + (f" and {len(same) - 1} more" if len(same) > 1 else "")
        + f": {wording.plain(reason)}"
        for reason, same in missed.items()
    ][:_SHOWN]


def _gaps(coverage: Coverage) -> list[str]:
    gaps = []
    for noun in ("root_outputs", "losses", "parameters", "buffers"):
        compared, total = getattr(coverage, f"{noun}_compared"), getattr(coverage, f"{noun}_total")
        if compared < total:
            gaps.append(f"only {compared} of {total} {noun.replace('_', ' ')} were compared")
    if not coverage.tensors_compared:
        gaps.append("nothing was compared")
    return gaps
