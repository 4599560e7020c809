"""Programs of small residual graphs, drawn from a seed; both frameworks run the same.

A program works on registers. Each holds a tensor of one of the shapes of `SHAPES`, and most are taken more
than once: by layers, by views, by the code between the layers.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Optional

BATCH, TIME, WIDTH = 3, 4, 16
HALF = WIDTH // 2
# Shape by name: what frameworks turn it into and back again shares memory in one and not in the other.
SHAPES = {
    "full": (BATCH, TIME, WIDTH),
    "flat": (BATCH * TIME, WIDTH),
    "half": (BATCH, TIME, HALF),
    "turned": (BATCH, WIDTH, TIME),
}
ANY = tuple(SHAPES)

# Operation -> shapes of what it takes, shapes of what it makes ("" as the first that it takes).
LAYERS = {
    "linear": (("full", "flat"), ("",)),
    "linear_half": (("half",), ("",)),
    "norm": (("full", "flat"), ("",)),
    "gelu": (ANY, ("",)),
    "relu": (ANY, ("",)),
    "relu_": (ANY, ("",)),
    "relu_ignored": (ANY, ("",)),
    "dropout": (ANY, ("",)),
    "identity": (ANY, ("",)),
    "function": (ANY, ("",)),
    "flatten": (("full",), ("flat",)),
    "split": (("full",), ("half", "half")),
    "both": (("full",), ("full", "full")),
    "table": (("full", "flat"), ("",)),
}
CODE = {
    "add": (ANY, ("",)),
    "scaled_add": (ANY, ("",)),
    "gated": (ANY, ("",)),
    "scale": (ANY, ("",)),
    "shift": (ANY, ("",)),
    "add_": (ANY, ("",)),
    "code_relu_": (ANY, ("",)),
    "same_shape": (ANY, ("",)),
    "code_function": (ANY, ("",)),
    "detach": (ANY, ("",)),
    "to_flat": (("full",), ("flat",)),
    "to_full": (("flat",), ("full",)),
    "turn": (("full",), ("turned",)),
    "turn_back": (("turned",), ("full",)),
    "chunk": (("full",), ("half", "half")),
    "slice": (("full",), ("half",)),
    "concat": (("half",), ("full",)),
    "expand": (("full",), ("full",)),
}
TWO = {"add", "scaled_add", "gated", "add_", "concat"}
IN_PLACE = {"relu_", "relu_ignored", "add_", "code_relu_"}
# What neither keeps its result for backward nor makes a view, so that it may change in place.
FORGETFUL = {"linear", "linear_half", "add", "scaled_add", "scale", "shift", "add_"}


@dataclasses.dataclass
class Instruction:
    """`layer` names the layer that is called; `made` are registers, numbered as they are made."""

    operation: str
    taken: tuple[int, ...]
    made: tuple[int, ...]
    layer: str = ""
    program: Optional[Program] = None


@dataclasses.dataclass
class Program:
    """Register 0 is the input; the output is the sum of `outputs`, each brought to the shape "full"."""

    instructions: list[Instruction]
    shapes: list[str]
    outputs: list[int]

    def layers(self) -> dict[str, Instruction]:
        """Returns the first call of each layer."""
        found: dict[str, Instruction] = {}
        for one in self.instructions:
            if one.layer:
                found.setdefault(one.layer, one)
        return found


class _Drawing:
    """A program while it is drawn: what may be taken, and what may change in place."""

    def __init__(self, seed: random.Random, depth: int) -> None:
        self._random = seed
        self._depth = depth
        self._shapes = ["full"]
        self._used = {0}
        self._dead: set[int] = set()
        # Registers that autograd keeps, or that share memory with another: never to be changed in place.
        self._fixed = {0}
        self._layers: dict[str, list[str]] = {}
        self._instructions: list[Instruction] = []

    def program(self, length: int) -> Program:
        self._add("linear", [0])
        while len(self._instructions) < length:
            self._draw()
        live = [index for index in range(len(self._shapes)) if index not in self._dead]
        outputs = [index for index in live if index not in self._used] or live[-1:]
        return Program(self._instructions, self._shapes, outputs)

    def _draw(self) -> None:
        nested = self._depth > 0 and self._random.random() < 0.08
        if nested:
            self._call_block()
            return
        table = LAYERS if self._random.random() < 0.5 else CODE
        operation = self._random.choice(list(table))
        shapes = table[operation][0]
        live = [
            index for index, shape in enumerate(self._shapes) if index not in self._dead and shape in shapes
        ]
        if operation in IN_PLACE:
            # Torch tells a view's gradient before such a change only in part if something took it already.
            live = [index for index in live if index not in self._fixed | self._used]
        if not live:
            return
        # Young registers make long chains; old ones have several takers.
        first = live[-1] if self._random.random() < 0.5 else self._random.choice(live)
        taken = [first]
        if operation in TWO:
            others = [
                index
                for index, shape in enumerate(self._shapes)
                if index not in self._dead and shape == self._shapes[first]
            ]
            if operation == "add_":
                others = [index for index in others if index != first]
            if not others:
                return
            taken.append(self._random.choice(others))
        self._add(operation, taken)

    def _call_block(self) -> None:
        live = [i for i, shape in enumerate(self._shapes) if i not in self._dead and shape == "full"]
        inner = _Drawing(self._random, self._depth - 1).program(self._random.randint(3, 7))
        self._add("block", [self._random.choice(live)], inner)

    def _add(self, operation: str, taken: list[int], program: Optional[Program] = None) -> None:
        _, shapes = {**LAYERS, **CODE, "block": (("full",), ("full",))}[operation]
        made = tuple(range(len(self._shapes), len(self._shapes) + len(shapes)))
        self._shapes.extend(shape or self._shapes[taken[0]] for shape in shapes)
        self._used.update(taken)
        layer = self._layer(operation) if operation in LAYERS or program is not None else ""
        self._fixed.update(taken)
        if operation not in FORGETFUL:
            self._fixed.update(made)
        if operation in IN_PLACE:
            # The register that was changed is the one that was made.
            self._dead.add(taken[0])
        self._instructions.append(Instruction(operation, tuple(taken), made, layer, program))

    def _layer(self, operation: str) -> str:
        known = self._layers.setdefault(operation, [])
        if known and operation != "block" and self._random.random() < 0.3:
            return self._random.choice(known)
        known.append(f"{operation}{len(known)}")
        return known[-1]


def program(seed: int) -> Program:
    """Returns the program of a seed."""
    drawn = random.Random(seed)
    return _Drawing(drawn, depth=1).program(drawn.randint(6, 14))
