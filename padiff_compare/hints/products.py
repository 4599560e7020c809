"""Probe for a linear layer that takes another weight: transposed, another layer's, or an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

import numpy as np

from padiff_compare.hints.clues import Clues, Probe, Product, Reals, relative_l2
from padiff_compare.hints.formulas import rounded_to
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import CaptureKind, DType, HintKind, Side

# Of the product with the weight as it is known, without what is added to each row.
_CLOSE = 1e-3


def other_weight(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Another weight W' in x W + c: b = a + x (W' - W), of some rows of x.

    W counts as it is stored, or as its transpose, whichever makes the reference's rows.
    """
    product = clues.product
    is_output = clues.evidence.kind is CaptureKind.OUTPUT and reference.shape == candidate.shape
    if product is None or not is_output or reference.ndim < 1:
        return None
    rows = product.entered
    ours, theirs = (one.reshape(-1, one.shape[-1])[: len(rows)] for one in (reference, candidate))
    is_turned = next((turned for turned in (False, True) if _makes(rows, product.weight, ours, turned)), None)
    if is_turned is None or len(rows) != len(ours):
        return None
    for kind, names, weight in _others(product):
        if weight.shape != product.weight.shape:
            continue
        change = weight - product.weight
        made = ours + rows @ (change.T if is_turned else change)
        side = Side.CANDIDATE if kind is HintKind.ROUNDED else None
        hint = clues.hint(kind, made, ours, theirs, names=(*names, product.name), side=side)
        if hint is not None:
            return hint
    return None


def _makes(rows: Reals, weight: Reals, made: Reals, turned: bool) -> bool:
    """Whether the rows times the weight are `made`, but for what is added to each."""
    weight = weight.T if turned else weight
    if weight.shape != (rows.shape[1], made.shape[1]) or len(rows) < 2:
        return False
    product = rows @ weight
    return relative_l2(product - np.mean(product, axis=0), made - np.mean(made, axis=0)) < _CLOSE


def _others(product: Product) -> Iterator[tuple[HintKind, tuple[str, ...], Reals]]:
    yield HintKind.TRANSPOSED, (), product.weight.T
    if product.before is not None:
        yield HintKind.STALE, (), product.before
    for name, weight in product.others.items():
        yield HintKind.SWAPPED, (name,), weight
    for dtype in (DType.FLOAT16, DType.BFLOAT16):
        yield HintKind.ROUNDED, (dtype.value,), rounded_to(dtype, product.weight)


PROBES: tuple[Probe, ...] = (other_weight,)
