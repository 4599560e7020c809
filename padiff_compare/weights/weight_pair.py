"""Weights of the two sides that hold the same numbers."""

from __future__ import annotations

import math
import os.path
from collections.abc import Mapping, Sequence
from typing import Optional

from padiff_compare.capture.sides import TensorPair
from padiff_compare.judge.measured import ShownAt
from padiff_compare.layout_rules import Rule
from padiff_rpc.records import record
from padiff_rpc.v1.records import Reason, TensorSpec, Unmatched, Weight
from padiff_rpc.v1.words import Side, WeightKind


@record
class OwnedWeight:
    """A weight under its own name, and its layer's first path."""

    path: str
    weight: Weight

    @property
    def name(self) -> str:
        """The full name under which its worker knows the tensor (its first owner's)."""
        return owner_name(self.path, self.weight)


def owner_name(path: str, weight: Weight) -> str:
    """Returns the full name of a layer's weight; a tied one goes by its first owner's."""
    return weight.tied_to or full_name(path, weight.name)


def full_name(path: str, name: str) -> str:
    """Returns what a name in the layer at `path` is called at the root."""
    return f"{path}.{name}" if path else name


def is_within(path: str, top: str) -> bool:
    """Whether the layer at `path` is the one at `top`, or below it."""
    return not top or path == top or path.startswith(f"{top}.")


@record
class Counterparts:
    """A weight of the candidate, and the reference's weights that it stands for.

    Attributes:
        references: one weight in most cases; several where the candidate has them in one tensor.
    """

    references: tuple[OwnedWeight, ...]
    candidate: OwnedWeight

    @property
    def reference_names(self) -> tuple[str, ...]:
        """The full names of the reference's tensors."""
        return tuple(owned.name for owned in self.references)

    @property
    def reference_name(self) -> str:
        """What stands for the reference's tensors together: their names, with plus signs between them."""
        return " + ".join(self.reference_names)

    @property
    def candidate_name(self) -> str:
        """The full name of the candidate's tensor."""
        return self.candidate.name

    @property
    def names(self) -> TensorPair[str]:
        """What the two sides' tensors go by."""
        return TensorPair(reference=self.reference_name, candidate=self.candidate_name)

    def shown(self, state: str = "") -> ShownAt:
        """Returns where the pair is, or an optimizer's `state` of it."""
        name = self.candidate.weight.canonical
        return ShownAt(
            reference=self.place(Side.REFERENCE)[0],
            candidate=self.candidate.path,
            slot=f"{name}.{state}" if state else name,
        )

    def is_trainable(self, side: Side) -> bool:
        """Whether any of a side's tensors is trained; the others are frozen."""
        return any(one.weight.trainable for one in self._owned(side))

    def place(self, side: Side) -> tuple[str, str, Optional[TensorSpec]]:
        """Returns layer path, own name and spec on one side; several weights by their common layer."""
        owned = self._owned(side)
        if len(owned) == 1:
            return owned[0].path, owned[0].weight.name, owned[0].weight.spec
        path = common_path([one.path for one in owned])
        names = (f"{one.path}.{one.weight.name}"[len(path) :].lstrip(".") for one in owned)
        return path, " + ".join(names), None

    def _owned(self, side: Side) -> tuple[OwnedWeight, ...]:
        return self.references if side is Side.REFERENCE else (self.candidate,)


