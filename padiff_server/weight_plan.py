"""Which weight of the reference goes into which weight of the candidate, and by which layout rule."""

from __future__ import annotations

from collections.abc import Sequence

from padiff_rpc.options import LayerMap
from padiff_rpc.records import record
from padiff_rpc.results import Unmatched
from padiff_rpc.types import Layer, Weight
from padiff_rpc.words import WeightKind
from padiff_server.plan import Plan


@record
class WeightPair:
    """Two weights that hold the same numbers.

    Attributes:
        kind: what the weight is in meaning (running statistics are buffers whatever a framework
            lists them as).
        reference_path, candidate_path: first paths of the two layers.
        reference, candidate: the weights under their own names.
        rule: name of the layout rule from reference to candidate.
        placed: whether the candidate's weight takes this value; False where the shapes differ, or an
            earlier pair fills the same tied tensor.
        compared: False where the layer map ignores either layer.
        reason: why it is not placed or not compared; empty otherwise.
    """

    kind: WeightKind
    reference_path: str
    candidate_path: str
    reference: Weight
    candidate: Weight
    rule: str
    placed: bool = True
    compared: bool = True
    reason: str = ""

    @property
    def reference_name(self) -> str:
        """The full name under which the reference's worker knows the tensor (its first owner's)."""
        return owner_name(self.reference_path, self.reference)

    @property
    def candidate_name(self) -> str:
        """The full name under which the candidate's worker knows the tensor (its first owner's)."""
        return owner_name(self.candidate_path, self.candidate)


@record
class SpecialInit:
    """A pinned pair whose weights a user's function carries over.

    Attributes:
        reference_path, candidate_path: first paths of the two layers.
        function: "package.module:function" of the candidate worker.
        reference_names, candidate_names: full names of all weights of the layers and everything
            below them.
        reference_keys, candidate_keys: the names that the function sees, relative to the layer, in
            the order of the full names.
    """

    reference_path: str
    candidate_path: str
    function: str
    reference_names: tuple[str, ...]
    candidate_names: tuple[str, ...]
    reference_keys: tuple[str, ...]
    candidate_keys: tuple[str, ...]


@record
class WeightPlan:
    """All weights of both sides, each in one of the four fields.

    Attributes:
        pairs: in the reference's definition order.
        special: taken by users' functions.
        unmatched: without a partner; `counts` where it makes the report fail. `name` is the weight's
            own name.
        bookkeeping: full names (side: name) of what no verdict depends on.
    """

    pairs: tuple[WeightPair, ...]
    special: tuple[SpecialInit, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    bookkeeping: tuple[str, ...] = ()


def owner_name(path: str, weight: Weight) -> str:
    """Returns the full name of a layer's weight; a tied one goes by its first owner's."""
    return weight.tied_to or (f"{path}.{weight.name}" if path else weight.name)


def plan_weights(
    plan: Plan, reference: Sequence[Layer], candidate: Sequence[Layer], layer_map: LayerMap
) -> WeightPlan:
    """Returns what happens to every weight of both sides."""
    raise NotImplementedError
