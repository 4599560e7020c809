"""A model is spared the collector while it is loaded, and no longer."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))

import fake
import many_models
from fake_adapter import FakeAdapter
from model_threads import working

from padiff_rpc import trees
from padiff_rpc.collector import look_at_all
from padiff_rpc.v1.records import Model
from padiff_rpc.version import PROTOCOL_VERSION
from padiff_worker.model_thread import ModelThread
from padiff_worker.served_model import ServedModel
from padiff_worker.settings import WorkerSettings
from padiff_worker.worker import Worker

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture
def thread() -> Iterator[ModelThread]:
    with working(ModelThread()) as made:
        yield made
    look_at_all()


def test_a_model_in_cycles_is_let_go_with_its_lease(thread: ModelThread) -> None:
    worker = Worker(FakeAdapter(), WorkerSettings(roots=(str(TESTS / "integration"),)), thread)
    model = Model(framework="fake", model="many_models:in_a_cycle", kwargs=trees.pack({"layers": 3}))
    for _ in range(2):
        with worker.lease(PROTOCOL_VERSION) as lease:
            assert worker.load(lease, model, deterministic=False, threads=0).failure is None
            assert gc.get_freeze_count() > 0
            assert len(many_models.ALIVE) == 1
        assert len(many_models.ALIVE) == 0


def test_the_process_of_a_model_that_was_given_is_left_as_it_is(thread: ModelThread) -> None:
    served = ServedModel(model=fake.Sequential(fake.Linear(4, 4)))
    worker = Worker(FakeAdapter(), WorkerSettings(), thread, served)
    with worker.lease(PROTOCOL_VERSION) as lease:
        worker.load(lease, Model(framework="fake"), deterministic=False, threads=0)
        assert gc.get_freeze_count() == 0
