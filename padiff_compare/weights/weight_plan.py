"""The plan of weights: which of the reference go into which of the candidate, by which layout rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Optional

from padiff_compare.alignment.kinds import (
    composite_family,
    computed_by,
    is_aside,
    is_made_in,
    is_power_vector,
    is_table,
)
from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.capture.sides import SIDES
from padiff_compare.layout_rules import TRANSPOSE, Rule
from padiff_compare.weights.composites import Held, combinations, fused_below, held_below, insides
from padiff_compare.weights.lone_weights import LoneWeight, pair_lone
from padiff_compare.weights.neutral_weights import affine_weight
from padiff_compare.weights.own_weights import alternatives, pair_weights, with_computed
from padiff_compare.weights.special_init import special_init
from padiff_compare.weights.stacked_weights import pair_stacked
from padiff_compare.weights.unseen_weights import is_turned_square, pair_in_order
from padiff_compare.weights.weight_hints import Neighbours, fitting
from padiff_compare.weights.weight_pair import (
    AffineWeight,
    MadeWeight,
    OwnedWeight,
    WeightPair,
    WeightPlan,
    is_within,
    owner_name,
)
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX
from padiff_rpc.v1.records import Layer, Reason, StatedPairing, Unmatched, Weight
from padiff_rpc.v1.words import Cause, LoneKind, PairedBy, Side, WeightKind


def plan_weights(
    plan: Plan, reference: Sequence[Layer], candidate: Sequence[Layer], layer_map: StatedPairing
) -> WeightPlan:
    """Returns what happens to every weight of both sides.

    `plan` is what `align` made of the same layers and the same layer map.
    """
    return _Planner(plan, reference, candidate, layer_map).result()


@record
class _Left:
    """A weight that its own layer's pair did not place."""

    layer: Layer
    owned: OwnedWeight
    reason: Reason
    counts: bool


