"""Loaders compared batch by batch, across real processes over the NumPy fake."""

from __future__ import annotations

from typing import Any

import pytest
from processes import Service

from padiff_client.link import connect
from padiff_client.report import Report
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CheckInputsRequest, Model, Options, Party, WorkerAddress
from padiff_rpc.v1.words import CaptureKind, Phase, Side, Verdict
from padiff_rpc.version import PROTOCOL_VERSION


def check(
    service: Service, reference: str, candidate: str, batches: int = 8, loss: str = "", **options: Any
) -> Report:
    """Compares two loaders of `training_models`."""

    def party(loader: str, address: str) -> Party:
        model = Model(
            framework="fake",
            model="training_models:small",
            loader=loader and f"training_models:{loader}",
            loss=loss,
        )
        return Party(model=model, worker=WorkerAddress(address=address))

    with connect(service.coordinator) as connection:
        return connection.check_inputs(
            CheckInputsRequest(
                protocol_version=PROTOCOL_VERSION,
                reference=party(reference, service.reference),
                candidate=party(candidate, service.candidate),
                batches=batches,
                options=Options(**options),
            )
        )


def test_equal_loaders_of_other_shapes_agree(service: Service) -> None:
    report = check(service, "pairs", "spelled_out", loss="fake_models:against")
    assert report, str(report)
    assert report.exit_code == 0
    assert [(row.step, row.phase, row.kind) for row in report.rows] == [
        (batch, Phase.INPUTS, kind) for batch in range(8) for kind in (CaptureKind.INPUT, CaptureKind.TARGET)
    ]
    assert str(report).startswith("PASS: the loaders' batches (0 to 7) agree")


def test_the_first_differing_batch_and_field_are_named(service: Service) -> None:
    report = check(service, "pairs", "other_inputs")
    first = report.first_divergence
    assert first is not None
    assert first.reference is not None
    assert (first.step, first.kind, first.reference.slot) == (2, CaptureKind.INPUT, "0")
    assert first.worst is not None
    assert first.worst.index == (1, 1)
    assert report.exit_code == 1
    assert str(report).startswith("FAIL: batch 2, input 0: the values differ")
    assert {row.step for row in report.rows} == {0, 1, 2}


def test_a_target_is_named_as_such(service: Service) -> None:
    report = check(service, "pairs", "other_targets", loss="fake_models:against")
    assert str(report).startswith("FAIL: batch 1, target 0: the values differ")


def test_keep_going_reads_on_behind_a_difference(service: Service) -> None:
    report = check(service, "pairs", "other_inputs", keep_going=True)
    assert {row.step for row in report.rows} == set(range(8))
    assert [row.step for row in report.faults] == [2]


def test_numbers_and_texts_are_compared_by_name(service: Service) -> None:
    assert check(service, "flagged", "flagged")
    report = check(service, "flagged", "flagged_otherwise")
    [fault] = report.faults
    assert fault.reference is not None
    assert (fault.reference.slot, fault.verdict) == ("name", Verdict.MISMATCH)
    assert "'a' in the reference, 'b' in the candidate" in str(report)


def test_numbers_may_differ_by_a_rounding_or_by_the_users_own_bounds(service: Service) -> None:
    assert check(service, "flagged", "flagged_with_a_rounding")
    assert not check(service, "flagged", "flagged_with_a_rounding", atol=1e-9)
    heavier = check(service, "flagged", "flagged_heavier")
    assert "0.5 in the reference, 0.51 in the candidate" in str(heavier)
    assert check(service, "flagged", "flagged_heavier", rtol=0.1)


def test_a_field_of_one_side_alone_is_a_difference(service: Service) -> None:
    report = check(service, "flagged", "named")
    assert [(row.reference.slot, row.verdict) for row in report.faults if row.reference] == [
        ("weight", Verdict.UNMATCHED),
        ("name", Verdict.UNMATCHED),
    ]


def test_fields_of_other_names_pair_by_order(service: Service) -> None:
    report = check(service, "named", "lone")
    assert report, str(report)


def test_a_loader_that_ends_before_the_other_is_a_difference(service: Service) -> None:
    report = check(service, "pairs", "three")
    [fault] = report.faults
    assert (fault.step, fault.candidate, fault.verdict) == (3, None, Verdict.UNMATCHED)
    assert "the candidate's loader ended after 3 batches, and the reference's goes on" in str(report)
    assert report.exit_code == 1


def test_two_that_end_together_agree_and_it_is_said(service: Service) -> None:
    report = check(service, "three", "three")
    assert report
    assert report.notes == ("both loaders ended after 3 batches; 8 were asked for",)


def test_two_empty_loaders_are_no_agreement(service: Service) -> None:
    report = check(service, "empty", "empty")
    assert not report
    assert [trouble.text for trouble in report.troubles] == ["both loaders are empty"]


def test_two_batches_with_nothing_in_them_are_no_agreement(service: Service) -> None:
    report = check(service, "nothing_in_them", "nothing_in_them")
    assert not report
    assert [trouble.text for trouble in report.troubles] == [
        "batch 0 of both loaders is empty: nothing to compare"
    ]


def test_a_loader_that_raises_is_a_failure_of_its_batch(service: Service) -> None:
    report = check(service, "raising_third", "pairs")
    [failure] = report.failures
    assert (failure.side, failure.step, failure.text) == (Side.REFERENCE, 2, "the disk is gone")
    assert {row.step for row in report.rows} == {0, 1}
    assert report.exit_code == 2


def test_a_tolerance_of_the_users_own_allows_more(service: Service) -> None:
    assert check(service, "pairs", "other_inputs", atol=2.0)


def test_a_model_without_a_loader_is_refused(service: Service) -> None:
    with pytest.raises(InvalidRequestError, match=r"loader: "):
        check(service, "pairs", "")
