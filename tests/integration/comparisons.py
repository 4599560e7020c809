"""One comparison of two models of the NumPy fake, on running processes."""

from __future__ import annotations

from typing import Any, Optional

from processes import Service

from padiff_client.link import Batches, connect
from padiff_client.report import Report
from padiff_rpc import trees
from padiff_rpc.v1.records import CompareStart, Model, Options, Party, WorkerAddress
from padiff_rpc.version import PROTOCOL_VERSION

_FIELDS = ("loss", "optimizer", "train", "train_step")


def model(name: str, **given: Any) -> Model:
    """Returns a model by reference; what is no field of `Model` goes to its factory."""
    fields = {field: given.pop(field) for field in _FIELDS if field in given}
    return Model(framework="fake", model=name, kwargs=trees.pack(given), **fields)


def compare_on(
    service: Service,
    reference: Model,
    candidate: Model,
    batches: Optional[Batches],
    options: Options,
    *,
    steps: int,
) -> Report:
    """Returns the report of a comparison; `batches` None: the workers have loaders."""
    start = CompareStart(
        protocol_version=PROTOCOL_VERSION,
        reference=Party(model=reference, worker=WorkerAddress(address=service.reference)),
        candidate=Party(model=candidate, worker=WorkerAddress(address=service.candidate)),
        steps=steps,
        options=options,
    )
    with connect(service.coordinator) as connection:
        return connection.compare(start, batches)
