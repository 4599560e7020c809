"""Buffers that both models make themselves, held against each other before a copy can hide a fault in one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from padiff_compare.alignment.kinds import is_table
from padiff_compare.alignment.plan import Plan
from padiff_compare.judge.judged_row import differs
from padiff_compare.weights.own_weights import choose_rule
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair, WeightPlan, full_name
from padiff_rpc.v1.records import Layer, Note, Reason, Row
from padiff_rpc.v1.words import Cause, NoteKind, PairedBy, Side, WeightKind


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
            reason=Reason(cause=Cause.SHAPE),
        )


def table_notes(rows: Iterable[Row], unsaved: frozenset[str], *, copy: bool) -> Iterator[Note]:
    """Yields notes on the buffers whose rows differ.

    `unsaved`: full names of the candidate's that are never copied. Without `copy` the others are compared
    as they are.
    """
    found: dict[bool, dict[str, float]] = {True: {}, False: {}}
    for row in rows:
        if differs(row) and row.candidate is not None:
            name = full_name(row.candidate.path, row.candidate.slot)
            found[name in unsaved][name] = row.figures.max_abs if row.figures is not None else math.nan
    for is_unsaved, differences in found.items():
        if differences and (is_unsaved or copy):
            kind = NoteKind.UNSAVED_BUFFERS if is_unsaved else NoteKind.HIDDEN_BUFFERS
            yield Note(kind=kind, names=tuple(differences), numbers=tuple(differences.values()))
