"""Weights that cannot be held against each other, from their specs alone."""

from __future__ import annotations

import dataclasses
from typing import Optional

from padiff_compare.judge.evidence import Evidence, Misfit
from padiff_compare.rows import reasons_of
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import CaptureKind


def misfit_evidence(kind: CaptureKind, pair: WeightPair) -> Evidence:
    """Returns what is known of a pair that is a misfit; its rule is not applied, since it may not be."""
    specs = [owned.weight.spec for owned in pair.references]
    made = pair.rule.shape_or_none(*(spec.shape for spec in specs))
    wanted = pair.candidate.weight.spec
    shown: Optional[TensorSpec] = specs[0] if len(specs) == 1 else None
    if made is not None:
        shown = dataclasses.replace(specs[0], shape=made)
    misfit = Misfit(reference=shown, candidate=wanted, is_of_shape=made == wanted.shape)
    return Evidence(kind=kind, why=reasons_of(pair.reason), misfit=misfit)
