"""Random decisions across real processes, over the NumPy fake: shared, off, or named and kept apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_client.sentences import reason
from padiff_compare.judge.judged_row import fails
from padiff_rpc import trees
from padiff_rpc.v1.records import Model, Options, Row
from padiff_rpc.v1.words import CaptureKind, Pass, Phase, Side, Verdict

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
SGD = "fake_models:sgd"


def model(name: str, **given: Any) -> Model:
    fields = {field: given.pop(field) for field in ("optimizer", "seed") if field in given}
    return Model(
        framework="fake", model=f"random_models:{name}", train=True, kwargs=trees.pack(given), **fields
    )


def compare(service: Service, reference: Model, candidate: Model, *, steps: int = 1, **given: Any) -> Report:
    return compare_on(
        service, reference, candidate, Batches(({"x": X}, {"x": X})), Options(**given), steps=steps
    )


def failing(report: Report) -> list[Row]:
    return [row for row in report.rows if fails(row)]


def left_out(report: Report) -> dict[str, set[str]]:
    """By reason, which tensors of the reference were not compared; without those below rounding."""
    found: dict[str, set[str]] = {}
    for row in report.rows:
        if row.verdict is Verdict.NOT_COMPARED and row.reference and "rounding" not in reason(row):
            found.setdefault(reason(row), set()).add(f"{row.kind} of {row.reference.path or 'the root'}")
    return found


def assert_whole(report: Report) -> None:
    assert report, str(report)
    assert left_out(report) == {}
    assert report.coverage.calls_compared == report.coverage.calls_total


NOT_SHARED = "random: dropout (not shared)"


def test_shared_decisions_are_judged_like_all_else(service: Service) -> None:
    report = compare(
        service, model("Dropped", optimizer=SGD, seed=1), model("Dropped", optimizer=SGD, seed=2), steps=3
    )
    assert_whole(report)
    assert [(one.side, one.path, one.shared) for one in report.random_operations] == [
        (Side.REFERENCE, "drop", True),
        (Side.CANDIDATE, "drop", True),
    ]


@pytest.mark.parametrize(("p", "seen"), [(0.25, "drop"), (0.0, "drop")], ids=["another", "none"])
def test_a_dropout_of_another_rate_differs_at_its_layer(service: Service, p: float, seen: str) -> None:
    report = compare(service, model("Dropped"), model("Dropped", p=p))
    assert report.first_divergence is not None
    assert report.first_divergence.path == seen


def test_off_leaves_dropout_out_and_judges_everything(service: Service) -> None:
    report = compare(service, model("Dropped", seed=1), model("Dropped", seed=2), randomness="off")
    assert_whole(report)
    assert {report.reason(one) for one in report.random_operations} == {"switched off"}


def test_named_decisions_are_not_judged_and_the_comparison_goes_on_behind_them(service: Service) -> None:
    report = compare(
        service,
        model("Dropped", optimizer=SGD, seed=1),
        model("Dropped", optimizer=SGD, seed=2),
        steps=3,
        randomness="report",
    )
    assert report, str(report)
    assert left_out(report) == {
        NOT_SHARED: {
            "output of drop",
            "input of norm",
            "input_gradient of drop",
            "output_gradient of passing",
        }
    }
    assert "dropout in drop#0 (reference), drop#0 (candidate): left to the frameworks" in str(report)
    unjudged = [row for row in report.rows if reason(row) == NOT_SHARED]
    assert f"so {len(unjudged)} tensors were not compared" in str(report)
    assert not report.summary.in_lockstep


@pytest.mark.parametrize(
    ("fault", "path", "phase"),
    [
        ({"before": 1.5}, "first", Phase.FORWARD),
        ({"behind": 1.5}, "last", Phase.FORWARD),
        ({"gradient": 1.5}, "later", Phase.BACKWARD),
        ({"inner_gradient": 1.5}, "passing", Phase.BACKWARD),
    ],
    ids=["before", "behind", "gradient behind", "gradient before"],
)
@pytest.mark.parametrize("kind", ["Dropped", "ByFunction"])
def test_a_fault_around_a_named_decision_is_found(
    service: Service, kind: str, fault: dict[str, float], path: str, phase: Phase
) -> None:
    report = compare(service, model(kind, seed=1), model(kind, seed=2, **fault), randomness="report")
    first = report.first_divergence
    assert first is not None
    assert (first.path, first.phase) == (path, phase)


def test_a_function_of_the_models_own_code_is_kept_apart_too(service: Service) -> None:
    report = compare(
        service,
        model("ByFunction", optimizer=SGD, seed=1),
        model("ByFunction", optimizer=SGD, seed=2),
        steps=3,
        randomness="report",
    )
    assert report, str(report)
    assert "input of norm" in left_out(report)[NOT_SHARED]
    assert not {"output of first", "output of last", "output of the root"} & left_out(report)[NOT_SHARED]


@pytest.mark.parametrize("other", ["module", "functions"])
def test_modules_share_with_functions_and_with_one_module_called_twice(service: Service, other: str) -> None:
    kinds = ["modules", other, "modules"]
    candidate = model("Residuals", kinds=kinds, optimizer=SGD, seed=2)
    report = compare(service, model("Residuals", optimizer=SGD, seed=1), candidate, steps=2)
    assert report, str(report)
    assert all(one.shared for one in report.random_operations)
    faulty = compare(service, model("Residuals"), model("Residuals", kinds=kinds, factor=1.5))
    assert faulty.first_divergence is not None
    assert faulty.first_divergence.path == "block1.second"


def test_a_layer_with_weights_that_decides_for_itself_keeps_a_report_from_passing(service: Service) -> None:
    assert_whole(compare(service, model("HoldsWeighted", seed=1), model("HoldsWeighted", seed=2)))
    report = compare(
        service, model("HoldsWeighted", seed=1), model("HoldsWeighted", seed=2), randomness="report"
    )
    assert not report
    remedy = f"{NOT_SHARED}; randomness='shared' or 'off' compares it"
    assert [(row.kind.value, reason(row)) for row in failing(report)] == [
        ("output", remedy),
        ("parameter_gradient", remedy),
    ]
    assert "not compared: output 0 of weighted (Weighted)" in report.reasons[0]


def test_weights_that_chance_moved_apart_do_not_count_again(service: Service) -> None:
    report = compare(
        service,
        model("HoldsWeighted", optimizer=SGD, seed=1),
        model("HoldsWeighted", optimizer=SGD, seed=2),
        steps=2,
        randomness="report",
        keep_going=True,
    )
    assert {row.verdict for row in failing(report)} == {Verdict.NOT_COMPARED}
    assert "parameter of weighted" not in left_out(report)[NOT_SHARED], (
        "it steps with the reference's gradient"
    )


def test_what_cannot_be_shared_is_named_and_the_rest_is_shared(service: Service) -> None:
    report = compare(service, model("Shuffled", seed=1), model("Shuffled", seed=2))
    assert report, str(report)
    assert set(left_out(report)) == {"random: permutation (not shared)"}
    assert {one.name: one.shared for one in report.random_operations} == {
        "permutation": False,
        "dropout": True,
    }
    report = compare(service, model("Shuffled", seed=1), model("Shuffled", seed=2, behind=1.5))
    assert report.first_divergence is not None
    assert report.first_divergence.path == "last"


@pytest.mark.parametrize(
    "options",
    [{"single_step": True}, {"local_error": True}],
    ids=["lockstep", "local error"],
)
def test_lockstep_leaves_named_decisions_out_and_judges_the_rest(
    service: Service, options: dict[str, Any]
) -> None:
    kinds = ["functions", "modules", "functions"]
    given = {"randomness": "report", **options}
    report = compare(
        service, model("Residuals", kinds=kinds, seed=1), model("Residuals", kinds=kinds, seed=2), **given
    )
    assert report, str(report)
    assert NOT_SHARED in left_out(report)
    faulty = compare(
        service,
        model("Residuals", kinds=kinds, seed=1),
        model("Residuals", kinds=kinds, seed=2, factor=1.5),
        **given,
    )
    assert "block1.second" in {row.reference.path for row in failing(faulty) if row.reference}


def test_both_passes_of_a_step_get_the_same_decisions(service: Service) -> None:
    report = compare(
        service,
        model("Residuals", optimizer=SGD, seed=1),
        model("Residuals", optimizer=SGD, seed=2),
        steps=2,
        local_error=True,
    )
    assert_whole(report)
    assert {row.pass_kind for row in report.all_rows if row.kind is CaptureKind.OUTPUT} == set(Pass)


def test_without_a_trace_decisions_are_named_and_why_is_said(service: Service) -> None:
    report = compare(service, model("Dropped", seed=1), model("Dropped", seed=2), trace="first_step")
    assert "output of drop" in left_out(report)[NOT_SHARED]
    assert any("trace='before'" in note for note in report.notes)
    assert_whole(
        compare(
            service,
            model("Dropped", seed=1),
            model("Dropped", seed=2),
            trace="first_step",
            randomness="off",
        )
    )


def test_what_the_trace_did_not_have_is_shared_all_the_same(service: Service) -> None:
    assert_whole(compare(service, model("Late", seed=-2), model("Late", seed=1)))
    report = compare(service, model("Late", shuffles=True, seed=1), model("Late", shuffles=True, seed=2))
    assert not report
    assert any("permutation in the root#0" in note and "not in the trace" in note for note in report.notes)


def test_recomputation_gets_shared_decisions_again_and_is_told_of_others(service: Service) -> None:
    assert_whole(compare(service, model("Recomputed", seed=1), model("Recomputed", seed=2)))
    report = compare(service, model("Recomputed", seed=1), model("Recomputed", seed=2), randomness="report")
    assert any("recomputation" in note for note in report.notes)


def test_a_model_that_differs_from_itself_is_told(service: Service) -> None:
    report = compare(service, model("Drifting"), model("Dropped", p=0.0, behind=2.0), diff_phase="forward")
    noise = {one.side: one for one in report.noise}
    assert not noise[Side.CANDIDATE].differs
    assert (noise[Side.REFERENCE].differs, noise[Side.REFERENCE].path) == (True, "drift")
    assert 1e-8 < noise[Side.REFERENCE].relative_l2 < 1e-6
    assert "two runs of the reference from one state differ" in str(report)
    sides = model("Drifting"), model("Dropped", p=0.0, behind=2.0)
    assert compare(service, *sides, diff_phase="forward", preflight=False).noise == ()


def test_models_that_agree_on_a_cpu_run_no_second_time(service: Service) -> None:
    report = compare(service, model("Dropped"), model("Dropped"))
    assert report, str(report)
    assert report.noise == ()
