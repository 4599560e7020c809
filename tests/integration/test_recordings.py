"""Recordings of one side, and comparisons with them, across real processes, over the NumPy fake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from processes import Service, running

from padiff_client import InvalidRequestError
from padiff_client.comparison import Comparison
from padiff_client.gathering import Interrupted
from padiff_client.recording import RecordingAsked
from padiff_client.recording_file import RecordingFile
from padiff_client.report import Report
from padiff_client.session import Server
from padiff_client.spec import ModelSpec
from padiff_client.verbs import compare, plan, record
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Options, Selection
from padiff_rpc.v1.words import NoteKind, Phase, Randomness, Verdict

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
SGD, LOSS = "fake_models:sgd", "training_models:halved"


class Recordings:
    """Makes recordings in a folder, and serves them."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self.server = Server(address=service.coordinator)
        self._exits = ExitStack()

    def close(self) -> None:
        self._exits.close()

    def spec(self, model: str, *, train: bool = False, **kwargs: Any) -> ModelSpec:
        return ModelSpec("", model, kwargs=kwargs, train=train, worker=self.service.reference)

    def candidate(self, model: str, **given: Any) -> ModelSpec:
        return replace(self.spec(model, **given), worker=self.service.candidate)

    def make(self, name: str, model: ModelSpec, **given: Any) -> tuple[Report, RecordingFile]:
        asked: dict[str, Any] = {"inputs": {"x": X}, **given}
        path = self.folder / f"{name}.padiff"
        return record(RecordingAsked(model=model, server=self.server, **asked), str(path))

    def shown(self, name: str) -> ModelSpec:
        """Returns the recording, served; as the client serves it where it starts its own processes."""
        path = self.folder / f"{name}.padiff"
        served = self._exits.enter_context(
            running("-m", "padiff_worker.recorded", str(path), log=self.folder / f"{name}.log")
        )
        return ModelSpec(worker=served.address)

    def compare(self, reference: ModelSpec, candidate: ModelSpec, **given: Any) -> Report:
        return compare(Comparison(reference=reference, candidate=candidate, server=self.server, **given))


