"""Each place with both of its errors: accumulated, on the candidate's own values, and local."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from padiff_client import hint_sentences, wording
from padiff_rpc.records import record
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import Pass, Phase, Verdict

FAULT, ACCUMULATION, AGREES = "a fault", "accumulation", "agrees"
NOT_JUDGED, NOT_COMPARED, UNTOLD = "not judged here", "not compared", "cannot be told"
_SHOWN = 8
_HEAD = "accumulated  local        (relative L2)"


@record
class PlaceErrors:
    """One place of one step, as the step's two passes show it.

    Attributes:
        accumulated: the row of the free run, where all errors before it have part.
        local: the row on the reference's own values, weights and optimizer state; where a layer around the
            call is charged with it, that layer's.
    """

    accumulated: Optional[Row] = None
    local: Optional[Row] = None

    @property
    def row(self) -> Row:
        """The row that tells more: the local one where it fails, is inconclusive, or is the only one."""
        telling = wording.FAILING | {Verdict.INCONCLUSIVE}
        local_tells = self.local is not None and self.local.verdict in telling
        row = self.local if local_tells else self.accumulated or self.local
        assert row is not None
        return row

    @property
    def meaning(self) -> str:
        """Returns "a fault", "accumulation", "agrees", "not judged here", "not compared" or
        "cannot be told".

        What a fault made is judged where it was made, and not where the same tensor shows again.
        """
        rows = [row for row in (self.local, self.accumulated) if row is not None]
        if any(row.counts and row.verdict in wording.FAILING for row in rows):
            return FAULT
        if self.local is not None and self.local.verdict is Verdict.INCONCLUSIVE:
            return UNTOLD
        if self.accumulated is not None and self.accumulated.verdict is Verdict.MISMATCH:
            return ACCUMULATION if self.local is not None and _agrees(self.local) else NOT_JUDGED
        return AGREES if any(map(_agrees, rows)) else NOT_COMPARED

    def __str__(self) -> str:
        return f"{wording.moment_of(self.row)}: {wording.place_of(self.row)}: {self.meaning}"


def places(rows: Iterable[Row]) -> tuple[PlaceErrors, ...]:
    """Returns what two passes say of each place, by step, in the order of the free run's rows."""
    found: dict[tuple[int, int], dict[Pass, Row]] = {}
    for row in rows:
        if row.twin:
            found.setdefault((row.step, row.twin), {})[row.pass_kind] = row
    return tuple(
        PlaceErrors(accumulated=of.get(Pass.FREE), local=of.get(Pass.LOCKSTEP)) for of in found.values()
    )


def all_places(rows: Sequence[Row]) -> Iterator[PlaceErrors]:
    """Yields `places`, then each row of a step of one pass as a place of its own."""
    yield from places(rows)
    yield from (PlaceErrors(accumulated=row) for row in rows if not row.twin)


def judged(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Returns the rows without those of a free run that a row of the same place in lockstep stands for."""
    local = {(row.step, row.twin) for row in rows if row.twin and row.pass_kind is Pass.LOCKSTEP}
    return tuple(
        row
        for row in rows
        if row.pass_kind is Pass.LOCKSTEP
        or (row.step, row.twin) not in local
        or (row.counts and row.verdict in wording.FAILING)
    )


def summary(found: Sequence[PlaceErrors]) -> list[str]:
    """Returns lines for a terminal: the verdict in words, the faults, the worst of each phase else."""
    if not found:
        return []
    faults = [one for one in found if one.meaning == FAULT]
    shown = [*faults[:_SHOWN], *_worst(one for one in found if one.meaning != FAULT)]
    lines = [_in_words(found), _HEAD, *map(_line, shown)]
    if len(faults) > _SHOWN:
        lines.append(f"... {len(faults) - _SHOWN} more faults (report.faults); all places: report.places")
    return lines


def _line(one: PlaceErrors) -> str:
    return f"{_l2(one.accumulated)}{_l2(one.local)}{one}{hint_sentences.likeliest(one.row)}"


def _in_words(found: Sequence[PlaceErrors]) -> str:
    faults = sum(one.meaning == FAULT for one in found)
    grown = sum(one.meaning == ACCUMULATION for one in found)
    text = f"{wording.count(faults, 'place')} at fault" if faults else "no fault in the steps"
    if grown:
        one, two = ("differs", "agrees") if grown == 1 else ("differ", "agree")
        alone = f"{one} by accumulation alone, and {two} on the reference's own values"
        text += f"; {wording.count(grown, 'place')} {alone}"
    return text


def _worst(found: Iterable[PlaceErrors]) -> list[PlaceErrors]:
    """Returns the place of each phase whose accumulated error is the largest."""
    worst: dict[Phase, tuple[float, PlaceErrors]] = {}
    for one in found:
        row = one.accumulated
        if row is None or row.figures is None or row.verdict is Verdict.NOT_COMPARED:
            continue
        error = row.figures.relative_l2
        if error > worst.get(row.phase, (0.0, one))[0]:
            worst[row.phase] = (error, one)
    return [one for _, one in worst.values()]


def _agrees(row: Row) -> bool:
    return row.verdict in (Verdict.MATCH, Verdict.WITHIN_TOLERANCE)


def _l2(row: Optional[Row]) -> str:
    figures = row.figures if row is not None else None
    return f"{wording.small(figures.relative_l2) if figures is not None else '-':<13}"
