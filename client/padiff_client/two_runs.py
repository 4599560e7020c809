"""Two runs against each other: what became of each place, and what was different from the start."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Optional

from padiff_client import wording
from padiff_client.places import (
    ACCUMULATION,
    AGREES,
    FAULT,
    NOT_COMPARED,
    NOT_JUDGED,
    UNTOLD,
    PlaceErrors,
    all_places,
)
from padiff_rpc.records import Word, record
from padiff_rpc.v1.records import Environment, PlanPair

if TYPE_CHECKING:
    from padiff_client.report import Report
    from padiff_compare.report.kept_run import RunHead

_Key = tuple[Any, ...]
# The graver the higher.
_GRAVITY = {AGREES: 0, NOT_JUDGED: 1, ACCUMULATION: 1, UNTOLD: 2, FAULT: 3}
# An error that moves by less, in a place that differs in both runs, is the same one.
_FACTOR = 2.0


class Change(Enum):
    """What became of a place from the run before to the run after."""

    WORSE = "worse"
    BETTER = "better"
    # Compared in the run after alone, or in the run before alone.
    NEW = "new"
    GONE = "gone"
    SAME = "same"


@record
class PlaceChange:
    """One place in both runs; None: that run has no such place."""

    before: Optional[PlaceErrors]
    after: Optional[PlaceErrors]
    change: Change


@record
class SettingChange:
    """Something besides the tensors in which the two runs differ.

    Attributes:
        part: what has it, as a reader knows it: "options", "reference", the paths of a pair of layers.
        before, after: as text; empty where that run has nothing of the kind.
    """

    part: str
    name: str
    before: str
    after: str


def place_changes(before: Report, after: Report) -> list[PlaceChange]:
    """Returns every place of both runs, those of the run after first, in its order.

    Places are the same where step, phase and kind are, and the reference's layer, call and slot; of what the
    reference does not have, the candidate's.
    """
    earlier = dict(_by_key(before))
    found = []
    for key, place in _by_key(after):
        partner = earlier.pop(key, None)
        found.append(PlaceChange(before=partner, after=place, change=change(partner, place)))
    found += [PlaceChange(before=place, after=None, change=change(place, None)) for place in earlier.values()]
    return found


def change(before: Optional[PlaceErrors], after: Optional[PlaceErrors]) -> Change:
    """Returns what became of a place: graver, or no longer as grave, or further apart by a factor of two."""
    was, now = (
        place.meaning if place is not None and place.meaning != NOT_COMPARED else None
        for place in (before, after)
    )
    if was is None or now is None:
        return Change.SAME if was is now else Change.NEW if was is None else Change.GONE
    if _GRAVITY[was] != _GRAVITY[now]:
        return Change.WORSE if _GRAVITY[now] > _GRAVITY[was] else Change.BETTER
    if now == AGREES:
        return Change.SAME
    assert before is not None
    assert after is not None
    small, large = _error(before), _error(after)
    if large > _FACTOR * small:
        return Change.WORSE
    return Change.BETTER if small > _FACTOR * large else Change.SAME


def setting_changes(before: tuple[RunHead, Report], after: tuple[RunHead, Report]) -> list[SettingChange]:
    """Returns in what else two runs differ: options, models, environments, settings and pairs of layers."""
    earlier, later = (dict(_settings(*run)) for run in (before, after))
    names = [*later, *(name for name in earlier if name not in later)]
    return [
        SettingChange(part=part, name=name, before=was, after=now)
        for part, name in names
        for was, now in [(earlier.get((part, name), ""), later.get((part, name), ""))]
        if was != now
    ]


def _by_key(report: Report) -> Iterator[tuple[_Key, PlaceErrors]]:
    seen: Counter[_Key] = Counter()
    for place in all_places(report.all_rows):
        row = place.row
        side = row.reference or row.candidate
        where = (row.reference is not None, side.path, side.call, side.slot) if side is not None else ()
        key = (row.step, row.phase, row.kind, *where)
        seen[key] += 1
        yield (*key, seen[key]), place


def _error(place: PlaceErrors) -> float:
    figures = place.row.figures
    if figures is None:
        return 0.0
    return figures.relative_l2 if math.isfinite(figures.relative_l2) else math.inf


def _settings(head: RunHead, report: Report) -> Iterator[tuple[tuple[str, str], str]]:
    """Yields what a run was made with, by what has it and what it is called."""
    yield ("reference", "model"), head.reference
    yield ("candidate", "model"), head.candidate
    for field in fields(head.options):
        yield ("options", field.name), _told(getattr(head.options, field.name))
    yield ("steps", "finished"), str(len(report.steps))
    for one in report.environments:
        for name, value in _environment(one):
            yield (str(one.side), name), _told(value)
    for two in report.hyper_parameters:
        part = _paths(two.reference_path, two.candidate_path)
        yield (part, two.name), f"{two.reference} / {two.candidate}"
    for pair in report.plan:
        yield _pairing(pair)


def _environment(one: Environment) -> Iterator[tuple[str, Any]]:
    worker = one.worker
    yield "framework", f"{worker.framework} {worker.framework_version}"
    yield "Python", worker.python_version
    yield "NumPy", worker.numpy_version
    yield "device", one.device
    yield "mode", "train" if one.train else "eval"
    yield "seed", one.seed
    yield "flags", ", ".join(one.flags)
    yield "host", worker.host
    yield "interpreter", worker.executable


def _pairing(pair: PlanPair) -> tuple[tuple[str, str], str]:
    side = "reference" if pair.reference is not None else "candidate"
    place = pair.reference or pair.candidate
    partner = pair.candidate if pair.reference is not None else None
    path = place.path if place is not None else ""
    told = wording.plain(partner.path) or "the root" if partner is not None else "no partner"
    return (wording.plain(path) or "the root", f"partner of the {side}'s layer"), told


def _paths(reference: str, candidate: str) -> str:
    one, other = (wording.plain(path) or "the root" for path in (reference, candidate))
    return one if one == other else f"{one} / {other}"


def _told(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Word):
        return wording.words(value)
    if isinstance(value, tuple):
        return ", ".join(map(_told, value))
    return wording.plain(str(value))