@pytest.fixture
def recordings(service: Service, tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(service, tmp_path)
    yield made
    made.close()


def notes(report: Report) -> list[NoteKind]:
    return [note.kind for note in report.summary.notes]


def failing(report: Report) -> list[tuple[int, Phase, Optional[str]]]:
    return [
        (row.step, row.phase, row.candidate.path if row.candidate is not None else None)
        for row in report.rows
        if fails(row)
    ]


CHAIN = "lockstep_models:Chain"


def test_a_recorded_reference_serves_lockstep_over_steps_of_an_optimizer(recordings: Recordings) -> None:
    _, file = recordings.make("chain", recordings.spec(CHAIN), steps=3, optimizer=SGD)
    assert (file.steps, file.is_whole) == (3, True)
    report = recordings.compare(
        recordings.shown("chain"), recordings.candidate(CHAIN), steps=3, optimizers=(SGD, "")
    )
    assert report, str(report)
    assert report.summary.has_local_errors
    assert NoteKind.SHOWN in notes(report)
    assert len(report.summary.steps) == 3
    assert any(row.phase is Phase.WEIGHTS and row.step == 2 for row in report.rows)


@pytest.mark.parametrize(
    ("fault", "phase", "path"),
    [
        ({"2": {"factor": 1.01}}, Phase.FORWARD, "block2.first"),
        ({"1": {"between": 1.01}}, Phase.FORWARD, "block1"),
        ({"1": {"gradient": 3.0}}, Phase.BACKWARD, "block1.passing"),
    ],
)
def test_faults_of_a_candidate_are_found_where_a_live_reference_finds_them(
    recordings: Recordings, fault: dict[str, Any], phase: Phase, path: str
) -> None:
    recordings.make("chain", recordings.spec(CHAIN))
    faulty = recordings.candidate(CHAIN, faults=fault)
    against_recording = recordings.compare(recordings.shown("chain"), faulty)
    live = recordings.compare(recordings.spec(CHAIN), faulty, example_inp=({"x": X}, {"x": X}))
    assert failing(against_recording) == failing(live)
    assert (0, phase, path) in failing(against_recording)


def test_two_recordings_are_compared_freely_and_a_fault_is_named(recordings: Recordings) -> None:
    recordings.make("was", recordings.spec(CHAIN))
    recordings.make("same", recordings.spec(CHAIN))
    recordings.make("faulty", recordings.spec(CHAIN, faults={"2": {"factor": 1.01}}))
    healthy = recordings.compare(recordings.shown("was"), recordings.shown("same"))
    assert healthy, str(healthy)
    assert {NoteKind.JUDGED_FREELY, NoteKind.WEIGHTS_AS_RECORDED} <= set(notes(healthy))
    assert not healthy.summary.has_local_errors
    found = recordings.compare(recordings.shown("was"), recordings.shown("faulty"))
    assert failing(found)[0] == (0, Phase.FORWARD, "block2.first")


def test_a_live_reference_against_a_recorded_candidate_copies_nothing(recordings: Recordings) -> None:
    recordings.make("other", replace(recordings.spec(CHAIN), seed=1))
    report = recordings.compare(recordings.spec(CHAIN), recordings.shown("other"))
    assert not report
    assert failing(report)[0][1] is Phase.INITIAL_WEIGHTS
    assert NoteKind.WEIGHTS_AS_RECORDED in notes(report)


def test_the_recorded_floors_decide_as_those_measured_live(recordings: Recordings) -> None:
    model, candidate = "gold_models:Coarse", {"offset": 2048.0}
    recordings.make("with", recordings.spec(model))
    recordings.make("without", recordings.spec(model), selection=Selection(floors=False))
    healthy = recordings.compare(recordings.shown("with"), recordings.candidate(model, **candidate))
    assert healthy, str(healthy)
    assert NoteKind.RECORDED_FLOORS in notes(healthy)
    by_table = recordings.compare(recordings.shown("without"), recordings.candidate(model, **candidate))
    assert not by_table
    assert NoteKind.RECORDED_FLOORS not in notes(by_table)
    faulty = recordings.compare(
        recordings.shown("with"), recordings.candidate(model, fault=0.01, **candidate)
    )
    assert (0, Phase.FORWARD, "rounding") in failing(faulty)


def test_random_decisions_are_shared_with_a_recording(recordings: Recordings) -> None:
    recordings.make("dropped", recordings.spec("random_models:Dropped", train=True))
    report = recordings.compare(
        recordings.shown("dropped"), recordings.candidate("random_models:Dropped", train=True)
    )
    assert report, str(report)
    assert all(row.verdict is not Verdict.NOT_COMPARED for row in report.rows)


def test_random_decisions_in_other_layers_than_the_recording_s_are_refused(recordings: Recordings) -> None:
    recordings.make("dropped", recordings.spec("random_models:Dropped", train=True))
    report = recordings.compare(
        recordings.shown("dropped"), recordings.candidate("random_models:ByFunction", train=True)
    )
    assert not report
    assert "randomness: off" in str(report)


def test_random_decisions_that_were_off_stay_off(recordings: Recordings) -> None:
    off = Options(randomness=Randomness.OFF)
    recordings.make("dropped", recordings.spec("random_models:Dropped", train=True), options=off)
    report = recordings.compare(
        recordings.shown("dropped"), recordings.candidate("random_models:ByFunction", train=True)
    )
    assert report, str(report)


def test_functions_between_the_layers_are_named_where_they_were_recorded(recordings: Recordings) -> None:
    model = "function_models:Chain"
    recordings.make("with", recordings.spec(model), selection=Selection(functions=True))
    recordings.make("without", recordings.spec(model))
    faulty = recordings.candidate(model, faults={"1": "scale"})
    named = recordings.compare(recordings.shown("with"), faulty)
    assert [finding.kind for finding in named.summary.findings]
    unnamed = recordings.compare(recordings.shown("without"), faulty)
    assert not unnamed.summary.findings
    assert NoteKind.NO_FUNCTIONS in notes(unnamed)


@pytest.mark.parametrize(
    ("selection", "compared"),
    [
        (Selection(exclude=("block1",)), {"block0", "block2", "block3"}),
        (Selection(include=("block1",)), {"block1"}),
        (Selection(max_depth=1), {"block0", "block1", "block2", "block3"}),
    ],
)
def test_layers_that_were_left_out_are_not_compared(
    recordings: Recordings, selection: Selection, compared: set[str]
) -> None:
    recordings.make("chain", recordings.spec(CHAIN), selection=selection, optimizer=SGD)
    report = recordings.compare(recordings.shown("chain"), recordings.candidate(CHAIN), optimizers=(SGD, ""))
    assert report, str(report)
    # The candidate steps with the reference's gradients all the same.
    assert NoteKind.GRADIENTS_KEPT not in notes(report)
    paths = {
        row.candidate.path for row in report.rows if row.candidate is not None and row.phase is Phase.FORWARD
    }
    assert {path.partition(".")[0] for path in paths if path} == compared
    if selection.max_depth is not None:
        assert not any("." in path for path in paths)
    assert NoteKind.LEFT_OUT_OF_RECORDING in notes(report)


MANY = np.random.default_rng(0).normal(size=(3000, 6)).astype(np.float32)
STATISTICS = Selection(statistics_only=True)


def test_a_recording_of_statistics_is_small_and_tells_healthy_from_faulty(recordings: Recordings) -> None:
    inputs = {"inputs": {"x": MANY}, "optimizer": SGD, "steps": 2}
    _, whole = recordings.make("whole", recordings.spec(CHAIN), **inputs)
    _, small = recordings.make("small", recordings.spec(CHAIN), selection=STATISTICS, **inputs)
    assert small.byte_count < whole.byte_count / 4
    steps = {"steps": 2, "optimizers": (SGD, "")}
    report = recordings.compare(recordings.shown("small"), recordings.candidate(CHAIN), **steps)
    assert report, str(report)
    assert not report.summary.has_local_errors
    assert "holds statistics of large tensors only" in str(report)
    faulty = recordings.candidate(CHAIN, faults={"2": {"factor": 1.01}})
    report = recordings.compare(recordings.shown("small"), faulty, **steps)
    assert report.first_divergence is not None
    row = report.first_divergence.row
    assert (row.step, row.phase, row.candidate and row.candidate.path) == (0, Phase.FORWARD, "block2.first")
    assert row.figures is not None
    assert row.figures.relative_l2 == pytest.approx(0.01, rel=0.1)
    assert row.figures.scale == pytest.approx(1.01, rel=0.001)
    assert row.figures.elements == MANY.size
    assert row.figures.is_estimate
    assert "estimated from sketches" in str(report)


def test_statistics_are_compared_with_statistics(recordings: Recordings) -> None:
    spec = recordings.spec(CHAIN)
    for name, model in (
        ("one", spec),
        ("same", spec),
        ("faulty", recordings.spec(CHAIN, faults={"1": {"factor": 1.01}})),
    ):
        recordings.make(name, model, inputs={"x": MANY}, selection=STATISTICS)
    report = recordings.compare(recordings.shown("one"), recordings.shown("same"))
    assert report, str(report)
    report = recordings.compare(recordings.shown("one"), recordings.shown("faulty"))
    assert (0, Phase.FORWARD, "block1.first") in failing(report)
    assert not any(phase is Phase.FORWARD and path == "block0" for _, phase, path in failing(report))


@pytest.mark.parametrize("field", ["single_step", "local_error"])
def test_statistics_serve_no_lockstep(recordings: Recordings, field: str) -> None:
    recordings.make("small", recordings.spec(CHAIN), inputs={"x": MANY}, selection=STATISTICS)
    with pytest.raises(
        InvalidRequestError, match="the reference's recording holds statistics only"
    ) as caught:
        recordings.compare(
            recordings.shown("small"), recordings.candidate(CHAIN), options=Options(**{field: True})
        )
    assert caught.value.field == f"options.{field}"


def test_the_batches_of_a_loader_are_recorded(recordings: Recordings) -> None:
    loading = replace(recordings.spec("training_models:small"), loader="training_models:pairs")
    recordings.make("loaded", loading, inputs=None, steps=2, optimizer=SGD, loss=LOSS)
    report = recordings.compare(
        recordings.shown("loaded"),
        recordings.candidate("training_models:small"),
        steps=2,
        optimizers=(SGD, ""),
        losses=(LOSS, ""),
    )
    assert report, str(report)


def test_a_recording_without_backward_is_compared_forward(recordings: Recordings) -> None:
    recordings.make("forward", recordings.spec(CHAIN), options=Options(diff_phase="forward"))
    report = recordings.compare(recordings.shown("forward"), recordings.candidate(CHAIN))
    assert report, str(report)
    assert NoteKind.RECORDED_FORWARD in notes(report)
    assert Phase.BACKWARD not in {row.phase for row in report.rows}


def test_a_plan_is_made_of_a_recording(recordings: Recordings) -> None:
    recordings.make("chain", recordings.spec(CHAIN))
    report = plan(
        Comparison(
            reference=recordings.shown("chain"),
            candidate=recordings.candidate(CHAIN),
            server=recordings.server,
        )
    )
    assert len(report.plan) > 4


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"steps": 3, "optimizers": (SGD, "")}, "steps", "the reference's recording has 2"),
        ({"options": Options(loss_scale=2.0)}, "options.loss_scale", "was recorded with 1"),
        ({"options": Options(clip_norm=1.0)}, "options.clip_norm", "was recorded with 0"),
        ({"options": Options(loss="mean")}, "options.loss", "was recorded with projection"),
    ],
)
def test_what_was_recorded_otherwise_is_refused_by_name(
    recordings: Recordings, asked: dict[str, Any], field: str, words: str
) -> None:
    recordings.make("chain", recordings.spec(CHAIN), steps=2, optimizer=SGD)
    given: dict[str, Any] = {"optimizers": (SGD, ""), **asked}
    with pytest.raises(InvalidRequestError, match=words) as caught:
        recordings.compare(recordings.shown("chain"), recordings.candidate(CHAIN), **given)
    assert str(caught.value).startswith(field)


