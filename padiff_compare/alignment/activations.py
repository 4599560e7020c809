"""Activations that a layer of one side may apply itself, while the other side shows nowhere what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from padiff_compare.alignment.slots import Meeting
from padiff_compare.capture.sides import SIDES
from padiff_compare.layout_rules import Rule, Shape, Step
from padiff_rpc.records import record
from padiff_rpc.v1.records import LayoutStep, Reason, TensorSpec
from padiff_rpc.v1.words import Cause, DType, LayoutChange, Side

# What NumPy computes with; the bits of others mean nothing to it.
COMPUTED = frozenset({DType.FLOAT16, DType.FLOAT32, DType.FLOAT64})


def _sigmoid(values: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-values))


_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "relu": lambda values: np.maximum(values, 0),
    "relu6": lambda values: np.clip(values, 0, 6),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "silu": lambda values: values * _sigmoid(values),
}


@record
class Activation:
    """One of them by its name, and the side whose layer applies it. Gradients part there."""

    name: str
    side: Side

    @property
    def rule(self) -> Rule:
        """Returns the rule that applies it to the other side's value."""
        function = _FUNCTIONS[self.name]
        return Rule(
            steps=(
                Step(
                    told=LayoutStep(change=LayoutChange.ACTIVATION, name=self.name),
                    apply=lambda arrays: [function(array) for array in arrays],
                    shapes=lambda shapes: shapes,
                    computes=True,
                ),
            )
        )

    def values(self, reference: TensorSpec, candidate: TensorSpec) -> Meeting:
        """Returns what is applied to the values of each side before they are compared."""
        return Meeting(reference=self.rule) if self.side is Side.CANDIDATE else Meeting(candidate=self.rule)

    def gradients(self, reference: TensorSpec, candidate: TensorSpec) -> None:
        """Returns None: gradients part at an activation."""

    def reasons(self, reference: Shape, candidate: Shape) -> tuple[Reason, ...]:
        """Returns what a row says of it."""
        return (Reason(cause=Cause.BEHIND_ACTIVATION, side=self.side, names=(self.name,)),)


ACTIVATIONS = tuple(Activation(name=name, side=side) for side in SIDES for name in _FUNCTIONS)
