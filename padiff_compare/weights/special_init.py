"""Pinned pairs whose weights a user's own function carries over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from padiff_compare.alignment.kinds import is_aside
from padiff_compare.weights.weight_pair import OwnedWeight, SpecialInit, full_name
from padiff_rpc.v1.records import Layer, LayerPair


def special_init(pair: LayerPair, reference: Sequence[Layer], candidate: Sequence[Layer]) -> SpecialInit:
    """Returns what the pair's function takes and gives; both paths are known to exist."""
    candidates = dict(_weights_below(pair.candidate, candidate))
    return SpecialInit(
        reference_path=_first_path(pair.reference, reference),
        candidate_path=_first_path(pair.candidate, candidate),
        function=pair.special_init,
        references=dict(_weights_below(pair.reference, reference)),
        candidates=candidates,
        computed=candidates,
    )


def _first_path(path: str, layers: Sequence[Layer]) -> str:
    return next(layer.path for layer in layers if path in (layer.path, *layer.aliases))


def _weights_below(path: str, layers: Sequence[Layer]) -> Iterator[tuple[str, OwnedWeight]]:
    """Yields each tensor once, under its name relative to the layer at `path`."""
    seen: set[str] = set()
    for layer in layers:
        inner = next((place for place in (layer.path, *layer.aliases) if _is_below(place, path)), None)
        if inner is None:
            continue
        for weight in layer.weights:
            owned = OwnedWeight(path=layer.path, weight=weight)
            if not is_aside(weight) and owned.name not in seen:
                seen.add(owned.name)
                yield full_name(inner[len(path) :].lstrip("."), weight.name), owned


def _is_below(path: str, top: str) -> bool:
    return not top or path == top or path.startswith(f"{top}.")
