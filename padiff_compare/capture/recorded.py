"""Parts of a recording as the comparison knows them; recording.proto says in which order they come."""

from __future__ import annotations

from typing import Union

from padiff_compare.capture.source import NumberedTensors, StepItem
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    DescribeOptimizerResponse,
    Layer,
    OptimizerEntry,
    PackedBatch,
    RecordedFloors,
    RecordingBegins,
    StepStart,
    TraceResponse,
)


@record
class RecordedLayers:
    """The layer tree, definition order."""

    layers: tuple[Layer, ...]


@record
class RecordedWeight:
    """A parameter or buffer by its full name, as it is from here on."""

    name: str
    tensor: HostTensor


@record
class RecordedState:
    """A tensor of the optimizer's state, as it is from here on."""

    entry: OptimizerEntry
    tensor: HostTensor


@record
class RecordedBatch:
    """The batch of the step that comes next."""

    batch: PackedBatch
    tensors: NumberedTensors


@record
class RecordedItem:
    """An event of the running step."""

    item: StepItem


@record
class StepEnds:
    """A step is whole."""

    step: int


@record
class RecordingEnds:
    """All steps that were asked for are whole."""

    steps: int


Recorded = Union[
    RecordingBegins,
    RecordedLayers,
    RecordedWeight,
    DescribeOptimizerResponse,
    RecordedState,
    RecordedBatch,
    TraceResponse,
    StepStart,
    RecordedItem,
    RecordedFloors,
    StepEnds,
    RecordingEnds,
]
