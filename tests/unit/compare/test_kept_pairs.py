"""Which tensors a client gets: by policy, by place, and by how much room there is."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

import numpy as np
import pytest

from padiff_compare.judge.evidence import Evidence, Measured
from padiff_compare.judge.judged_row import blank_row, judged_row
from padiff_compare.judge.measured import Aspect, ShownAt, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.report.builder import KeptTensor
from padiff_compare.report.kept_pairs import KeepingAsked, PairHolder
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import KeptPair, Options, Place, Row, ShownBy
from padiff_rpc.v1.words import CallMoment, CaptureKind, KeptTensors, Pass, Phase

OPTIONS = Options()
MANY = 1 << 30
# Of the tensors below.
BYTES = 4 * 4
PHASES = {
    CaptureKind.INPUT_GRADIENT: Phase.BACKWARD,
    CaptureKind.OUTPUT_GRADIENT: Phase.BACKWARD,
    CaptureKind.PARAMETER_GRADIENT: Phase.GRADIENTS,
}
Told = list[Any]


class Pairs:
    """Pairs as a pass measures them, and the rows that come of it."""

    def __init__(self, which: KeptTensors, limit: int = MANY, held: int = MANY) -> None:
        self.told: Told = []
        asked = KeepingAsked(which=which, limit_bytes=limit)
        self._holder = PairHolder(asked, OPTIONS, self.told.append, held_bytes=held)
        self._probe = self._holder.watching(lambda *_: ())
        self.rows: list[Row] = []

    def add(
        self, kind: CaptureKind, path: str, *, call: int = 0, wrong: bool = False, **changes: Any
    ) -> None:
        reference = HostTensor.from_array(np.arange(4, dtype=np.float32) + len(self.rows))
        candidate = HostTensor.from_array(reference.array * (2 if wrong else 1))
        phase = PHASES.get(kind, Phase.FORWARD)
        moment = None if kind is CaptureKind.PARAMETER_GRADIENT else CallMoment.EXIT
        shown = ShownAt(reference=path, candidate=path, slot="0", moment=moment, call=call)
        measured = measure_pair(
            Aspect(phase=phase, kind=kind, shown=shown),
            reference,
            candidate,
            tolerances=Tolerances(OPTIONS),
            probe=self._probe,
        )
        self.rows.append(row_of(measured, phase, kind, path, call, **changes))

    def shown(self, first: int = 0) -> list[int]:
        """Returns which rows the client is told the tensors of, when all are final."""
        self._holder.shown(first, self.rows)
        self.rows = []
        return [one.row for one in self.told if isinstance(one, KeptPair)]


def row_of(
    measured: Measured,
    phase: Phase,
    kind: CaptureKind,
    path: str,
    call: int,
    *,
    counts: bool = True,
    pass_kind: Pass = Pass.FREE,
    charged_to: Optional[str] = None,
) -> Row:
    place = Place(path=path, call=call)
    if charged_to is not None:
        place = Place(path=charged_to, call=9, shown_by=ShownBy(path=path, call=call))
    frame = blank_row(phase, kind, place, place, pass_kind=pass_kind)
    row = judged_row(frame, Evidence(kind=kind, measured=measured), OPTIONS)
    # What happens to a row behind its judgement.
    return dataclasses.replace(row, order=3, counts=row.counts and counts, twin=5)


INPUT, OUTPUT = CaptureKind.INPUT, CaptureKind.OUTPUT


def test_of_a_failing_output_the_inputs_of_its_call_are_kept() -> None:
    pairs = Pairs(KeptTensors.FAILING)
    pairs.add(INPUT, "a")
    pairs.add(OUTPUT, "a")
    pairs.add(INPUT, "b", call=0)
    pairs.add(OUTPUT, "b", call=0)
    pairs.add(INPUT, "b", call=1)
    pairs.add(OUTPUT, "b", call=1, wrong=True)
    pairs.add(INPUT, "b", call=1, pass_kind=Pass.LOCKSTEP)
    assert pairs.shown(first=100) == [105, 104]


def test_of_failing_gradients_what_their_layer_was_given_is_kept() -> None:
    pairs = Pairs(KeptTensors.FAILING)
    pairs.add(INPUT, "a", call=0)
    pairs.add(INPUT, "a", call=1)
    pairs.add(OUTPUT, "a", call=1)
    pairs.add(CaptureKind.OUTPUT_GRADIENT, "a", call=1)
    pairs.add(CaptureKind.INPUT_GRADIENT, "a", call=1, wrong=True)
    assert sorted(pairs.shown()) == [1, 3, 4]
    pairs.told.clear()
    pairs.add(INPUT, "a", call=0)
    pairs.add(INPUT, "a", call=1)
    pairs.add(INPUT, "b", call=0)
    pairs.add(CaptureKind.OUTPUT_GRADIENT, "a", call=1)
    pairs.add(CaptureKind.PARAMETER_GRADIENT, "a", wrong=True)
    assert sorted(pairs.shown()) == [0, 1, 3, 4]


def test_of_what_is_charged_to_a_layer_around_the_call_that_shows_it_counts() -> None:
    pairs = Pairs(KeptTensors.FAILING)
    pairs.add(INPUT, "a.b")
    pairs.add(INPUT, "a", call=9)
    pairs.add(OUTPUT, "a.b", wrong=True, charged_to="a")
    assert sorted(pairs.shown()) == [0, 2]


def test_what_differs_and_does_not_count_is_not_kept() -> None:
    pairs = Pairs(KeptTensors.FAILING)
    pairs.add(OUTPUT, "a", wrong=True, counts=False)
    assert pairs.shown() == []


def test_a_tensor_is_told_once_and_before_its_pairs() -> None:
    pairs = Pairs(KeptTensors.ALL)
    pairs.add(OUTPUT, "a")
    pairs.add(OUTPUT, "b")
    pairs.shown()
    kinds = [type(one) for one in pairs.told]
    assert kinds == [KeptTensor, KeptTensor, KeptPair] * 2
    numbers = [one.number for one in pairs.told if isinstance(one, KeptTensor)]
    assert numbers == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("room", "kept"), [(1, []), (2, [1]), (4, [1, 3]), (6, [1, 3, 0]), (8, [1, 3, 0, 2])]
)
def test_where_there_is_room_for_some_those_that_fail_come_first(room: int, kept: list[int]) -> None:
    pairs = Pairs(KeptTensors.FAILING, limit=room * BYTES)
    for path, wrong in (("a", False), ("a", True), ("b", False), ("b", True)):
        pairs.add(OUTPUT if wrong else INPUT, path, wrong=wrong)
    assert pairs.shown() == kept


def test_the_limit_is_of_the_whole_run() -> None:
    pairs = Pairs(KeptTensors.FAILING, limit=2 * BYTES)
    for step in range(2):
        pairs.add(OUTPUT, "a", wrong=True)
        pairs.shown(first=step)
    assert [one.row for one in pairs.told if isinstance(one, KeptPair)] == [0]


def test_what_agrees_gives_way_but_for_the_inputs_of_what_differs() -> None:
    # Room for three pairs.
    pairs = Pairs(KeptTensors.FAILING, held=6 * BYTES)
    pairs.add(INPUT, "a")
    pairs.add(OUTPUT, "a", wrong=True)
    for number in range(20):
        pairs.add(OUTPUT, f"healthy{number}")
    pairs.add(OUTPUT, "b", wrong=True)
    assert sorted(pairs.shown()) == [0, 1, 22]


def test_where_everything_differs_the_first_stay() -> None:
    pairs = Pairs(KeptTensors.FAILING, held=4 * BYTES)
    for number in range(5):
        pairs.add(OUTPUT, f"wrong{number}", wrong=True)
    assert sorted(pairs.shown()) == [0, 1]
