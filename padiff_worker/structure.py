"""Nested inputs and outputs to flat, named tensors."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, Optional

# What lies deeper is not looked at.
MAX_DEPTH = 32

# Returns the tensor that a value is, or that stands for it; None for what is looked into, or past.
TensorIn = Callable[[Any], Optional[Any]]
NamedTensors = list[tuple[str, Any]]
# Of which nothing is a tensor, nor holds one; and what holds some, and is none.
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})
_HOLDERS = frozenset({tuple, list, dict})
# The containers that something lies in, by their ids.
Around = frozenset[int]


def flatten_inputs(args: tuple[Any, ...], kwargs: Mapping[str, Any], tensor_in: TensorIn) -> NamedTensors:
    """Returns (slot, tensor) for every tensor among the arguments.

    A positional argument is named by its position, a keyword argument by its keyword; what lies
    inside adds its key, field or position after a dot.
    """
    found: NamedTensors = []
    _gather(args, "", tensor_in, found)
    if kwargs:
        _gather(dict(kwargs), "", tensor_in, found)
    return _distinct(found)


def flatten_output(output: Any, tensor_in: TensorIn) -> NamedTensors:
    """Returns (slot, tensor) for every tensor of a return value.

    A lone tensor is slot "0", and so is the tensor of a one-element tuple: frameworks and ports differ
    in whether they unpack it.
    """
    lone = tensor_in(output)
    if lone is not None:
        return [("0", lone)]
    found: NamedTensors = []
    _gather(output, "", tensor_in, found)
    return _distinct(found)


def tensors_in(value: Any, tensor_in: TensorIn) -> list[Any]:
    """Returns the tensors that `flatten_output` would name."""
    found: NamedTensors = []
    _gather(value, "", tensor_in, found)
    return [tensor for _, tensor in found]


def with_inputs(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], replaced: Mapping[str, Any], tensor_in: TensorIn
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns the arguments with other tensors in the slots of `replaced`; nothing given is changed."""
    slots = iter([slot for slot, _ in flatten_inputs(args, kwargs, tensor_in)])
    return (
        _with(args, slots, replaced, tensor_in),
        _with(dict(kwargs), slots, replaced, tensor_in),
    )


def with_output(output: Any, replaced: Mapping[str, Any], tensor_in: TensorIn) -> Any:
    """Returns a return value with other tensors in the slots of `replaced`; nothing given is changed."""
    slots = iter([slot for slot, _ in flatten_output(output, tensor_in)])
    return _with(output, slots, replaced, tensor_in)


def _with(
    value: Any,
    slots: Iterator[str],
    replaced: Mapping[str, Any],
    tensor_in: TensorIn,
    around: Around = frozenset(),
) -> Any:
    """Walks as `_gather` does: `slots` names the tensors in the order in which they are met."""
    own = tensor_in(value)
    if own is not None:
        made = replaced.get(next(slots), own)
        if own is value:
            return made
        return (
            value if made is own else _rebuilt(value, {k: made for k, item in _items(value) if item is own})
        )
    within = _enters(value, around)
    if within is None:
        return value
    changed = {}
    for key, item in _items(value):
        made = _with(item, slots, replaced, tensor_in, within)
        if made is not item:
            changed[key] = made
    return _rebuilt(value, changed) if changed else value


def _rebuilt(value: Any, changed: Mapping[Any, Any]) -> Any:
    if isinstance(value, tuple):
        items = [changed.get(index, item) for index, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    # A frozen dataclass takes no assignment, and `replace` would want its constructor's arguments.
    made = copy.copy(value)
    for key, item in changed.items():
        if isinstance(value, (Mapping, list)):
            made[key] = item
        else:
            object.__setattr__(made, key, item)
    return made


def _distinct(found: NamedTensors) -> NamedTensors:
    if len(found) < 2:
        return found
    # Keys may hold dots, and 0 and "0" may be keys of one dict.
    seen: Counter[str] = Counter()
    named = []
    for name, tensor in found:
        named.append((f"{name}#{seen[name]}" if seen[name] else name, tensor))
        seen[name] += 1
    return named


def _gather(
    value: Any, prefix: str, tensor_in: TensorIn, found: NamedTensors, around: Around = frozenset()
) -> None:
    """Appends the tensors of `value` to `found`; what every function is called with is walked like this."""
    kind = type(value)
    if kind in _PLAIN:
        return
    tensor = None if kind in _HOLDERS else tensor_in(value)
    if tensor is not None:
        found.append((prefix, tensor))
        return
    within = _enters(value, around)
    if within is not None:
        for key, item in _items(value):
            _gather(item, f"{prefix}.{key}" if prefix else str(key), tensor_in, found, within)


def _enters(value: Any, around: Around) -> Optional[Around]:
    """Returns what lies around the items of a container; None for one that lies in itself, or too deep."""
    if id(value) in around or len(around) > MAX_DEPTH:
        return None
    return around | {id(value)}


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    # A ModelOutput is a mapping and a dataclass at once; as a mapping it leaves its empty fields out.
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    if isinstance(value, (dict, Mapping)):  # dict first, since asking a class of `abc` takes long
        return value.items()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    return ()
