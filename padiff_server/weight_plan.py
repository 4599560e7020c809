"""Which weight of the reference goes into which weight of the candidate, and by which layout rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from padiff_rpc.options import LayerMap
from padiff_rpc.records import record
from padiff_rpc.results import Unmatched
from padiff_rpc.types import Layer, Weight
from padiff_rpc.words import Side, WeightKind
from padiff_server.kinds import canonical_kind, is_bookkeeping, kind_of
from padiff_server.own_weights import pair_weights, shape_under
from padiff_server.plan import IGNORED, PairedLayer, Plan
from padiff_server.rules import transposed
from padiff_server.special_init import SpecialInit, owner_name, special_init

__all__ = ["SpecialInit", "WeightPair", "WeightPlan", "plan_weights"]


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
class WeightPlan:
    """All weights of both sides, each in one field.

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


def plan_weights(
    plan: Plan, reference: Sequence[Layer], candidate: Sequence[Layer], layer_map: LayerMap
) -> WeightPlan:
    """Returns what happens to every weight of both sides.

    `plan` is what `align` made of the same layers and the same layer map.
    """
    return _Planner(plan, reference, candidate, layer_map).result()


@record
class _Left:
    """A weight that its own layer's pair did not place."""

    layer: Layer
    weight: Weight
    reason: str
    counts: bool


class _Planner:
    """Collects the fields of a `WeightPlan`; a tensor is known by its first owner's full name."""

    def __init__(
        self, plan: Plan, reference: Sequence[Layer], candidate: Sequence[Layer], layer_map: LayerMap
    ) -> None:
        self._plan = plan
        self._sides = (reference, candidate)
        self._special = [
            special_init(pair, reference, candidate) for pair in layer_map.pairs if pair.special_init
        ]
        self._taken = (
            {name for special in self._special for name in special.reference_names},
            {name for special in self._special for name in special.candidate_names},
        )
        self._pairs: dict[tuple[str, str], WeightPair] = {}
        # The candidate's tensors that have a value, by the reference's tensor that gave it.
        self._filled: dict[str, str] = {}
        self._left: tuple[list[_Left], list[_Left]] = ([], [])

    def result(self) -> WeightPlan:
        candidates = {layer.path: layer for layer in self._sides[1]}
        for layer in self._sides[0]:
            paired = self._plan.candidate_of(layer.path)
            if paired is None:
                self._leave_all(0, layer, self._plan.ignored_reference)
            else:
                self._pair_layers(paired, layer, candidates[paired.candidate])
        for layer in self._sides[1]:
            if self._plan.reference_of(layer.path) is None:
                self._leave_all(1, layer, self._plan.ignored_candidate)
        return WeightPlan(
            pairs=tuple(self._pairs.values()),
            special=tuple(self._special),
            unmatched=(*self._unmatched(0), *self._unmatched(1)),
            bookkeeping=tuple(
                f"{side}: {owner_name(layer.path, weight)}"
                for side, layers in zip((Side.REFERENCE, Side.CANDIDATE), self._sides)
                for layer in layers
                for weight in layer.weights
                if is_bookkeeping(weight) and not weight.tied_to
            ),
        )

    def _pair_layers(self, paired: PairedLayer, reference: Layer, candidate: Layer) -> None:
        left, right = self._open(0, reference), self._open(1, candidate)
        found = pair_weights((kind_of(reference), kind_of(candidate)), left, right)
        for ours, theirs, rule in found:
            self._add(paired, reference, candidate, ours, theirs, rule)
        matched = {ours.name for ours, _, _ in found}, {theirs.name for _, theirs, _ in found}
        for side, layer, weights, other in (
            (0, reference, left, f"candidate {candidate.path!r}"),
            (1, candidate, right, f"reference {reference.path!r}"),
        ):
            for weight in weights:
                if weight.name not in matched[side]:
                    what = canonical_kind(kind_of(layer), weight)
                    ignored = paired.how == IGNORED
                    reason = paired.reason if ignored else f"the {other} has no {what} for it"
                    self._left[side].append(
                        _Left(layer=layer, weight=weight, reason=reason, counts=not ignored)
                    )

    def _add(
        self,
        paired: PairedLayer,
        reference: Layer,
        candidate: Layer,
        ours: Weight,
        theirs: Weight,
        rule: str,
    ) -> None:
        pair = WeightPair(
            kind=canonical_kind(kind_of(reference), ours),
            reference_path=reference.path,
            candidate_path=candidate.path,
            reference=ours,
            candidate=theirs,
            rule=rule,
            compared=paired.how != IGNORED,
            reason=paired.reason if paired.how == IGNORED else "",
        )
        names = (pair.reference_name, pair.candidate_name)
        if names in self._pairs:
            return
        if shape_under(rule, ours.spec.shape) != theirs.spec.shape:
            reason = f"{transposed(rule, ours.spec)} does not fit {theirs.spec}"
            pair = replace(pair, placed=False, reason=pair.reason or reason)
        elif names[1] in self._filled:
            reason = f"tied on the candidate's side alone, and filled from {self._filled[names[1]]}"
            pair = replace(pair, placed=False, reason=pair.reason or reason)
        else:
            self._filled[names[1]] = names[0]
        self._pairs[names] = pair

    def _open(self, side: int, layer: Layer) -> list[Weight]:
        """Returns the layer's weights that neither bookkeeping nor a user's function claims."""
        return [
            weight
            for weight in layer.weights
            if not is_bookkeeping(weight) and owner_name(layer.path, weight) not in self._taken[side]
        ]

    def _leave_all(self, side: int, layer: Layer, ignored: Sequence[str]) -> None:
        counts = layer.path not in ignored
        reason = (
            "its layer has no partner; pair it in the layer map, or ignore it there"
            if counts
            else "its layer is ignored by the layer map"
        )
        self._left[side].extend(
            _Left(layer=layer, weight=weight, reason=reason, counts=counts)
            for weight in self._open(side, layer)
        )

    def _unmatched(self, side: int) -> Iterator[Unmatched]:
        """Yields each tensor without partner once, unless another layer that holds it has one."""
        done = {names[side] for names in self._pairs}
        for left in self._left[side]:
            name = owner_name(left.layer.path, left.weight)
            if name not in done:
                done.add(name)
                yield Unmatched(
                    side=(Side.REFERENCE, Side.CANDIDATE)[side],
                    what=str(canonical_kind(kind_of(left.layer), left.weight)),
                    path=left.layer.path,
                    class_name=left.layer.class_name,
                    name=left.weight.name,
                    reason=left.reason,
                    counts=left.counts,
                )
