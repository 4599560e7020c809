"""Recordings as files: whole, cut, damaged, and of strange parts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from any_messages import any_message, damaged

from padiff_rpc.convert import to_number, to_proto
from padiff_rpc.errors import InvalidRequestError, NotFoundError, ProtocolError, StateError
from padiff_rpc.recording_files import FIRST_LINE, RecordingReader, framed
from padiff_rpc.tensors import HostTensor, frames_of
from padiff_rpc.v1 import recording_pb2 as pb
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import (
    LoadResponse,
    Model,
    RecordedSettings,
    Recording,
    RecordingBegins,
    WorkerInfo,
)
from padiff_rpc.v1.words import CallMoment, Phase, Randomness
from padiff_rpc.version import PROTOCOL_VERSION
from padiff_worker.recorded.contents import Contents
from padiff_worker.recorded.player import Player

ONES = HostTensor.from_array(np.ones((2, 3), np.float32))
TWOS = HostTensor.from_array(np.full((2, 3), 2, np.float32))
OURS = (InvalidRequestError, NotFoundError, ProtocolError, StateError)


def begins(**given: Any) -> pb.RecordedPart:
    worker = WorkerInfo(
        protocol_version=PROTOCOL_VERSION,
        framework="fake",
        framework_version="1",
        python_version="3",
        numpy_version="2",
        package_version="1",
        host="h",
        pid=1,
    )
    recording = Recording(
        made_at="2026-01-01T00:00:00+00:00",
        model=Model(model="m:f"),
        steps=2,
        settings=RecordedSettings(backward=True, optimize=True),
        **given,
    )
    begun = RecordingBegins(recording=recording, worker=worker, loaded=LoadResponse())
    return pb.RecordedPart(begins=to_proto(begun))


def weights(value: HostTensor, name: str = "w") -> list[pb.RecordedPart]:
    return [pb.RecordedPart(weight=frame) for frame in frames_of(0, value, name)]


def events(*given: worker_pb2.StepEvent) -> pb.RecordedPart:
    return pb.RecordedPart(events=worker_pb2.RunStepResponse(events=given))


def call(path: str, gradient: int = 0) -> worker_pb2.StepEvent:
    slot = worker_pb2.StepEvent().call.slots.add(name="0", tensor=1, gradient=gradient)
    event = worker_pb2.StepEvent()
    event.call.path, event.call.moment = path, to_number(CallMoment.ENTRY)
    event.call.slots.add().CopyFrom(slot)
    return event


def capture(number: int, gradient_of: int = 0) -> list[worker_pb2.StepEvent]:
    header, *chunks = frames_of(number, ONES)
    begun = worker_pb2.CaptureHeader(header=header.header, gradient_of=gradient_of)
    return [
        worker_pb2.StepEvent(capture=begun),
        *(worker_pb2.StepEvent(chunk=frame.chunk) for frame in chunks),
    ]


def step(number: int, *said: worker_pb2.StepEvent, **start: Any) -> list[pb.RecordedPart]:
    start.setdefault("randomness", to_number(Randomness.REPORT))
    begun = worker_pb2.StepStart(step=number, backward=True, optimize=True, **start)
    return [
        pb.RecordedPart(batch=worker_pb2.PackedBatch()),
        pb.RecordedPart(step_begins=begun),
        *(events(one) for one in said),
        events(worker_pb2.StepEvent(summary=worker_pb2.StepSummary())),
        *weights(TWOS),
        pb.RecordedPart(step_ends=number),
    ]


WHOLE = [
    begins(),
    pb.RecordedPart(layers=worker_pb2.DescribeResponse()),
    *weights(ONES),
    *weights(ONES, "other"),
    *step(0, worker_pb2.StepEvent(phase=to_number(Phase.FORWARD)), call("a"), *capture(1)),
    *step(1),
    pb.RecordedPart(ends=2),
]


def written(folder: Path, parts: Iterable[pb.RecordedPart]) -> Path:
    path = folder / "run.padiff"
    path.write_bytes(FIRST_LINE + b"".join(map(framed, parts)))
    return path


@contextlib.contextmanager
def player(folder: Path, parts: Iterable[pb.RecordedPart]) -> Iterator[Player]:
    with RecordingReader(str(written(folder, parts)), field="recording") as reader:
        yield Player(Contents(reader))


@contextlib.contextmanager
def leased(folder: Path, parts: Iterable[pb.RecordedPart]) -> Iterator[tuple[Player, str]]:
    with player(folder, parts) as shown, shown.lease(PROTOCOL_VERSION) as lease:
        yield shown, lease


def asked(lease: str, step: int = 0, *, backward: bool = True, **given: Any) -> worker_pb2.StepStart:
    given.setdefault("randomness", to_number(Randomness.REPORT))
    return worker_pb2.StepStart(lease=lease, step=step, backward=backward, **given)


def names_and_values(shown: Player, lease: str, names: list[str]) -> list[bytes]:
    return [frame.chunk.content for frame in shown.weights(lease, names) if frame.HasField("chunk")]


def test_weights_are_those_behind_the_steps_that_were_shown(tmp_path: Path) -> None:
    with leased(tmp_path, WHOLE) as (shown, lease):
        before = names_and_values(shown, lease, ["other", "w"])
        list(shown.step(asked(lease)))
        behind = names_and_values(shown, lease, ["other", "w"])
        assert before == [bytes(ONES.flat_bytes())] * 2
        assert behind == [bytes(ONES.flat_bytes()), bytes(TWOS.flat_bytes())]
        with pytest.raises(NotFoundError, match="no weight 'none'"):
            names_and_values(shown, lease, ["none"])


def test_a_state_that_was_remembered_comes_back(tmp_path: Path) -> None:
    with leased(tmp_path, WHOLE) as (shown, lease):
        shown.keep_state(lease)
        list(shown.step(asked(lease)))
        shown.restore_state(lease)
        assert names_and_values(shown, lease, ["w"]) == [bytes(ONES.flat_bytes())]


def test_a_new_lease_begins_at_the_beginning(tmp_path: Path) -> None:
    with player(tmp_path, WHOLE) as shown:
        with shown.lease(PROTOCOL_VERSION) as lease:
            list(shown.step(asked(lease, 1)))
        with shown.lease(PROTOCOL_VERSION) as lease:
            assert names_and_values(shown, lease, ["w"]) == [bytes(ONES.flat_bytes())]


@pytest.mark.parametrize("left", range(1, len(WHOLE)))
def test_a_recording_that_was_cut_short_has_its_whole_steps(tmp_path: Path, left: int) -> None:
    ends = [index for index, part in enumerate(WHOLE) if part.HasField("step_ends")]
    steps = sum(index < left for index in ends)
    if not steps:
        with pytest.raises(InvalidRequestError, match="no whole step"), player(tmp_path, WHOLE[:left]):
            pass
        return
    with player(tmp_path, WHOLE[:left]) as shown:
        recording = shown.info().recording
    assert recording is not None
    assert (recording.steps, recording.cut_short) == (steps, True)


def test_gradients_of_inputs_own_are_shown_where_they_are_asked_for(tmp_path: Path) -> None:
    said = [call("a", gradient=7), *capture(1), *capture(2, gradient_of=7)]
    with (
        leased(tmp_path, [begins(), *step(0, *said), pb.RecordedPart(ends=1)]) as (shown, lease),
    ):
        start = asked(lease)
        plain = list(shown.step(start))
        start.own_gradients.add(path="a", call=0, slot="0")
        own = list(shown.step(start))
    assert [event.capture.header.tensor for event in plain if event.HasField("capture")] == [1]
    assert [event.capture.header.tensor for event in own if event.HasField("capture")] == [1, 2]
    assert {event.call.slots[0].gradient for event in plain if event.HasField("call")} == {0}


def test_forward_alone_is_shown_where_no_backward_is_asked_for(tmp_path: Path) -> None:
    phases = [Phase.FORWARD, Phase.LOSS, Phase.BACKWARD]
    said = [worker_pb2.StepEvent(phase=to_number(phase)) for phase in phases]
    with (
        leased(tmp_path, [begins(), *step(0, *said), pb.RecordedPart(ends=1)]) as (shown, lease),
    ):
        kinds = [event.WhichOneof("event") for event in shown.step(asked(lease, backward=False))]
    assert kinds == ["phase", "summary"]


@pytest.mark.parametrize("wanted", [{"in_float64": True}, {"again": True}])
def test_a_recording_computes_nothing_else(tmp_path: Path, wanted: dict[str, Any]) -> None:
    with (
        leased(tmp_path, WHOLE) as (shown, lease),
        pytest.raises(StateError, match="computes nothing else"),
    ):
        list(shown.step(asked(lease, **wanted)))


def drawing(randomness: Randomness, **start: Any) -> list[pb.RecordedPart]:
    summary = worker_pb2.StepSummary()
    summary.random_operations.add(path="a.drop", name="dropout")
    said = worker_pb2.StepEvent(summary=summary)
    return [begins(), *step(0, said, randomness=to_number(randomness), **start), pb.RecordedPart(ends=1)]


@pytest.mark.parametrize(
    ("had", "wanted", "is_shown"),
    [
        (Randomness.OFF, Randomness.OFF, True),
        (Randomness.OFF, Randomness.SHARED, False),
        (Randomness.SHARED, Randomness.OFF, False),
        (Randomness.SHARED, Randomness.REPORT, True),
        (Randomness.SHARED, Randomness.SHARED, True),
    ],
)
def test_random_decisions_are_those_asked_for_or_the_step_is_not_shown(
    tmp_path: Path, had: Randomness, wanted: Randomness, is_shown: bool
) -> None:
    with leased(tmp_path, drawing(had)) as (shown, lease):
        start = asked(lease, randomness=to_number(wanted))
        kinds = [event.WhichOneof("event") for event in shown.step(start)]
    assert ("failure" not in kinds) is is_shown


def test_decisions_shared_in_other_layers_are_not_shown(tmp_path: Path) -> None:
    with (
        leased(tmp_path, drawing(Randomness.SHARED, random_pairs=[{"path": "a.drop", "pair": 4}])) as (
            shown,
            lease,
        ),
    ):
        start = asked(lease, randomness=to_number(Randomness.SHARED))
        start.random_pairs.add(path="a", pair=3)
        kinds = [event.WhichOneof("event") for event in shown.step(start)]
        start.random_pairs.add(path="a.drop", pair=4)
        same = [event.WhichOneof("event") for event in shown.step(start)]
    assert "failure" in kinds
    assert "failure" not in same


SEARCH = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def show_all(shown: Player) -> None:
    """Asks for all that there is."""
    shown.info()
    with shown.lease(PROTOCOL_VERSION) as lease:
        contents = shown.contents(lease)
        for number in range(len(contents.steps)):
            list(contents.batch_frames(contents.steps[number]))
            with contextlib.suppress(*OURS):
                list(shown.step(asked(lease, number)))
            list(shown.weights(lease, list(contents.weights(number))))
            list(shown.optimizer_state(lease, list(contents.optimizer_state(number))))


@SEARCH
@given(parts=damaged(WHOLE, any_message(pb.RecordedPart, step_ends=st.integers(0, 2))))
def test_any_parts_are_shown_or_refused(tmp_path: Path, parts: list[Any]) -> None:
    with contextlib.suppress(*OURS), player(tmp_path, parts) as shown:
        show_all(shown)


@SEARCH
@given(data=st.data())
def test_any_bytes_are_shown_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = written(tmp_path, WHOLE)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    with contextlib.suppress(*OURS), RecordingReader(str(path), field="recording") as reader:
        show_all(Player(Contents(reader)))
