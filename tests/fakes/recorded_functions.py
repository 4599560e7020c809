"""Traces of functions made by hand: what a worker would record of some lines of NumPy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from padiff_rpc import fingerprints as parts
from padiff_rpc.tensors import HostTensor
from padiff_rpc.trees import pack
from padiff_rpc.v1.records import (
    FunctionArgument,
    FunctionBoundary,
    FunctionCall,
    FunctionTensor,
    FunctionTrace,
    SourceLine,
)
from padiff_rpc.v1.words import CallMoment, TensorKind

_KINDS = {"b": TensorKind.BOOL, "i": TensorKind.INTEGER, "f": TensorKind.FLOAT, "c": TensorKind.COMPLEX}


class Held(NamedTuple):
    """A tensor of a trace: its number and its values."""

    number: int
    array: Any


# Given the gradient of a call's first output, returns those of its inputs; None for what needs none.
Back = Callable[[Any], Sequence[Any]]


class RecordedFunctions:
    """One call of a layer, whose functions are made one by one; `trace` is what a worker says of it."""

    def __init__(self, path: str = "block", file: str = "port.py") -> None:
        self._path, self._file = path, file
        self._calls: list[FunctionCall] = []
        self._tensors: list[FunctionTensor] = []
        self._boundaries: list[FunctionBoundary] = []
        self._backs: list[tuple[int, Sequence[int], Back]] = []
        self._hooks: dict[int, Callable[[Any], Any]] = {}

    def given(self, array: Any, slot: str = "0", *, needs_gradient: bool = False) -> Held:
        """Returns an input of the parent."""
        held = self._tensor(np.asarray(array))
        self._set(held.number, needs_gradient=needs_gradient)
        self._bound(self._path, CallMoment.ENTRY, slot, held)
        return held

    def parameter(self, name: str, array: Any) -> Held:
        """Returns a parameter, whose values nobody is told."""
        return self._tensor(np.asarray(array), parameter=name)

    def call(
        self,
        operation: str,
        compute: Callable[..., Any],
        *inputs: Held,
        line: int,
        group: int = 0,
        is_layout: bool = False,
        back: Optional[Back] = None,
        own_backward: bool = False,
        **arguments: Any,
    ) -> Any:
        """Returns what a function makes of the inputs' values: a tensor, or a list of several.

        Without `back` no gradient goes through it.
        """
        made = compute(*(one.array for one in inputs))
        number = len(self._calls) + 1
        outputs = [self._tensor(one, number) for one in (made if isinstance(made, list) else [made])]
        self._called(operation, number, inputs, outputs, line, group, is_layout, arguments)
        if own_backward:
            self._calls[-1] = dataclasses.replace(self._calls[-1], has_own_backward=True)
        if back is not None:
            self._hand_on(inputs, outputs, back)
        return outputs if isinstance(made, list) else outputs[0]

    def hook(self, held: Held, hook: Callable[[Any], Any], line: int) -> None:
        """Puts a hook of the user's on a gradient."""
        self._hooks[held.number] = hook
        self._called("register_hook", len(self._calls) + 1, [held], [], line, 0, False, {})

    def _hand_on(self, inputs: Sequence[Held], outputs: Sequence[Held], back: Back) -> None:
        if any(self._needs(one.number) for one in inputs):
            self._backs.append((outputs[0].number, [one.number for one in inputs], back))
            for one in outputs:
                self._set(one.number, needs_gradient=True)

    def _needs(self, number: int) -> bool:
        return self._tensors[number - 1].needs_gradient

    def _set(self, number: int, **fields: Any) -> None:
        self._tensors[number - 1] = dataclasses.replace(self._tensors[number - 1], **fields)

    def _sent_back(self, number: int, gradient: Any) -> None:
        """Fills in the gradients of all that one at this tensor reaches."""
        totals = {number: gradient}
        for output, inputs, back in reversed(self._backs):
            total = totals.get(output)
            if total is None:
                continue
            total = self._hooks[output](total) if output in self._hooks else total
            for one, part in zip(inputs, back(total)):
                if part is not None and self._needs(one):
                    totals[one] = totals[one] + part if one in totals else part
        for one, total in totals.items():
            self._set(one, gradient_fingerprint=parts.to_bytes(fingerprint(total)))
            if one in self._hooks:
                hooked = parts.to_bytes(fingerprint(self._hooks[one](total)))
                self._set(one, hooked_gradient_fingerprint=hooked)

    def move(
        self, operation: str, compute: Callable[..., Any], given: Held, line: int, **arguments: Any
    ) -> Held:
        """Returns what a call makes that only moves elements."""
        held: Held = self.call(operation, compute, given, line=line, is_layout=True, **arguments)
        return held

    def layer(
        self,
        path: str,
        compute: Callable[..., Any],
        *inputs: Held,
        override: Sequence[Any] = (),
        back: Optional[Back] = None,
    ) -> Held:
        """Returns what a layer makes, of the values of `override` where there are any (lockstep)."""
        taken = []
        for slot, one in enumerate(inputs):
            value = override[slot] if slot < len(override) else None
            instead = self._tensor(np.asarray(value), replaces=one.number) if value is not None else None
            self._bound(path, CallMoment.ENTRY, str(slot), one, instead)
            taken.append(instead or one)
        number = len(self._calls) + 1
        made = self._tensor(compute(*(one.array for one in taken)), number)
        if back is not None:
            self._hand_on(inputs, [made], back)
        self._bound(path, CallMoment.EXIT, "0", made)
        self._calls.append(
            FunctionCall(
                number=number,
                operation="Layer",
                function=path,
                layer_path=path,
                layer_call=0,
                inputs=tuple(one.number for one in taken),
                outputs=(made.number,),
                is_layer=True,
                group=number,
            )
        )
        return made

    def mark(self, name: str, held: Held) -> None:
        """Marks a tensor, as the user may."""
        at = held.number - 1
        self._tensors[at] = dataclasses.replace(self._tensors[at], mark=name)

    def returned(self, held: Held, slot: str = "0", gradient: Any = None) -> FunctionTrace:
        """Returns the trace, of a parent that returns this, to which such a gradient comes."""
        if gradient is not None:
            self._sent_back(held.number, gradient)
        self._bound(self._path, CallMoment.EXIT, slot, held)
        return FunctionTrace(
            path=self._path,
            call=0,
            calls=tuple(self._calls),
            tensors=tuple(self._tensors),
            boundaries=tuple(self._boundaries),
        )

    def _called(
        self,
        operation: str,
        number: int,
        inputs: Sequence[Held],
        outputs: Sequence[Held],
        line: int,
        group: int,
        is_layout: bool,
        arguments: dict[str, Any],
    ) -> None:
        self._calls.append(
            FunctionCall(
                number=number,
                operation=operation,
                function=operation,
                source=SourceLine(file=self._file, line=line, function="forward", text=f"line {line}"),
                layer_path=self._path,
                layer_call=0,
                arguments=tuple(
                    FunctionArgument(name=name, text=repr(value), value=pack(value))
                    for name, value in arguments.items()
                ),
                inputs=tuple(one.number for one in inputs),
                outputs=tuple(one.number for one in outputs),
                is_source=not inputs,
                is_layout=is_layout,
                group=group or 1000 + number,
            )
        )

    def _tensor(self, array: Any, producer: int = 0, *, parameter: str = "", replaces: int = 0) -> Held:
        array = np.asarray(array)
        number = len(self._tensors) + 1
        self._tensors.append(
            FunctionTensor(
                number=number,
                kind=_KINDS[array.dtype.kind],
                spec=HostTensor.from_array(array).spec,
                fingerprint=b"" if parameter else parts.to_bytes(fingerprint(array)),
                producer=producer,
                parameter=parameter,
                replaces=replaces,
            )
        )
        return Held(number, array)

    def _bound(
        self, path: str, moment: CallMoment, slot: str, held: Held, instead: Optional[Held] = None
    ) -> None:
        self._boundaries.append(
            FunctionBoundary(
                path=path,
                call=0,
                moment=moment,
                slot=slot,
                tensor=held.number,
                replaced_by=instead.number if instead is not None else 0,
            )
        )


