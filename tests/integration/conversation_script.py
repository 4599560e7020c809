"""The conversation that is recorded: what a client of today asks of a coordinator."""

from __future__ import annotations

import numpy as np

from padiff_client.link import Batches, connect
from padiff_client.report import Report
from padiff_rpc import trees
from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    CompareStart,
    Model,
    Options,
    Party,
    PlanStart,
    WorkerAddress,
)
from padiff_rpc.version import PROTOCOL_VERSION

X = np.arange(20, dtype=np.float32).reshape(5, 4) / 8


def _party(address: str, optimizer: str = "") -> Party:
    model = Model(
        framework="fake", model="fake_models:net", kwargs=trees.pack({}), optimizer=optimizer, train=True
    )
    return Party(model=model, worker=WorkerAddress(address=address))


def talk(coordinator: str, reference: str, candidate: str) -> list[Report]:
    """Asks for two steps of training, one in lockstep, a plan and an assignment; returns the reports."""
    given = {"protocol_version": PROTOCOL_VERSION}
    plain = {"reference": _party(reference), "candidate": _party(candidate)}
    optimizer = "coordinator_models:plain_optimizer"
    training = {"reference": _party(reference, optimizer), "candidate": _party(candidate, optimizer)}
    pair = ({"x": X}, {"x": X})
    with connect(coordinator) as connection:
        return [
            connection.compare(
                CompareStart(**given, **training, steps=2), Batches(([{"x": X}, {"x": X}],) * 2)
            ),
            connection.compare(
                CompareStart(**given, **plain, options=Options(single_step=True)), Batches(pair)
            ),
            connection.plan(PlanStart(**given, **plain), Batches(pair)),
            connection.assign_weights(AssignWeightsRequest(**given, **plain)),
        ]
