"""Rows of a free run, beside the rows of their places on the reference's own values."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from padiff_compare.steps.step_pass import Twins
from padiff_rpc.v1.records import Figures, Note, Place, Reason, Row, TensorSpec
from padiff_rpc.v1.words import CaptureKind, Cause, DType, NoteKind, Pass, Phase, Verdict

OK, OFF, LEFT_OUT = Verdict.WITHIN_TOLERANCE, Verdict.MISMATCH, Verdict.NOT_COMPARED


def row(
    verdict: Verdict = OK, path: str = "fc", kind: CaptureKind = CaptureKind.OUTPUT, **given: object
) -> Row:
    place = Place(path=path, slot="0")
    frame = Row(
        step=0, phase=Phase.FORWARD, kind=kind, order=0, verdict=verdict, reference=place, candidate=place
    )
    return dataclasses.replace(frame, **given)  # type: ignore[arg-type]


def free_row(local: Verdict, free: Verdict, **given: object) -> Row:
    twins = Twins()
    twins.settled(twins.numbered(row(local, pass_kind=Pass.LOCKSTEP)))
    return twins.settled(twins.numbered(row(free, **given)))


def causes(row: Row) -> list[Cause]:
    return [one.cause for one in row.reasons]


def test_both_rows_of_a_place_have_its_number_and_other_places_have_others() -> None:
    twins = Twins()
    local = twins.numbered(row(pass_kind=Pass.LOCKSTEP))
    others = [
        twins.numbered(row(path="fc2")),
        twins.numbered(row(kind=CaptureKind.INPUT)),
        twins.numbered(row(candidate=None)),
        twins.numbered(row(phase=Phase.BACKWARD)),
    ]
    assert twins.numbered(row(OFF)).twin == local.twin > 0
    assert len({local.twin, *(one.twin for one in others)}) == 5


def test_values_that_differ_in_the_free_run_alone_have_accumulated() -> None:
    settled = free_row(OK, OFF, reasons=(Reason(cause=Cause.VALUES),))
    assert (settled.counts, settled.verdict) == (False, OFF)
    assert causes(settled) == [Cause.ACCUMULATION, Cause.VALUES]


@pytest.mark.parametrize("verdict", [OFF, Verdict.SHAPE_MISMATCH, Verdict.UNMATCHED])
def test_a_fault_counts_once(verdict: Verdict) -> None:
    settled = free_row(verdict, verdict)
    assert not settled.counts
    assert causes(settled) == [Cause.LOCAL_FAULT]


@pytest.mark.parametrize("verdict", [Verdict.SHAPE_MISMATCH, Verdict.DTYPE_MISMATCH, Verdict.NONFINITE])
def test_what_is_no_matter_of_rounding_counts_though_its_twin_agrees(verdict: Verdict) -> None:
    assert free_row(OK, verdict).counts
    assert causes(free_row(OK, verdict)) == []


def test_without_a_compared_twin_a_difference_counts() -> None:
    assert free_row(LEFT_OUT, OFF).counts
    twins = Twins()
    assert twins.settled(twins.numbered(row(OFF))).counts


def test_the_first_word_on_a_place_stands() -> None:
    twins = Twins()
    found = twins.numbered(row(OFF, pass_kind=Pass.LOCKSTEP))
    twins.settled(found)
    charged_elsewhere = dataclasses.replace(found, verdict=LEFT_OUT, counts=False)
    assert twins.settled(charged_elsewhere) is charged_elsewhere
    assert not twins.settled(twins.numbered(row(OFF))).counts


def test_a_row_is_explained_once() -> None:
    twins = Twins()
    twins.settled(twins.numbered(row(OK, pass_kind=Pass.LOCKSTEP)))
    once = twins.settled(twins.numbered(row(OFF)))
    assert twins.settled(once) is once


def settled_run(
    *errors: float, drift: float = 0.0, dtype: DType = DType.FLOAT32, phase: Phase = Phase.FORWARD
) -> tuple[list[Row], Twins]:
    """Returns the free rows of places that agree locally, each as far off as told; over 1e-4 they differ."""
    twins = Twins(drift)
    places = [
        Place(path=str(n), slot="0", spec=TensorSpec(dtype=dtype, shape=(4,))) for n in range(len(errors))
    ]
    for place in places:
        twins.settled(
            twins.numbered(row(reference=place, candidate=place, pass_kind=Pass.LOCKSTEP, phase=phase))
        )
    free = [
        row(
            OFF if error > 1e-4 else OK,
            reference=place,
            candidate=place,
            phase=phase,
            figures=Figures(elements=4, bitwise_equal=False, relative_l2=error),
        )
        for place, error in zip(places, errors)
    ]
    return [twins.settled(twins.numbered(one)) for one in free], twins


def test_an_error_behind_nothing_but_rounding_has_not_accumulated() -> None:
    [_, leap, behind], twins = settled_run(1e-7, 0.3, 0.3)
    assert (leap.counts, causes(leap)) == (True, [Cause.LEAP])
    assert (behind.counts, causes(behind)) == (False, [Cause.ACCUMULATION])
    assert twins.settled(leap) is leap
    assert twins.notes == (Note(kind=NoteKind.LEAP),)


@pytest.mark.parametrize(
    "given",
    [
        {"errors": (1e-7, 5e-3)},
        {"errors": (1e-5, 0.3)},
        {"errors": (1e-7, 0.3), "drift": 1e-4},
        {"errors": (1e-7, 0.3), "dtype": DType.INT64},
        {"errors": (1e-7, 0.3), "dtype": DType.BFLOAT16},
        {"errors": (1e-7, 0.3), "phase": Phase.BACKWARD},
    ],
    ids=["small", "grown", "from weights apart", "an index", "few digits", "a gradient at a kink"],
)
def test_what_errors_before_it_may_have_grown_to_has_accumulated(given: dict[str, Any]) -> None:
    rows, twins = settled_run(*given.pop("errors"), **given)
    assert [causes(one) for one in rows if one.verdict is OFF] == [[Cause.ACCUMULATION]]
    assert not any(one.counts for one in rows if one.verdict is OFF)
    assert twins.notes == ()