class _Planner:
    """Collects the fields of a `WeightPlan`; a tensor is known by its first owner's full name."""

    def __init__(
        self, plan: Plan, reference: Sequence[Layer], candidate: Sequence[Layer], layer_map: StatedPairing
    ) -> None:
        self._plan = plan
        self._sides = (reference, candidate)
        self._layers = tuple({layer.path: layer for layer in layers} for layers in self._sides)
        frameworks = [next((one.framework for one in layers if one.framework), "") for layers in self._sides]
        self._one_framework = bool(frameworks[0]) and frameworks[0] == frameworks[1]
        opaque = [{layer.path for layer in layers if layer.opaque} for layers in self._sides]
        # The reference's half of each pair that runs unseen on a side.
        self._unseen = {
            pair.reference
            for pair in plan.layers
            if pair.reference in opaque[0] or pair.candidate in opaque[1]
        }
        self._power_vectors = _power_vectors(candidate)
        units = [pair for pair in plan.layers if pair.unit]
        self._insides = (
            insides(reference, {pair.reference for pair in units}),
            insides(candidate, {pair.candidate for pair in units}),
        )
        self._special = [
            special_init(pair, reference, candidate) for pair in layer_map.pairs if pair.special_init
        ]
        # Tensors that users' functions or composite layers claim.
        self._taken = (
            {name for special in self._special for name in special.reference_names},
            {name for special in self._special for name in special.candidate_names},
        )
        self._pairs: dict[tuple[str, str], WeightPair] = {}
        # The candidate's tensors that have a value, by the reference's tensors that gave it.
        self._filled: dict[str, str] = {}
        self._left: tuple[list[_Left], list[_Left]] = ([], [])
        self._made: list[MadeWeight] = []
        self._affine: list[AffineWeight] = []

    def result(self) -> WeightPlan:
        """Returns the plan; composites go first, since they claim what lies in layers below them."""
        paired = {
            layer.path: (pair, self._layers[1][pair.candidate])
            for layer in self._sides[0]
            for pair in [self._plan.candidate_of(layer.path)]
            if pair is not None
        }
        for layer in self._sides[0]:
            if layer.path in paired:
                self._combine(*paired[layer.path], reference=layer)
        for layer in self._sides[0]:
            if layer.path in paired:
                pair, other = paired[layer.path]
                self._pair_layers(pair, layer, other)
            else:
                self._leave_all(0, layer, self._plan.ignored_reference, self._plan.behind_reference)
        for layer in self._sides[1]:
            if self._plan.reference_of(layer.path) is None:
                self._leave_all(1, layer, self._plan.ignored_candidate, self._plan.behind_candidate)
        for pair, _ in paired.values():
            self._pair_unseen(pair)
        self._pair_lone()
        return WeightPlan(
            pairs=self._ordered_pairs(),
            special=tuple(self._special),
            made=tuple(self._made),
            affine=tuple(self._affine),
            unmatched=(*self._unmatched(0), *self._half_used(), *self._unmatched(1)),
            bookkeeping=tuple(
                f"{side}: {owner_name(layer.path, weight)}"
                for side, layers in zip(SIDES, self._sides)
                for layer in layers
                for weight in layer.weights
                if is_aside(weight) and not weight.tied_to
            ),
        )

    def _ordered_pairs(self) -> tuple[WeightPair, ...]:
        names = (owner_name(layer.path, weight) for layer in self._sides[0] for weight in layer.weights)
        order = {name: position for position, name in enumerate(dict.fromkeys(names))}
        return tuple(sorted(self._pairs.values(), key=lambda pair: order[pair.reference_names[0]]))

    def _combine(self, paired: PairedLayer, candidate: Layer, *, reference: Layer) -> None:
        """Pairs what two composite layers hold, whatever layers below them it lies in."""
        families = composite_family(reference.kind), composite_family(candidate.kind)
        is_composite = bool(families[0]) and families[0] == families[1]
        if not is_composite and not paired.unit:
            return
        held: list[list[Held]] = []
        for side, top in enumerate((reference, candidate)):
            inside = self._insides[side][top.path]
            if is_composite:
                found = held_below(top, inside)
            else:
                found = fused_below([layer for layer in inside if not self._has_partner(side, layer)])
            held.append([one for one in found if one.owned.name not in self._taken[side]])
        for made in combinations(held[0], held[1]):
            self._add(paired, made.references, made.candidate, made.rule)
            self._taken[0].update(owned.name for owned in made.references)
            self._taken[1].add(made.candidate.name)

    def _has_partner(self, side: int, layer: Layer) -> bool:
        find = self._plan.reference_of if side else self._plan.candidate_of
        return find(layer.path) is not None

    def _pair_layers(self, paired: PairedLayer, reference: Layer, candidate: Layer) -> None:
        kinds = reference.kind, candidate.kind
        left, right = self._open(0, reference), self._open(1, candidate)
        wanted = {one.canonical for one in right} | self._power_vectors[candidate.path]
        left, computed = with_computed(reference, left, wanted)
        for name, parts in computed.items():
            for part in parts:
                reason = Reason(cause=Cause.COMPUTED_FROM, names=(name,))
                self._leave(0, reference, part, reason, counts=False)
        found = pair_weights(kinds, left, right)
        is_unseen = any(is_within(reference.path, top) for top in self._unseen)
        for ours, theirs, rule in found:
            others = alternatives(kinds, ours, theirs, alike=self._has_users_alike(kinds))
            if is_unseen and not self._one_framework and is_turned_square(ours, theirs):
                # No call inside could tell which way round it is; the side that names its kind does.
                rule, others = TRANSPOSE, ()
            self._add(
                paired,
                (OwnedWeight(path=reference.path, weight=ours),),
                OwnedWeight(path=candidate.path, weight=theirs),
                rule,
                others=others,
                made_of=tuple(
                    OwnedWeight(path=reference.path, weight=part)
                    for part in computed.get(ours.name, ())
                    if part.kind is WeightKind.PARAMETER
                ),
            )
        matched = {ours.name for ours, _, _ in found}, {theirs.name for _, theirs, _ in found}
        for side, layer, weights, opposite in (
            (0, reference, left, candidate),
            (1, candidate, right, reference),
        ):
            for weight in weights:
                if weight.name in matched[side]:
                    continue
                affine = affine_weight(SIDES[side], layer, opposite, weight)
                if affine is not None and paired.how is not PairedBy.IGNORED:
                    self._affine.append(affine)
                    continue
                other, place = SIDES[1 - side], opposite.path
                counts = True
                reason = Reason(cause=Cause.NO_WEIGHT, side=other, names=(place, str(weight.kind)))
                computed_here = computed_by(layer, weight)
                if computed_here is not None:
                    names = (*computed_here, place)
                    reason = Reason(cause=Cause.COMPUTED_HERE, side=SIDES[side], names=names)
                if paired.how is PairedBy.IGNORED:
                    counts, reason = False, paired.reason or reason
                elif is_table(weight) and is_made_in(opposite, weight.canonical):
                    counts, reason = False, Reason(cause=Cause.OWN_TABLE, side=other, names=(place,))
                self._leave(side, layer, weight, reason, counts=counts)

    def _pair_lone(self) -> None:
        """Pairs what both sides have left, whatever layers it lies in."""
        behind = self._plan.behind_reference, self._plan.behind_candidate
        lone = [
            [
                LoneWeight(layer=left.layer, owned=left.owned)
                for left in self._lone(side)
                if (left.counts or left.layer.path in behind[side])
                and not self._has_partner_alike(side, left.layer)
            ]
            for side in (0, 1)
        ]
        for stacked in pair_stacked(self._plan, *lone):
            owned = tuple(one.owned for one in stacked.references)
            self._add(stacked.around, owned, stacked.candidate.owned, stacked.rule, others=stacked.others)
        done = [{name for pair in self._pairs.values() for name in _names(pair, side)} for side in (0, 1)]
        lone = [[one for one in lone[side] if one.owned.name not in done[side]] for side in (0, 1)]
        for pair in pair_lone(self._plan, *lone):
            one, other = pair.reference, pair.candidate
            kinds = one.layer.kind, other.layer.kind
            weights = one.owned.weight, other.owned.weight
            self._add(
                pair.around,
                (one.owned,),
                other.owned,
                pair.rule,
                others=alternatives(kinds, *weights, alike=self._has_users_alike(kinds)),
            )

    def _has_partner_alike(self, side: int, layer: Layer) -> bool:
        """Whether the layer and its partner are of one known kind, whose weights belong nowhere else."""
        pair = self._plan.reference_of(layer.path) if side else self._plan.candidate_of(layer.path)
        if pair is None:
            return False
        other = self._layers[1 - side][pair.reference if side else pair.candidate]
        return bool(layer.kind) and layer.kind == other.kind

    def _pair_unseen(self, paired: PairedLayer) -> None:
        """Pairs what is left inside two layers one of which is opaque."""
        tops = (paired.reference, paired.candidate)
        if tops[0] not in self._unseen:
            return
        lone = [
            [
                (left.layer.kind, left.owned)
                for left in self._lone(side)
                if left.counts and is_within(left.layer.path, top)
            ]
            for side, top in enumerate(tops)
        ]
        for ours, theirs, rule in pair_in_order(*lone, one_framework=self._one_framework):
            self._add(paired, (ours,), theirs, rule)

    def _has_users_alike(self, kinds: tuple[str, str]) -> bool:
        return self._one_framework and kinds[0] == kinds[1]

    def _add(
        self,
        paired: PairedLayer,
        references: tuple[OwnedWeight, ...],
        candidate: OwnedWeight,
        rule: Rule,
        *,
        others: tuple[Rule, ...] = (),
        made_of: tuple[OwnedWeight, ...] = (),
    ) -> None:
        ignored = paired.how is PairedBy.IGNORED
        pair = WeightPair(
            kind=WeightKind.PARAMETER if made_of else references[0].weight.kind,
            references=references,
            candidate=candidate,
            rule=rule,
            compared=not ignored,
            reason=paired.reason if ignored else Reason(cause=Cause.UNTRIED) if others else None,
            alternatives=others,
            one_to_one=not made_of,
        )
        names = (pair.reference_name, pair.candidate_name)
        if names in self._pairs:
            return
        misfit = _misfit(pair)
        if misfit is not None:
            pair = replace(pair, placed=False, alternatives=(), reason=paired.reason if ignored else misfit)
        elif names[1] in self._filled:
            reason = Reason(cause=Cause.TIED_ALONE, names=(self._filled[names[1]],))
            pair = replace(
                pair, placed=False, tied=True, alternatives=(), reason=paired.reason if ignored else reason
            )
        else:
            self._filled[names[1]] = names[0]
        self._pairs[names] = pair
        if made_of and pair.compared and not pair.is_misfit:
            reason = Reason(cause=Cause.MADE_OF, names=tuple(one.weight.name for one in made_of))
            self._made.append(MadeWeight(references=made_of, candidate=candidate, reason=reason))

    def _open(self, side: int, layer: Layer) -> list[Weight]:
        """Returns the layer's weights that neither bookkeeping, a composite nor a user's function claims."""
        return [
            weight
            for weight in layer.weights
            if not is_aside(weight) and owner_name(layer.path, weight) not in self._taken[side]
        ]

    def _leave_all(self, side: int, layer: Layer, ignored: Sequence[str], behind: Sequence[str]) -> None:
        counts, cause = True, Cause.LAYER_ALONE
        if layer.path in ignored:
            counts, cause = False, Cause.LAYER_IGNORED
        elif layer.path in behind:
            counts, cause = False, Cause.BEHIND_FAILURE
        for weight in self._open(side, layer):
            self._leave(side, layer, weight, Reason(cause=cause), counts=counts)

    def _leave(self, side: int, layer: Layer, weight: Weight, reason: Reason, *, counts: bool) -> None:
        owned = OwnedWeight(path=layer.path, weight=weight)
        self._left[side].append(_Left(layer=layer, owned=owned, reason=reason, counts=counts))

    def _unmatched(self, side: int) -> Iterator[Unmatched]:
        """Yields each tensor without partner once, unless another layer that holds it has one."""
        others = Neighbours(left.owned for left in self._lone(1 - side))
        for left in self._lone(side):
            yield Unmatched(
                side=SIDES[side],
                what=LoneKind(left.owned.weight.kind),
                path=left.layer.path,
                class_name=left.layer.class_name,
                name=left.owned.weight.name,
                reasons=(left.reason, *(others.hints(left.owned) if left.counts else ())),
                counts=left.counts,
            )

    def _half_used(self) -> Iterator[Unmatched]:
        """Yields the reference's packed weights some of whose parts no weight of the candidate takes."""
        used: defaultdict[OwnedWeight, dict[int, WeightPair]] = defaultdict(dict)
        counts: dict[OwnedWeight, int] = {}
        for pair in self._ordered_pairs():
            part = pair.rule.part
            if part is not None:
                used[pair.references[0]][part[0]], counts[pair.references[0]] = pair, part[1]
        for owned, pairs in used.items():
            left = [index for index in range(counts[owned]) if index not in pairs]
            if left:
                parts = (counts[owned], *(index + 1 for index in left))
                unused = Reason(cause=Cause.UNUSED_PARTS, numbers=tuple(map(float, parts)))
                yield Unmatched(
                    side=Side.REFERENCE,
                    what=LoneKind(owned.weight.kind),
                    path=owned.path,
                    class_name=self._layers[0][owned.path].class_name,
                    name=owned.weight.name,
                    reasons=(unused,),
                    counts=any(pair.compared for pair in pairs.values()),
                )

    def _lone(self, side: int) -> list[_Left]:
        done = {name for pair in self._pairs.values() for name in _names(pair, side)}
        lone: dict[str, _Left] = {}
        for left in self._left[side]:
            name = left.owned.name
            if name in done:
                continue
            known = lone.setdefault(name, left)
            # A tied weight goes by its first owner.
            if known.owned.weight.tied_to and not left.owned.weight.tied_to:
                lone[name] = replace(left, counts=left.counts or known.counts)
        return list(lone.values())


