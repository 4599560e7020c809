"""Weights that are one tensor on one side, and two on the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from padiff_compare.weights.weight_pair import WeightPlan
from padiff_rpc.v1.records import Note
from padiff_rpc.v1.words import NoteKind, Side


def tie_notes(plan: WeightPlan) -> Iterator[Note]:
    """Yields a note on each tensor of one side that stands for several of the other, whole each time."""
    groups: dict[Side, defaultdict[str, dict[str, None]]] = {side: defaultdict(dict) for side in Side}
    for pair in plan.pairs:
        is_whole = len(pair.references) == 1 and pair.rule.part is None and pair.one_to_one
        if is_whole and pair.compared and not pair.is_misfit:
            groups[Side.REFERENCE][pair.reference_name][pair.candidate_name] = None
            groups[Side.CANDIDATE][pair.candidate_name][pair.reference_name] = None
    for side, found in groups.items():
        for name, others in found.items():
            if len(others) > 1:
                yield Note(kind=NoteKind.TIED_ALONE, side=side, names=(name, *others))
