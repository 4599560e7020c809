"""The prober of a comparison: sees each pair while its tensors are there, and settles the hints of rows."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Optional

from padiff_compare.hints.clues import (
    MOST_ELEMENTS,
    Clues,
    Reals,
    corner,
    looked_at,
    relative_l2,
    roundings_of,
)
from padiff_compare.hints.functions import ACTIVATIONS
from padiff_compare.hints.memory import Entered, Matrices, Memory, rows_of
from padiff_compare.hints.norms import Settings, variance_of
from padiff_compare.hints.registry import UNKNOWN, found, ranked
from padiff_compare.hints.settings import LayerFacts, SettingsTold, Sides
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.judge.evidence import Evidence, Measured
from padiff_compare.judge.judge import judge
from padiff_compare.judge.judged_row import differs
from padiff_compare.judge.measured import Aspect, ShownAt
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Hint, Note, Options, Row
from padiff_rpc.v1.words import CaptureKind, HintKind, NoteKind, Pass, Phase, Side, Verdict

# Of each phase so many pairs that differ are looked at: in a free run one fault makes thousands of them.
# Those that are near, which rounding may still explain, are counted by themselves.
MOST_PROBED = 32
_NEAR_ROUNDINGS = 128.0
# Each pair of these is a fault of its own, whatever run it is of.
_AT_FIRST_HAND = frozenset({Phase.INPUTS, Phase.INITIAL_WEIGHTS})
_VALUES = frozenset({CaptureKind.INPUT, CaptureKind.OUTPUT})
_LINEAR = "linear"
_DIFFER = frozenset({Verdict.MISMATCH, Verdict.SHAPE_MISMATCH, Verdict.DTYPE_MISMATCH, Verdict.NONFINITE})


class Prober:
    """Hints of one comparison. One thread uses it."""

    def __init__(
        self,
        options: Options,
        sides: Sides,
        told: SettingsTold,
        foreseen: Callable[[], Optional[JoinedCalls]],
    ) -> None:
        """`told`: what the report knows of settings; `foreseen`: the calls that passes are expected to make.

        Both are asked when it comes to it.
        """
        self._options = options
        self._facts = LayerFacts(sides)
        self._told = told
        self._foreseen = foreseen
        self._memory, self._matrices = Memory(), Matrices()
        self._entered: Optional[Entered] = None
        self._probed: Counter[tuple[Phase, bool]] = Counter()
        # A row that fails was not looked at.
        self._is_limited = False
        # The first row that fails of each phase of a free run.
        self._hinted: set[tuple[int, Phase]] = set()

    def _inputs(self) -> Optional[Entered]:
        """Of linear layers and activations some rows are kept, of norms whose epsilons differ variances.

        None while nobody knows which calls there will be.
        """
        if self._entered is None:
            foreseen = self._foreseen()
            if foreseen is not None:
                told = self._told.hyper_parameters
                norms = {one.reference_path for one in told if one.name == "epsilon"}
                paths = norms | self._facts.of_kinds(_LINEAR, *ACTIVATIONS)
                self._entered = Entered(foreseen.ordered[Side.REFERENCE], paths)
        return self._entered

    def probe(
        self, aspect: Aspect, measured: Measured, reference: HostTensor, candidate: HostTensor
    ) -> tuple[Hint, ...]:
        """Returns what a pair that differs may be; () for one that agrees, and beyond the limit."""
        shown = aspect.shown
        if shown is None:
            return ()
        paths = shown.reference, shown.candidate
        now, before = self._memory.note(aspect.kind, shown, reference, candidate)
        if aspect.kind is CaptureKind.PARAMETER and self._facts.kinds(*paths)[0] == _LINEAR:
            self._matrices.note(f"{shown.reference}.{shown.slot}".lstrip("."), reference)
        entered = self._enter(shown, reference) if aspect.kind in _VALUES else None
        evidence = Evidence(kind=aspect.kind, measured=measured)
        if not judge(evidence, self._options).differs:
            return ()
        roundings = roundings_of(reference.dtype, candidate.dtype)
        figures = measured.figures
        is_near = figures is not None and figures.relative_l2 <= _NEAR_ROUNDINGS * roundings
        self._probed[aspect.phase, is_near] += 1
        if self._probed[aspect.phase, is_near] > MOST_PROBED:
            return ()
        kinds, settings = self._layers(shown)
        clues = Clues(
            evidence=evidence,
            kinds=kinds,
            settings=settings,
            name=shown.slot,
            vectors=self._memory.vectors(shown.reference),
            now=now,
            before=before,
            roundings=roundings,
        )
        if entered is not None:
            clues = self._with_input(clues, shown, reference, entered)
        return found(clues, *looked_at(reference, candidate)) or (UNKNOWN,)

    def _with_input(self, clues: Clues, shown: ShownAt, reference: HostTensor, entered: Reals) -> Clues:
        """Returns the clues with what was kept of the layer's input."""
        if clues.kinds[0] == _LINEAR:
            if reference.array.size > MOST_ELEMENTS:
                return clues  # of what is left the rows are others
            name = f"{shown.reference}.weight".lstrip(".")
            product = self._matrices.product(name, reference.dtype, entered)
            return dataclasses.replace(clues, product=product)
        if clues.kinds[0] in ACTIVATIONS:
            is_whole = reference.array.size <= MOST_ELEMENTS
            return dataclasses.replace(clues, entered=entered) if is_whole else clues
        return dataclasses.replace(clues, variance=entered[corner(reference.array.shape)])

    def _enter(self, shown: ShownAt, reference: HostTensor) -> Optional[Reals]:
        """Keeps something of what layers are called with; returns what was kept for one that returns."""
        inputs = self._inputs()
        if inputs is None:
            return None
        for entry in inputs.entries(shown):
            kind = self._facts.kinds(entry.reference, entry.candidate)[0]
            is_of_rows = kind == _LINEAR or kind in ACTIVATIONS
            kept = rows_of(reference) if is_of_rows else variance_of(*self._layers(entry), reference)
            inputs.enter(entry, kept)
        return inputs.leave(shown)

    def _layers(self, shown: ShownAt) -> tuple[tuple[str, str], Settings]:
        """Returns the kinds and the settings of the layers at a place."""
        paths = shown.reference, shown.candidate
        return self._facts.kinds(*paths), self._facts.settings(*paths)

    def notes(self) -> tuple[Note, ...]:
        """Returns how many pairs were looked at, where more would have had hints."""
        if not self._is_limited:
            return ()
        return (Note(kind=NoteKind.HINTS_LIMITED, numbers=(float(MOST_PROBED),)),)

    def settled(self, row: Row) -> Row:
        """Returns a final row with its hints in order; without any where it is no fault of its own."""
        if not (row.counts and differs(row)) or row.verdict not in _DIFFER:
            return dataclasses.replace(row, hints=()) if row.hints else row
        if row.pass_kind is Pass.FREE and not row.twin and row.phase not in _AT_FIRST_HAND:
            if (row.step, row.phase) in self._hinted:
                return dataclasses.replace(row, hints=())
            self._hinted.add((row.step, row.phase))
        values = [hint for hint in row.hints if hint.kind is not HintKind.UNKNOWN]
        hints = ranked([*self._swapped(row), *values], self._facts.hints(row, self._told))
        was_looked_at = bool(row.hints) or hints != (UNKNOWN,)
        was_full = any(self._probed[row.phase, near] > MOST_PROBED for near in (False, True))
        self._is_limited |= was_full and not row.hints and row.figures is not None
        return dataclasses.replace(row, hints=hints if was_looked_at else ())

    def _swapped(self, row: Row) -> tuple[Hint, ...]:
        """Returns whether the reference has the candidate's weight in another place."""
        is_weight = row.kind in (CaptureKind.PARAMETER, CaptureKind.BUFFER)
        if not is_weight or row.candidate is None:
            return ()
        path = row.candidate.path
        at = self._memory.elsewhere(row.kind, path, self._facts.weight_name(path, row.candidate.slot))
        if at is None:
            return ()
        shown, own = at
        before = relative_l2(own.reference, own.candidate)
        names = (f"{shown.reference}.{shown.slot}".lstrip("."),)
        return (Hint(kind=HintKind.SWAPPED, names=names, verified=True, before=before),)