def _power_vectors(layers: Sequence[Layer]) -> defaultdict[str, set[str]]:
    """Returns the names of the vectors of spectral norms at or below each layer's path."""
    below: defaultdict[str, set[str]] = defaultdict(set)
    for layer in layers:
        names = {weight.name for weight in layer.weights if is_power_vector(layer.kind, weight)}
        if names:
            parts = layer.path.split(".") if layer.path else []
            for depth in range(len(parts) + 1):
                below[".".join(parts[:depth])] |= names
    return below


def _misfit(pair: WeightPair) -> Optional[Reason]:
    """Returns why the reference's weights do not fit the candidate's under the pair's rule; None: they do."""
    specs = [owned.weight.spec for owned in pair.references]
    dtypes = list(dict.fromkeys(str(spec.dtype) for spec in specs))
    if len(dtypes) > 1:
        return Reason(cause=Cause.SEVERAL_DTYPES, names=tuple(dtypes))
    wanted = pair.candidate.weight.spec
    made = pair.rule.shape_or_none(*(spec.shape for spec in specs))
    dtype = pair.rule.dtype(specs[0].dtype)
    if made == wanted.shape and (dtype in COMPLEX) is (wanted.dtype in COMPLEX):
        return None
    shown = specs[0] if made is None else replace(specs[0], shape=made, dtype=dtype)
    names = (str(shown), str(wanted))
    return Reason(cause=Cause.MISFIT, names=names, because=fitting(shown, wanted))


def _names(pair: WeightPair, side: int) -> tuple[str, ...]:
    return (pair.candidate_name,) if side else pair.reference_names