@record
class WeightPair(Counterparts):
    """A weight of the candidate, and the reference's weights that hold the same numbers.

    Attributes:
        kind: what the weight is in meaning (running statistics are buffers whatever a framework
            lists them as).
        rule: the layout rule from the references, in this order, to the candidate.
        placed: whether the candidate's weight takes this value; False where it does not fit (see
            `is_misfit`), or an earlier pair fills the same tied tensor.
        compared: False where the layer map ignores either layer.
        tied: whether an earlier pair fills the candidate's tensor, which is tied there alone.
        reason: why it is not placed or not compared, or what settled the rule of an ambiguous one;
            None otherwise.
        one_to_one: whether each element of the candidate is another one of the references, of which no
            other weight of the candidate is made; only then do gradients correspond.
        alternatives: the rules that the shapes allow just as well, `rule` among them, where nothing known
            tells which is right.
    """

    kind: WeightKind
    rule: Rule
    placed: bool = True
    compared: bool = True
    tied: bool = False
    reason: Optional[Reason] = None
    one_to_one: bool = True
    alternatives: tuple[Rule, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reason as records carry it: () for none."""
        return () if self.reason is None else (self.reason,)

    @property
    def ambiguous(self) -> bool:
        """Whether nothing known tells which of several rules is right."""
        return bool(self.alternatives)

    @property
    def is_misfit(self) -> bool:
        """Whether shapes or dtypes differ so that the rule cannot be applied; it never is, then."""
        return not self.placed and not self.tied


@record
class MadeWeight(Counterparts):
    """A parameter of the candidate whose gradient is not the reference's element by element.

    Whether there is a gradient is judged all the same.

    Attributes:
        references: the parameters that the weight is made of.
        reason: how.
    """

    reason: Reason


@record
class AffineWeight:
    """A norm's weight or bias that its partner, a norm of the same kind, is made without."""

    side: Side
    owned: OwnedWeight
    class_name: str
    neutral: float


@record
class SpecialInit:
    """A pinned pair whose weights a user's function carries over.

    Attributes:
        reference_path, candidate_path: first paths of the two layers.
        function: "package.module:function" of the candidate worker.
        references, candidates: all weights of the layers and everything below them, by the names that
            the function sees, which are relative to the layer.
        computed: those of `candidates` whose values only the function can tell; at first all, and later
            those that it was not found to take over element by element.
    """

    reference_path: str
    candidate_path: str
    function: str
    references: Mapping[str, OwnedWeight]
    candidates: Mapping[str, OwnedWeight]
    computed: Mapping[str, OwnedWeight]

    @property
    def reference_names(self) -> tuple[str, ...]:
        """The full names of the reference's weights."""
        return tuple(owned.name for owned in self.references.values())

    @property
    def candidate_names(self) -> tuple[str, ...]:
        """The full names of the candidate's weights."""
        return tuple(owned.name for owned in self.candidates.values())


@record
class WeightPlan:
    """All weights of both sides; a packed one is in pairs and in `unmatched` where parts of it are left.

    Attributes:
        pairs: in the reference's definition order.
        special: taken by users' functions.
        affine: what one of two paired norms is made without; neutral ones fail nothing.
        unmatched: without a partner; `counts` where it makes the report fail. `name` is the weight's
            own name.
        made: of whose gradients only the presence is judged.
        bookkeeping: full names (side: name) of what no verdict depends on.
    """

    pairs: tuple[WeightPair, ...]
    special: tuple[SpecialInit, ...] = ()
    made: tuple[MadeWeight, ...] = ()
    affine: tuple[AffineWeight, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    bookkeeping: tuple[str, ...] = ()

    @property
    def trained(self) -> tuple[WeightPair, ...]:
        """The pairs of parameters whose gradients, and what optimizers make of them, are compared."""
        return tuple(
            pair
            for pair in self.pairs
            if pair.kind is WeightKind.PARAMETER and pair.compared and not pair.is_misfit and pair.one_to_one
        )


def common_path(paths: Sequence[str]) -> str:
    """Returns the path of the innermost layer around all of `paths`."""
    return os.path.commonpath([path.replace(".", "/") for path in paths]).replace("/", ".")


@record
class WeightSize:
    """The root mean square of a weight's elements, and its shape."""

    rms: float
    shape: tuple[int, ...]

    @property
    def largest_factor(self) -> float:
        """How large a matrix makes a vector at most; which of its first two axes is which is not known."""
        rows = min(self.shape[:2], default=1)
        return self.rms * math.sqrt(math.prod(self.shape) / max(rows, 1))
