"""What a user's function turned out to do with each weight, seen from what it took and what it gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional

import numpy as np

from padiff_rpc.tensors import HostTensor
from padiff_rpc.words import WeightKind
from padiff_server.weights.rules import IDENTITY, TRANSPOSE, Rule
from padiff_server.weights.special_init import SpecialInit
from padiff_server.weights.weight_pair import WeightPair

_SHOWN = 3


def carried(
    special: SpecialInit, given: Mapping[str, HostTensor], made: Mapping[str, HostTensor]
) -> tuple[WeightPair, ...]:
    """Returns the parameters that kept their name and their values, as they are or transposed.

    Equal elements tell nothing of their order: a constant bias counts where all others were carried.
    """
    rules: dict[str, Rule] = {}
    constant = []
    for key in _parameters(special):
        if key not in given or key not in made:
            continue
        if made[key].array.size and (made[key].array == made[key].array.flat[0]).all():
            constant.append(key)
        else:
            rule = _rule_between(given[key], made[key])
            if rule is not None:
                rules[key] = rule
    others = [key for key in _parameters(special) if key not in constant]
    if others and all(key in rules for key in others):
        rules.update(
            {key: IDENTITY for key in constant if made[key].array.ndim == 1 and _equal(given[key], made[key])}
        )
    return tuple(
        WeightPair(
            kind=WeightKind.PARAMETER,
            references=(special.references[key],),
            candidate=special.candidates[key],
            rule=rules[key],
        )
        for key in _parameters(special)
        if key in rules
    )


def left_out(special: SpecialInit, pairs: tuple[WeightPair, ...]) -> Iterator[str]:
    """Yields a note on the parameters whose gradients are compared with nothing, if there are any."""
    compared = {pair.candidate_name for pair in pairs}
    names = [special.candidates[key].name for key in _parameters(special)]
    left = [name for name in names if name not in compared]
    if left:
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        yield (
            f"the gradients of {', '.join(left[:_SHOWN])}{more} are not compared, since "
            f"{special.function} does more than pass these weights on"
        )


def _parameters(special: SpecialInit) -> list[str]:
    return [key for key, owned in special.candidates.items() if owned.weight.kind is WeightKind.PARAMETER]


def _rule_between(given: HostTensor, made: HostTensor) -> Optional[Rule]:
    if _equal(given, made):
        return IDENTITY
    if given.array.ndim == 2 and _equal(TRANSPOSE.apply(given), made):
        return TRANSPOSE
    return None


def _equal(given: HostTensor, made: HostTensor) -> bool:
    return given.dtype is made.dtype and np.array_equal(given.array, made.array)
