"""Planning alone, across real processes, over the NumPy fake; and a comparison under the plan it made."""

from __future__ import annotations

from typing import Any

import numpy as np
from processes import Service

from padiff_client import LayerMap
from padiff_client.link import Batches, connect
from padiff_client.plan_file import layer_map_of, plan_yaml
from padiff_rpc import trees
from padiff_rpc.v1.records import CompareStart, Model, Party, PlanStart, WorkerAddress
from padiff_rpc.version import PROTOCOL_VERSION

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
NET = Model(framework="fake", model="fake_models:net", kwargs=trees.pack({}))


def parties(service: Service) -> dict[str, Any]:
    return {
        "reference": Party(model=NET, worker=WorkerAddress(address=service.reference)),
        "candidate": Party(model=NET, worker=WorkerAddress(address=service.candidate)),
    }


def test_a_plan_is_made_without_a_comparison_and_can_be_given_back(service: Service, tmp_path: Any) -> None:
    batches = {"x": X}, {"x": X}
    with connect(service.coordinator) as connection:
        start = PlanStart(protocol_version=PROTOCOL_VERSION, **parties(service))
        report = connection.plan(start, Batches(batches))
    assert report.rows == ()
    assert [pair.reference.path for pair in report.plan if pair.reference] == [
        pair.candidate.path for pair in report.plan if pair.candidate
    ]
    assert all(pair.reference.spec is not None for pair in report.plan if pair.reference and pair.calls)

    path = tmp_path / "plan.yaml"
    path.write_text(plan_yaml(report.plan))
    layer_map = LayerMap.load(path).to_record()
    assert layer_map == layer_map_of(report.plan)
    with connect(service.coordinator) as connection:
        compared = connection.compare(
            CompareStart(protocol_version=PROTOCOL_VERSION, layer_map=layer_map, **parties(service)),
            Batches(batches),
        )
    assert compared
    coverage = compared.summary.coverage
    assert coverage.tensors_compared == coverage.tensors_total == 35
    assert coverage.calls_compared == coverage.calls_total == 5
    assert coverage.parameters_compared == coverage.parameters_total == 6
