"""What a free run's row counts for, beside the row of its place on the reference's own values."""

from __future__ import annotations

import dataclasses

import pytest

from padiff_rpc.results import Place, Row
from padiff_rpc.words import CaptureKind, Pass, Phase, Verdict
from padiff_server.steps.twins import ACCUMULATION, FAULT, Twins

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
    settled = free_row(OK, OFF, reason="relative L2 0.1")
    assert (settled.counts, settled.verdict) == (False, OFF)
    assert settled.reason == f"{ACCUMULATION}; relative L2 0.1"


@pytest.mark.parametrize("verdict", [OFF, Verdict.SHAPE_MISMATCH, Verdict.UNMATCHED])
def test_a_fault_counts_once(verdict: Verdict) -> None:
    settled = free_row(verdict, verdict)
    assert not settled.counts
    assert settled.reason == FAULT


@pytest.mark.parametrize("verdict", [Verdict.SHAPE_MISMATCH, Verdict.DTYPE_MISMATCH, Verdict.NONFINITE])
def test_what_is_no_matter_of_rounding_counts_though_its_twin_agrees(verdict: Verdict) -> None:
    assert free_row(OK, verdict).counts
    assert free_row(OK, verdict).reason == ""


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
