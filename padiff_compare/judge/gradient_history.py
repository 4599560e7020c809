"""Gradients of each parameter over the steps so far, on which an optimizer has built."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Optional

import numpy as np

from padiff_compare.judge.judge import SHIFT_ROOM
from padiff_compare.judge.measured import Measured
from padiff_compare.judge.noisy_elements import Flags, NoisyElements, Reals, offset_of
from padiff_compare.judge.tolerances import Explained
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Note, Reason, Row
from padiff_rpc.v1.words import CaptureKind, Cause, NoteKind, Omission, Pass, ToleranceSource, Verdict

# Two noisy elements part by two steps at each step, and no two parameters move alike.
_ROOM = 4.0


def rounding_notes(rows: Iterable[Row]) -> tuple[Note, ...]:
    """Returns how many weights were compared but for elements that an optimizer made of noise; () if none."""
    # Of two passes the one in lockstep decides.
    parts = {
        (row.reference, row.candidate)
        for row in rows
        if row.omission is Omission.MADE_OF_ROUNDING
        and row.verdict is not Verdict.NOT_COMPARED
        and not _is_second(row)
    }
    if not parts:
        return ()
    return (Note(kind=NoteKind.ELEMENTS_LEFT_OUT, numbers=(float(len(parts)),)),)


def _is_second(row: Row) -> bool:
    return bool(row.twin) and row.pass_kind is not Pass.LOCKSTEP


def within_shift(row: Row, shift: float) -> Row:
    """Returns a row that differs by no more than a bias that noise moved, as one that agrees.

    What has no gradient, the bias of an attention's keys or one before a BatchNorm, is taken away again by
    what follows; until then it shows.
    """
    is_within = row.verdict is Verdict.MISMATCH and row.figures is not None
    if not is_within or row.figures is None or not 0 < row.figures.max_abs <= SHIFT_ROOM * shift:
        return row
    reason = Reason(cause=Cause.MOVED_BIAS, numbers=(shift,))
    return dataclasses.replace(row, verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,))


def partly_excused(row: Row, excused: Flags) -> Row:
    """Returns the row of a weight without its noisy elements, which says that they were left out."""
    counts = float(np.count_nonzero(excused)), float(excused.size)
    left_out = Reason(cause=Cause.ELEMENTS_LEFT_OUT, numbers=counts)
    verdict = Verdict.WITHIN_TOLERANCE if row.verdict is Verdict.MATCH else row.verdict
    return dataclasses.replace(
        row, verdict=verdict, reasons=(*row.reasons, left_out), omission=Omission.MADE_OF_ROUNDING
    )


class GradientHistory:
    """By the candidate's full parameter names.

    Attributes:
        below_rounding: parameter that ever had a gradient of nothing but rounding -> how large that may be.
        relative_l2: the largest relative L2 between the two gradients, where they are more than rounding.
        random: weight -> the random operations, not shared by the sides, that had a part in its making.
        shifts: bias -> how far the two sides are apart at most, where noise drove them.
        offsets: layer -> bias -> candidate - reference where noise drove single elements of it, else 0.
        fed: buffer's layer -> how far apart what it takes has been at most, because of such biases.
    """

    def __init__(self) -> None:
        self.below_rounding: dict[str, float] = {}
        self.relative_l2: dict[str, float] = {}
        self.random: dict[str, str] = {}
        self.shifts: dict[str, float] = {}
        self.offsets: dict[str, dict[str, Reals]] = {}
        self.fed: dict[str, float] = {}
        self._elements: dict[str, NoisyElements] = {}

    def note(self, name: str, row: Row, floor: float) -> None:
        """Takes in the row of a parameter's gradient, and what rounding may come to in it."""
        if row.figures is None:
            return
        if row.verdict is Verdict.NOT_COMPARED:
            self.below_rounding[name] = max(floor, self.below_rounding.get(name, 0.0))
        else:
            self.relative_l2[name] = max(self.relative_l2.get(name, 0.0), row.figures.relative_l2)

    def note_elements(self, name: str, measured: Measured, floor: float) -> None:
        """Takes in which elements of a bias's gradient lie under `floor`.

        The user's bounds hold for noise too.
        """
        if measured.sizes is not None and measured.tolerance.source is not ToleranceSource.USER:
            noisy = self._elements.setdefault(name, NoisyElements(measured.sizes.larger.size))
            noisy.note(measured.sizes, floor)

    def noisy_elements(
        self, name: str, row: Row, reference: HostTensor, candidate: HostTensor, length: Optional[float]
    ) -> Optional[Flags]:
        """Returns the elements of a weight that are to be left out; None where it agrees, or none are.

        They were noise at every step, while others of the gradient were not, and lie no further apart than
        steps can have brought them: see `NoisyElements.excused`.
        """
        noisy = self._elements.get(name)
        if noisy is None or length is None or name in self.below_rounding or row.figures is None:
            return None
        excused = noisy.excused(reference, candidate, length)
        biases = self.offsets.setdefault(name.rpartition(".")[0], {})
        biases.pop(name, None)
        if not excused.any():
            return None
        biases[name] = np.where(excused, offset_of(reference, candidate), 0.0)
        return excused if row.verdict is Verdict.MISMATCH else None

    def explained(self, name: str, length: Optional[float]) -> Optional[Explained]:
        """Returns what may have driven the two sides of a parameter apart; None if nothing may.

        `length`: see `Explained`; None while there was no step.
        """
        error = self.relative_l2.get(name)
        return (
            Explained(gradient_relative_l2=error, length=length)
            if error is not None and length is not None
            else None
        )

    def excused(self, name: str, row: Row, largest_rms: float) -> Row:
        """Returns a weight's row, not compared where its values differ by chance or because of noise.

        An optimizer that divides by the gradient's size makes whole steps of noise, in any direction, but
        no longer ones than of other gradients (`largest_rms`, of any parameter, over all steps): a larger
        difference has another cause, and stays.
        """
        row = self.by_chance(name, row)
        if row.kind is CaptureKind.BUFFER:
            return within_shift(row, self.fed.get(name.rpartition(".")[0], 0.0))
        figures = row.figures
        if name not in self.below_rounding or figures is None:
            return row
        if row.verdict is Verdict.MISMATCH and figures.rmse <= _ROOM * largest_rms:
            row = dataclasses.replace(
                row,
                verdict=Verdict.NOT_COMPARED,
                reasons=(Reason(cause=Cause.GRADIENT_BELOW_ROUNDING),),
                counts=False,
                omission=Omission.MADE_OF_ROUNDING,
            )
        spec = row.candidate.spec if row.candidate is not None else None
        if spec is not None and len(spec.shape) == 1 and row.verdict is not Verdict.MISMATCH:
            self.shifts[name] = figures.max_abs
        return row

    def shift_of(self, path: str) -> float:
        """Returns how far apart the biases of a layer of the candidate are, where noise drove them."""
        return max((far for name, far in self.shifts.items() if name.rpartition(".")[0] == path), default=0.0)

    def by_chance(self, name: str, row: Row) -> Row:
        """Returns the row of a weight, or of what an optimizer keeps, not compared where chance made it.

        What chance made of a buffer is missed in the report; of a parameter, its gradient was already.
        """
        if name not in self.random or row.verdict is not Verdict.MISMATCH:
            return row
        return dataclasses.replace(
            row,
            verdict=Verdict.NOT_COMPARED,
            reasons=(Reason(cause=Cause.RANDOM, names=(self.random[name],)),),
            counts=row.counts and row.kind is CaptureKind.BUFFER,
            omission=Omission.RANDOM,
        )
