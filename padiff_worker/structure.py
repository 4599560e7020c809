"""Nested inputs and outputs to flat, named tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Callable

# Deeper nesting is taken for a cycle.
MAX_DEPTH = 32

IsTensor = Callable[[Any], bool]
NamedTensors = list[tuple[str, Any]]


def flatten_inputs(args: tuple[Any, ...], kwargs: Mapping[str, Any], is_tensor: IsTensor) -> NamedTensors:
    """Returns (slot, tensor) for every tensor among the arguments.

    A positional argument is named by its position, a keyword argument by its keyword; what lies
    inside adds its key, field or position after a dot.
    """
    found = list(_walk(args, "", is_tensor, 0))
    found.extend(_walk(dict(kwargs), "", is_tensor, 0))
    return found


def flatten_output(output: Any, is_tensor: IsTensor) -> NamedTensors:
    """Returns (slot, tensor) for every tensor of a return value.

    A lone tensor is slot "0", and so is the tensor of a one-element tuple: frameworks and ports differ
    in whether they unpack it.
    """
    return list(_walk((output,) if is_tensor(output) else output, "", is_tensor, 0))


def _walk(value: Any, prefix: str, is_tensor: IsTensor, depth: int) -> Iterator[tuple[str, Any]]:
    if is_tensor(value):
        yield prefix, value
        return
    if depth > MAX_DEPTH:
        return
    for key, item in _items(value):
        yield from _walk(item, f"{prefix}.{key}" if prefix else str(key), is_tensor, depth + 1)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    # A ModelOutput is a mapping and a dataclass at once; as a mapping it leaves its empty fields out.
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name, None)
