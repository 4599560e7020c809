"""Rows of weights that cannot be held against each other, from their specs alone."""

from __future__ import annotations

import dataclasses
from typing import Optional

from padiff_compare.layout_rules import IDENTITY
from padiff_compare.rows import reasons_of
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.v1.records import Place, Row, TensorSpec
from padiff_rpc.v1.words import Verdict


def misfit_row(frame: Row, pair: WeightPair) -> Row:
    """Returns `frame` for a pair that is a misfit; its rule is not applied, since it may not be."""
    specs = [owned.weight.spec for owned in pair.references]
    made = pair.rule.shape_or_none(*(spec.shape for spec in specs))
    wanted = pair.candidate.weight.spec
    shown: Optional[TensorSpec] = specs[0] if len(specs) == 1 else None
    if made is not None:
        shown = dataclasses.replace(specs[0], shape=made)
    fits = made == wanted.shape
    return dataclasses.replace(
        frame,
        verdict=Verdict.DTYPE_MISMATCH if fits else Verdict.SHAPE_MISMATCH,
        reference=_with_spec(frame.reference, shown),
        candidate=_with_spec(frame.candidate, wanted),
        reasons=reasons_of(pair.reason),
        rule="" if pair.rule == IDENTITY else pair.rule.name,
    )


def _with_spec(place: Optional[Place], spec: Optional[TensorSpec]) -> Optional[Place]:
    return dataclasses.replace(place, spec=spec) if place is not None else None
