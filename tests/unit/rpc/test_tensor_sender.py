"""A sender of tensors: what it measures, and when it compresses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from padiff_rpc import tensor_sender
from padiff_rpc.tensor_sender import (
    SLOW_BYTES_PER_SECOND,
    NamedTensor,
    TensorSender,
    bundled,
    received_bundles,
    received_tensors,
)
from padiff_rpc.tensors import HostTensor

ZSTD = ["zstd"]
TENSOR = HostTensor.from_array(np.random.default_rng(0).normal(size=1 << 21).astype(np.float32))


class Line:
    """A clock that a connection of some speed moves: by each chunk, when the next is asked for."""

    def __init__(self, bytes_per_second: float) -> None:
        self.bytes_per_second = bytes_per_second
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def carries(self, size: int) -> None:
        """So many bytes go over it."""
        self._now += size / self.bytes_per_second

    def carried(self, sender: TensorSender) -> Iterator[bool]:
        """Carries one tensor of 8 MiB; yields of each chunk whether it was compressed."""
        for chunk in sender.chunks_of(1, TENSOR):
            self.carries(len(chunk.content))
            yield chunk.HasField("coding")


def line_of(speed: float, monkeypatch: pytest.MonkeyPatch) -> Line:
    line = Line(speed)
    monkeypatch.setattr(tensor_sender, "time", line)
    return line


def test_a_slow_connection_gets_compressed_chunks_once_it_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sender = TensorSender(ZSTD)
    assert list(line_of(10e6, monkeypatch).carried(sender)) == [False] * 2 + [True] * 6

    sending = sender.sending(to_worker=True)
    assert sending.bytes_per_second == pytest.approx(10e6)
    assert sending.tensor_bytes == TENSOR.byte_count
    assert sending.sent_bytes < 0.95 * sending.tensor_bytes


def test_a_fast_connection_gets_chunks_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = TensorSender(ZSTD)
    assert not any(line_of(1.1 * SLOW_BYTES_PER_SECOND, monkeypatch).carried(sender))


@pytest.mark.parametrize("readable", [[], ["another"]])
def test_whoever_cannot_read_compressed_chunks_gets_none(
    readable: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = TensorSender(readable)
    assert not any(line_of(1e6, monkeypatch).carried(sender))
    assert not sender.sending(to_worker=True).can_compress


def test_a_connection_that_becomes_fast_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = TensorSender(ZSTD)
    line = line_of(10e6, monkeypatch)
    assert list(line.carried(sender))[-1]
    line.bytes_per_second = 100 * SLOW_BYTES_PER_SECOND
    for _ in range(8):
        last = list(line.carried(sender))[-1]
    assert not last


def test_frames_of_a_slow_connection_make_the_same_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = TensorSender(ZSTD)
    line = line_of(1e6, monkeypatch)
    list(line.carried(sender))
    assert next(line.carried(sender))

    (received,) = received_tensors(sender.frames_of(2, TENSOR, "weight"))

    assert received.name == "weight"
    assert np.array_equal(received.tensor.array, TENSOR.array)


KIB = 1 << 10


def test_small_ones_are_put_together_and_large_ones_are_alone() -> None:
    sizes = [100 * KIB, 300 * KIB, 200 * KIB, 600 * KIB, 1, 512 * KIB, 2]
    assert list(bundled(sizes, lambda size: size)) == [
        [100 * KIB, 300 * KIB],
        [200 * KIB],
        [600 * KIB],
        [1],
        [512 * KIB],
        [2],
    ]
    assert [len(bundle) for bundle in bundled([0] * 600, lambda size: size)] == [256, 256, 88]


def test_a_large_one_is_not_kept_waiting_for_the_next() -> None:
    def sizes() -> Iterator[int]:
        yield 512 * KIB
        raise AssertionError("it was asked for the next one")

    assert next(bundled(sizes(), lambda size: size)) == [512 * KIB]


def test_the_tensors_of_a_bundle_come_in_one_message_and_together() -> None:
    named = [
        NamedTensor(number=number, tensor=HostTensor.from_array(np.arange(size)), name=f"w{size}")
        for number, size in enumerate((3, 0, 5))
    ]
    messages = list(TensorSender().messages_of(named))
    assert len(messages) == 1

    (received,) = received_bundles(messages)

    assert [(one.name, one.tensor.array.tolist()) for one in received] == [
        ("w3", [0, 1, 2]),
        ("w0", []),
        ("w5", [0, 1, 2, 3, 4]),
    ]


def test_what_bundles_need_of_a_connection_is_measured_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = TensorSender(ZSTD)
    line = line_of(10e6, monkeypatch)
    small = HostTensor.from_array(np.ones(1000, np.float32))
    for bundle in bundled((NamedTensor(number=number, tensor=small) for number in range(1000)), size_of):
        for frames in sender.messages_of(bundle):
            line.carries(sum(len(frame.chunk.content) for frame in frames))

    sending = sender.sending(to_worker=True)
    assert sending.tensor_bytes == 4_000_000
    assert sending.bytes_per_second == pytest.approx(10e6)


def size_of(named: NamedTensor) -> int:
    return named.tensor.byte_count
