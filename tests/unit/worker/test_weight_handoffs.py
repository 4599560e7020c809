"""Weights of a model whose thread is handed them: small ones many at a time, read and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_adapter import FakeAdapter
from model_threads import working

from padiff_rpc import trees
from padiff_rpc.tensor_sender import bundled
from padiff_rpc.tensors import HostTensor, ReceivedTensor
from padiff_rpc.v1.records import Model
from padiff_rpc.version import PROTOCOL_VERSION
from padiff_worker.model_thread import ModelThread
from padiff_worker.settings import WorkerSettings
from padiff_worker.worker import Worker

TESTS = Path(__file__).resolve().parents[2]
LAYERS = 500


class CountingThread(ModelThread):
    """Counts what it is given to do."""

    def __init__(self) -> None:
        super().__init__()
        self.handoffs = 0

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        self.handoffs += 1
        return super().submit(function)


@pytest.fixture
def thread() -> Iterator[CountingThread]:
    with working(CountingThread()) as made:
        yield made


def test_a_thousand_small_weights_are_written_and_read_in_a_few_handoffs(thread: CountingThread) -> None:
    roots = tuple(str(TESTS / folder) for folder in ("fakes", "integration"))
    worker = Worker(FakeAdapter(), WorkerSettings(roots=roots), thread)
    model = Model(framework="fake", model="many_models:chain", kwargs=trees.pack({"layers": LAYERS}))
    shapes = {"weight": (4, 4), "bias": (4,)}
    wanted = {
        f"{layer}.{name}": np.full(shape, layer, np.float32)
        for layer in range(LAYERS)
        for name, shape in shapes.items()
    }
    sent = (
        ReceivedTensor(number=number, name=name, tensor=HostTensor.from_array(value))
        for number, (name, value) in enumerate(wanted.items())
    )
    with worker.lease(PROTOCOL_VERSION) as lease:
        worker.load(lease, model, deterministic=False, threads=0)
        before = thread.handoffs

        assert worker.write_weights(lease, bundled(sent, lambda one: one.tensor.byte_count)) == len(wanted)
        read = dict(chain.from_iterable(worker.read_weights(lease, list(wanted))))

        assert thread.handoffs - before <= 20
    assert list(read) == list(wanted)
    assert all(np.array_equal(read[name].tensor.array, value) for name, value in wanted.items())