def fingerprint(array: Any) -> parts.Fingerprint:
    """Returns a tensor's fingerprint, straight from its description."""
    values = np.asarray(array)
    if values.dtype.kind == "c":
        values = np.stack([values.real, values.imag], -1)
    x = values.astype(np.float64)
    found = np.zeros(parts.SIZE)
    up, down, none = x >= parts.HUGE, x <= -parts.HUGE, np.isnan(x)
    huge = int(up.sum() + down.sum() + none.sum())
    if huge and (huge <= parts.MOST_HUGE * x.size or not np.isfinite(x).all()):
        found[:3] = up.sum(), down.sum(), none.sum()
        x = np.where(up | down | none, 0.0, x)
    squashed = x / (1 + np.abs(x))
    found[3:8] = x.sum(), np.abs(x).sum(), (x**2).sum(), (x**3).sum(), (np.abs(x) ** 3).sum()
    places = np.round(np.linspace(0, x.size - 1, parts.ORDER_COUNT)).astype(int)
    found[parts.ORDERS] = np.sort(x, axis=None)[places]
    found[25:28] = squashed.sum(), np.abs(squashed).sum(), (squashed**2).sum()
    found[parts.FLAT], found[parts.SQUASHED_FLAT] = _flat(x), _flat(squashed)
    found[parts.AXES], found[parts.SQUASHED_AXES] = _axes(x), _axes(squashed)
    return found


def _vectors(length: int) -> Any:
    return np.random.default_rng(length).standard_normal((4, length))


def _flat(x: Any) -> Any:
    return np.random.default_rng(math.prod(x.shape) + 7).standard_normal((4, x.size)) @ x.reshape(-1)


def _axes(x: Any) -> list[float]:
    found = []
    for which in range(4):
        rest = x
        for length in reversed(x.shape):
            rest = rest[..., 0] if length == 1 else rest @ _vectors(length)[which]
        found.append(float(rest))
    return found