def test_lockstep_with_a_recorded_candidate_is_refused(recordings: Recordings) -> None:
    recordings.make("chain", recordings.spec(CHAIN))
    with pytest.raises(InvalidRequestError, match=r"options\.single_step: nothing can be put"):
        recordings.compare(
            recordings.spec(CHAIN), recordings.shown("chain"), options=Options(single_step=True)
        )


def test_batches_are_missing_where_no_side_is_recorded(recordings: Recordings) -> None:
    with pytest.raises(InvalidRequestError, match="missing"):
        recordings.compare(
            ModelSpec(worker=recordings.service.reference), ModelSpec(worker=recordings.service.candidate)
        )


def test_a_model_that_raises_leaves_the_steps_before(recordings: Recordings) -> None:
    report, file = recordings.make(
        "raises", recordings.spec("raising_models:Stack", at=2), inputs={"x": X[:, :4]}
    )
    assert not report.summary.passed
    assert "not ported yet" in str(report)
    assert (file.steps, file.is_whole) == (0, False)
    assert not Path(file.path).exists()


def test_inputs_that_end_early_leave_the_steps_before(recordings: Recordings) -> None:
    report, file = recordings.make(
        "short", recordings.spec(CHAIN), inputs=iter([{"x": X}, {"x": X}]), steps=3, optimizer=SGD
    )
    assert "batch for step 2" in str(report)
    assert (file.steps, file.is_whole) == (2, False)
    shown = recordings.compare(
        recordings.shown("short"), recordings.candidate(CHAIN), steps=2, optimizers=(SGD, "")
    )
    assert shown, str(shown)


