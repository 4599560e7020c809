"""Models in train mode across a real Torch and a real Paddle process: the same random decisions on both."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_client.sentences import reason
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import CaptureKind, Side, Verdict

Compare = Callable[..., Report]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SEQUENCE = np.random.default_rng(0).standard_normal((3, 5, 16)).astype(np.float32)
PICTURES = np.random.default_rng(0).standard_normal((6, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares a model of `paddle_random` with its twin of `torch_random` in train mode, two AdamW steps."""

    def run(name: str, fault: str = "", *, steps: int = 2, **options: Any) -> Report:
        given = Batch(args=(PICTURES if name == "picture" else SEQUENCE,))
        layer = ModelSpec(
            "paddle",
            "paddle_random:build",
            kwargs={"name": name, "fault": fault},
            worker=service.paddle,
            train=True,
            seed=3,
        )
        module = ModelSpec(
            "torch", "torch_random:build", kwargs={"name": name}, worker=service.torch, train=True, seed=4
        )
        return auto_diff(
            layer,
            module,
            (given, given),
            steps=steps,
            optimizer=("paddle_random:adamw", "torch_random:adamw"),
            server=service.server,
            options=Options(**options),
        )

    return run


def left_out(report: Report) -> list[Row]:
    """What was not compared, but for gradients below rounding and what became of them."""
    return [
        row for row in report.rows if row.verdict is Verdict.NOT_COMPARED and "rounding" not in reason(row)
    ]


@pytest.mark.parametrize("name", ["picture", "attention", "encoder", "functional", "recurrent"])
def test_healthy_models_pass_on_the_same_decisions(compare: Compare, name: str) -> None:
    report = compare(name)
    assert report, str(report)
    assert left_out(report) == []
    made = {side: sum(one.side is side for one in report.random_operations) for side in Side}
    assert made[Side.REFERENCE] == made[Side.CANDIDATE] > 0
    assert all(one.shared for one in report.random_operations)


@pytest.mark.parametrize(
    ("name", "fault", "path"),
    [
        ("picture", "rate", "elements"),
        ("attention", "rate", "attn"),
        ("encoder", "forgotten", "blocks.layers.1.dropout1"),
        ("functional", "epsilon", "norm"),
    ],
)
def test_a_fault_among_shared_decisions_is_located(
    compare: Compare, name: str, fault: str, path: str
) -> None:
    report = compare(name, fault)
    assert report.first_divergence is not None
    assert (report.first_divergence.path, report.first_divergence.kind) == (path, CaptureKind.OUTPUT)
    assert [one.differs for one in report.noise] == [False, False]


def test_what_cannot_be_shared_is_named_and_a_fault_behind_it_is_located(compare: Compare) -> None:
    report = compare("sampled")
    assert report, str(report)
    assert {(one.path, one.name, one.shared) for one in report.random_operations} == {
        ("noise", "poisson", False)
    }
    assert {reason(row) for row in left_out(report)} == {"random: poisson (not shared)"}
    faulty = compare("sampled", "epsilon")
    assert faulty.first_divergence is not None
    assert faulty.first_divergence.path == "norm"


@pytest.mark.parametrize("name", ["picture", "encoder", "recurrent"])
def test_off_leaves_every_dropout_out(compare: Compare, name: str) -> None:
    """The mask of a droppath is no dropout to its framework: it is left as it is, and kept apart."""
    report = compare(name, randomness="off", steps=1)
    assert report, str(report)
    names = {one.name for one in report.random_operations if report.reason(one) != "switched off"}
    assert names == ({"bernoulli_", "uniform"} if name == "picture" else set())


def test_how_a_matrix_behind_a_dropout_is_stored_is_tried_without_it(compare: Compare) -> None:
    report = compare("behind", randomness="report", steps=1)
    assert report, str(report)
    [note] = [note for note in report.notes if note.startswith("orientation: 'own.matrix'")]
    found = re.search(r"transposed is taken: relative L2 (\S+),", note)
    assert found is not None, note
    assert float(found[1]) < 1e-5


@pytest.fixture
def bert(service: Any) -> Compare:
    """Compares Hugging Face's BertModel with a port of it, in train mode, dropout 0.1 in both."""

    def run(**options: Any) -> Report:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(EXAMPLES / "bert"))
            from sentences import sentences

            given = sentences()
        names = {"tokens": "input_ids", "segments": "token_type_ids", "mask": "attention_mask"}
        layer = ModelSpec(
            "paddle", "paddle_bert:build", kwargs={"layers": 2}, worker=service.paddle, train=True, seed=3
        )
        module = ModelSpec(
            "torch", "torch_bert:build", kwargs={"layers": 2}, worker=service.torch, train=True, seed=4
        )
        return auto_diff(
            layer,
            module,
            ({ours: given[theirs] for ours, theirs in names.items()}, given),
            steps=5,
            optimizer=("paddle_random:adamw", "torch_random:adamw"),
            server=service.server,
            options=Options(**options),
        )

    return run


def test_bert_passes_five_adamw_steps_on_the_same_decisions(bert: Compare) -> None:
    report = bert()
    assert report, str(report)
    assert [step.passed for step in report.steps] == [True] * 5
    assert left_out(report) == []
    assert all(one.shared for one in report.random_operations)
    # Embeddings; in each of two layers attention, its output, the feed-forward's output.
    assert sum(one.side is Side.REFERENCE for one in report.random_operations) == 7
    assert report.coverage.parameters_compared == report.coverage.parameters_total
    outputs = [row for row in report.rows if row.kind is CaptureKind.OUTPUT and row.counts]
    assert len(outputs) == 5 * sum(row.step == 0 for row in outputs)


def test_bert_whose_decisions_are_only_named_is_judged_between_them(bert: Compare) -> None:
    report = bert(randomness="report")
    assert report, str(report)
    assert [step.passed for step in report.steps] == [True] * 5
    assert all("random: " in reason(row) and not row.counts for row in left_out(report))
    judged = {
        row.reference.path
        for row in report.rows
        if row.kind is CaptureKind.OUTPUT and row.reference and row.verdict is not Verdict.NOT_COMPARED
    }
    for name in ("self.query", "self.key", "self.value", "output.dense", "output.LayerNorm"):
        assert f"encoder.layer.1.attention.{name}" in judged
