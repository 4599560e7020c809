"""Buffers that both models make themselves, held against each other before a copy can hide a fault in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from padiff_compare.alignment.kinds import is_table
from padiff_compare.alignment.plan import Plan
from padiff_compare.rows import differs
from padiff_compare.weights.own_weights import choose_rule
from padiff_compare.weights.owned_weight import OwnedWeight, full_name
from padiff_compare.weights.weight_pair import WeightPair, WeightPlan
from padiff_rpc.v1.records import Layer, Row
from padiff_rpc.v1.words import PairedBy, Side, WeightKind

_SHOWN = 5


def own_tables(plan: Plan, layers: Mapping[Side, Sequence[Layer]], weights: WeightPlan) -> WeightPlan:
    """Returns the pairs of buffers that copies would hide, and of those that state files leave out.

    The latter are never copied; they pair by name in paired layers.
    """
    by_path = {side: {layer.path: layer for layer in layers[side]} for side in Side}
    pairs = [
        pair
        for pair in weights.pairs
        if pair.kind is WeightKind.BUFFER
        and pair.compared
        and not pair.is_misfit
        and is_table(pair.candidate.weight)
    ]
    for paired in plan.layers:
        if paired.how is not PairedBy.IGNORED:
            ours = by_path[Side.REFERENCE][paired.reference]
            theirs = by_path[Side.CANDIDATE][paired.candidate]
            pairs.extend(_unsaved(ours, theirs))
    return WeightPlan(pairs=tuple(pairs), special=weights.special)


def _unsaved(reference: Layer, candidate: Layer) -> Iterator[WeightPair]:
    kinds = reference.kind, candidate.kind
    named = {
        weight.canonical: weight for weight in candidate.weights if is_table(weight) and not weight.tied_to
    }
    for ours in reference.weights:
        theirs = named.get(ours.canonical)
        if theirs is None or not is_table(ours) or not (ours.unsaved or theirs.unsaved):
            continue
        rule = choose_rule(kinds, ours, theirs)
        yield WeightPair(
            kind=ours.kind,
            references=(OwnedWeight(path=reference.path, weight=ours),),
            candidate=OwnedWeight(path=candidate.path, weight=theirs),
            rule=rule,
            placed=rule.shape_or_none(ours.spec.shape) == theirs.spec.shape,
            reason="the shapes differ",
        )


def table_notes(rows: Iterable[Row], unsaved: frozenset[str], *, copy: bool) -> Iterator[str]:
    """Yields notes on the buffers whose rows differ.

    `unsaved`: full names of the candidate's that are never copied. Without `copy` the others are compared
    as they are.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    for row in rows:
        if differs(row) and row.candidate is not None:
            name = full_name(row.candidate.path, row.candidate.slot)
            how = f"by up to {row.figures.max_abs:.3g}" if row.figures is not None else "in its shape"
            found[name in unsaved].append(f"{name!r} ({how})")
    for is_unsaved, names in found.items():
        if names and (is_unsaved or copy):
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            why = (
                "state files leave it out, so each model has what it makes itself"
                if is_unsaved
                else "the reference's values are used now, so a fault in how the candidate makes it is hidden"
            )
            yield f"buffer differs before any copy: {', '.join(names[:_SHOWN])}{more}; {why}"