def test_an_interrupted_recording_keeps_the_steps_before(recordings: Recordings) -> None:
    def batches() -> Iterator[dict[str, Any]]:
        yield {"x": X}
        yield {"x": X}
        raise KeyboardInterrupt

    path = recordings.folder / "cut.padiff"
    asked = RecordingAsked(
        model=recordings.spec(CHAIN), inputs=batches(), steps=3, optimizer=SGD, server=recordings.server
    )
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        record(asked, str(path))
    shown = recordings.compare(
        recordings.shown("cut"), recordings.candidate(CHAIN), steps=2, optimizers=(SGD, "")
    )
    assert shown, str(shown)


def test_an_earlier_file_stays_whole_until_the_new_one_is(recordings: Recordings) -> None:
    recordings.make("kept", recordings.spec(CHAIN))
    before = (recordings.folder / "kept.padiff").read_bytes()
    recordings.make("kept", recordings.spec("raising_models:Stack", at=2), inputs={"x": X[:, :4]})
    assert (recordings.folder / "kept.padiff").read_bytes() == before
    assert [file.name for file in recordings.folder.iterdir() if file.suffix != ".log"] == ["kept.padiff"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_recording_is_one_line_or_its_whole_steps(recordings: Recordings, damage: str) -> None:
    recordings.make("chain", recordings.spec(CHAIN))
    path = recordings.folder / "chain.padiff"
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flipped": content[:200] + bytes(byte ^ 0xFF for byte in content[200:260]) + content[260:],
            "empty": b"",
            "text": b"reference: {}\n",
        }[damage]
    )
    with ExitStack() as exits, pytest.raises(AssertionError) as caught:
        exits.enter_context(running("-m", "padiff_worker.recorded", str(path), log=recordings.folder / "log"))
    said = (recordings.folder / "log").read_text()
    assert said.count("\n") == 1, said
    assert said.startswith("padiff-recording: recording: "), said
    assert caught.value is not None


