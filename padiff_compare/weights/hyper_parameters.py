"""Hyper-parameters of paired layers, in the vocabulary in which workers say them.

A word is compared where both layers have it, but for an activation that one of them applies: its result
shows it, and the other side's code may do the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional, Union

from padiff_compare.alignment.plan import Plan
from padiff_rpc import trees
from padiff_rpc.v1.records import HyperParameterDifference, Layer
from padiff_rpc.v1.words import PairedBy

Value = Union[bool, int, float, str, None, tuple[Any, ...]]

# What these words mean in a user's own class is beyond doubt.
_SAFE = frozenset(
    ("epsilon", "kernel_size", "stride", "padding", "dilation", "groups", "negative_slope", "num_heads")
)


def differences(
    plan: Plan, reference: Sequence[Layer], candidate: Sequence[Layer]
) -> Iterator[HyperParameterDifference]:
    """Yields what differs between paired layers, in the plan's order; ignored pairs are left out.

    Then what differs between containers that are no pair, for what they hold are each other's partners:
    such a setting (which comes first, the norm or the attention) may be why they part.
    """
    ours = {layer.path: layer for layer in reference}
    theirs = {layer.path: layer for layer in candidate}
    pairs = [(pair.reference, pair.candidate) for pair in plan.layers if pair.how is not PairedBy.IGNORED]
    pairs += dict.fromkeys((call.layer.reference, call.layer.candidate) for call in plan.calls)
    for reference_path, candidate_path in (*pairs, *_parted(plan, ours, theirs)):
        values = _comparable(ours[reference_path], theirs[candidate_path])
        for name, (one, other) in values.items():
            if not equal(one, other):
                yield HyperParameterDifference(
                    reference_path=reference_path,
                    candidate_path=candidate_path,
                    name=name,
                    reference=as_text(one),
                    candidate=as_text(other),
                )


def _parted(plan: Plan, ours: Mapping[str, Layer], theirs: Mapping[str, Layer]) -> Iterator[tuple[str, str]]:
    """Yields containers of one kind without partners that hold most of each other's partners."""
    common: Counter[tuple[str, str]] = Counter()
    for pair in plan.layers:
        around = (
            _lone_around(pair.reference, ours, plan.candidate_of),
            _lone_around(pair.candidate, theirs, plan.reference_of),
        )
        if around[0] is not None and around[1] is not None:
            common[around[0].path, around[1].path] += 1
    taken: set[tuple[int, str]] = set()
    for paths, _ in common.most_common():
        is_alike = ours[paths[0]].kind == theirs[paths[1]].kind
        if is_alike and taken.isdisjoint(enumerate(paths)):
            taken.update(enumerate(paths))
            yield paths


def _lone_around(path: str, layers: Mapping[str, Layer], partner: Callable[[str], object]) -> Optional[Layer]:
    """Returns the innermost layer of a known kind around `path`, if it has no partner."""
    while path:
        path = path.rpartition(".")[0]
        layer = layers.get(path)
        if layer is not None and layer.kind not in ("", "container"):
            return layer if partner(path) is None else None
    return None


def _comparable(reference: Layer, candidate: Layer) -> dict[str, tuple[Value, Value]]:
    ours, theirs = trees.unpack_map(reference.hyper_parameters), trees.unpack_map(candidate.hyper_parameters)
    names = [name for name in ours if name in theirs and name != "fused_activation"]
    if reference.kind != candidate.kind or not reference.kind:
        names = [name for name in names if name in _SAFE]
    return {name: (ours[name], theirs[name]) for name in names}


def equal(one: Value, other: Value) -> bool:
    """Whether two settings are one, but for what arithmetic on a convention may lose."""
    if isinstance(one, float) or isinstance(other, float):
        numbers = [_number(one), _number(other)]
        if numbers[0] is not None and numbers[1] is not None:
            # For instance 1 - m.
            return abs(numbers[0] - numbers[1]) <= 1e-9 * max(abs(numbers[0]), abs(numbers[1]))
    return one == other


def _number(value: Value) -> Optional[float]:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def as_text(value: Value) -> str:
    """Returns a setting as reports show it."""
    return str(value) if isinstance(value, (str, bool)) or value is None else repr(value)
