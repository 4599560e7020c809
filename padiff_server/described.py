"""Checks of what a worker says of its model, before anything relies on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from padiff_rpc import trees
from padiff_rpc.errors import ProtocolError
from padiff_rpc.limits import exceeded, limits
from padiff_rpc.tensors import MAX_DIMENSIONS
from padiff_rpc.v1.records import CallEvent, DescribeOptimizerResponse, Layer, TensorSpec

T = TypeVar("T")


def checked_layers(layers: Sequence[Layer], *, peer: str) -> tuple[Layer, ...]:
    """Returns `layers`, of which the first is the root, all paths and weights are unlike, and owners exist.

    Raises ProtocolError where that is not so, BusyError beyond the limit.
    """
    most = limits().layers
    if len(layers) > most:
        raise exceeded(f"{peer} describes more than {most:,} layers", "layers")
    if not layers or layers[0].path != "":
        raise ProtocolError(f"{peer} describes a model without a root")
    twice = _twice(path for layer in layers for path in (layer.path, *layer.aliases))
    if twice:
        raise ProtocolError(f"{peer} describes two layers at {twice[0]!r}")
    weights = [
        (f"{layer.path}.{weight.name}" if layer.path else weight.name, weight)
        for layer in layers
        for weight in layer.weights
    ]
    twice = _twice(name for name, _ in weights)
    if twice:
        raise ProtocolError(f"{peer} describes two weights called {twice[0]!r}")
    names = {name for name, _ in weights}
    for layer in layers:
        trees.unpack_map(layer.hyper_parameters)
    for name, weight in weights:
        _check_spec(weight.spec, f"{peer}: the weight {name!r}")
        if weight.tied_to and (weight.tied_to not in names or weight.tied_to == name):
            raise ProtocolError(f"{peer} ties the weight {name!r} to {weight.tied_to!r}, which is no other")
    return tuple(layers)


def check_calls(calls: Sequence[CallEvent], paths: Collection[str], *, peer: str) -> None:
    """Raises as `checked_layers` for the calls of a trace; `paths` are the layers' own."""
    most = limits().calls
    if len(calls) > most:
        raise exceeded(f"{peer} traced more than {most:,} entries and exits", "calls")
    for call in calls:
        where = f"{peer}: a call of {call.path!r}"
        if call.path not in paths:
            raise ProtocolError(f"{where}, which it did not describe")
        twice = _twice(slot.name for slot in call.slots)
        if twice:
            raise ProtocolError(f"{where} has two tensors in the slot {twice[0]!r}")
        for slot in call.slots:
            _check_spec(slot.spec, where)


def check_optimizer(description: DescribeOptimizerResponse, *, peer: str) -> None:
    """Raises ProtocolError for settings and conventions that are no plain values by name."""
    for group in description.groups:
        settings = trees.unpack_map(group.settings)
        if not all(isinstance(value, (bool, int, float, str, type(None))) for value in settings.values()):
            raise ProtocolError(f"{peer} describes an optimizer with a setting that is no plain value")
    if not all(isinstance(value, str) for value in trees.unpack_map(description.conventions).values()):
        raise ProtocolError(f"{peer} describes an optimizer with a convention that is no text")


def _check_spec(spec: TensorSpec, where: str) -> None:
    if len(spec.shape) > MAX_DIMENSIONS or min(spec.shape, default=0) < 0:
        raise ProtocolError(f"{where} has a shape that no tensor has")


def _twice(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]