@pytest.mark.parametrize("trace", ["before", "first_step"])
def test_several_outputs_have_the_loss_that_was_recorded(recordings: Recordings, trace: str) -> None:
    model = "recorded_models:Outputs"
    recordings.make("outputs", recordings.spec(model))
    for order in ("zb", "bz"):
        report = recordings.compare(
            recordings.shown("outputs"),
            recordings.candidate(model, order=order),
            options=Options(trace=trace),
        )
        assert report, str(report)


def test_the_second_look_is_into_the_step_as_it_was_before_its_optimizer(recordings: Recordings) -> None:
    model = "recorded_models:OwnParameter"
    recordings.make("own", recordings.spec(model), selection=Selection(functions=True), optimizer=SGD)
    report = recordings.compare(
        recordings.shown("own"), recordings.candidate(model, factor=0.25), optimizers=(SGD, "")
    )
    live = recordings.compare(
        recordings.spec(model),
        recordings.candidate(model, factor=0.25),
        example_inp=({"x": X}, {"x": X}),
        optimizers=(SGD, SGD),
    )
    lines = [
        [finding.candidate.source.line for finding in one.summary.findings if finding.candidate is not None]
        for one in (report, live)
    ]
    assert lines[0] == lines[1] != []


def test_a_recording_of_another_batch_is_noted(recordings: Recordings) -> None:
    recordings.make("chain", recordings.spec(CHAIN))
    recordings.make("other", recordings.spec(CHAIN), inputs={"x": X + 1})
    shown = recordings.shown("chain")
    assert NoteKind.OTHER_BATCH not in notes(recordings.compare(shown, recordings.candidate(CHAIN)))
    assert NoteKind.OTHER_BATCH in notes(recordings.compare(shown, recordings.shown("other")))
    given = {"x": X + 1}
    sent = recordings.compare(shown, recordings.candidate(CHAIN), example_inp=(given, given))
    assert NoteKind.OTHER_BATCH in notes(sent)


def test_a_recording_serves_one_comparison_after_the_other(recordings: Recordings) -> None:
    recordings.make("chain", recordings.spec(CHAIN), steps=2, optimizer=SGD)
    shown = recordings.shown("chain")
    for _ in range(3):
        report = recordings.compare(shown, recordings.candidate(CHAIN), steps=2, optimizers=(SGD, ""))
        assert report, str(report)


def test_other_random_decisions_than_the_recorded_ones_are_refused(recordings: Recordings) -> None:
    recordings.make("dropped", recordings.spec("random_models:Dropped", train=True))
    with pytest.raises(InvalidRequestError, match=r"options\.randomness: the reference was recorded with"):
        recordings.compare(
            recordings.shown("dropped"),
            recordings.candidate("random_models:Dropped", train=True),
            options=Options(randomness=Randomness.OFF),
        )
