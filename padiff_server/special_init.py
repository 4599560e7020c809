"""Pinned pairs whose weights a user's own function carries over."""

from __future__ import annotations

from collections.abc import Sequence

from padiff_rpc.options import LayerPair
from padiff_rpc.records import record
from padiff_rpc.types import Layer, Weight
from padiff_server.kinds import is_bookkeeping


@record
class SpecialInit:
    """A pinned pair whose weights a user's function carries over.

    Attributes:
        reference_path, candidate_path: first paths of the two layers.
        function: "package.module:function" of the candidate worker.
        reference_names, candidate_names: full names of all weights of the layers and everything
            below them.
        reference_keys, candidate_keys: the names that the function sees, relative to the layer, in
            the order of the full names.
    """

    reference_path: str
    candidate_path: str
    function: str
    reference_names: tuple[str, ...]
    candidate_names: tuple[str, ...]
    reference_keys: tuple[str, ...]
    candidate_keys: tuple[str, ...]


def owner_name(path: str, weight: Weight) -> str:
    """Returns the full name of a layer's weight; a tied one goes by its first owner's."""
    return weight.tied_to or (f"{path}.{weight.name}" if path else weight.name)


def special_init(pair: LayerPair, reference: Sequence[Layer], candidate: Sequence[Layer]) -> SpecialInit:
    """Returns what the pair's function takes and gives; both paths are known to exist."""
    ours, theirs = _weights_below(pair.reference, reference), _weights_below(pair.candidate, candidate)
    return SpecialInit(
        reference_path=_first_path(pair.reference, reference),
        candidate_path=_first_path(pair.candidate, candidate),
        function=pair.special_init,
        reference_names=tuple(ours),
        candidate_names=tuple(theirs),
        reference_keys=tuple(ours.values()),
        candidate_keys=tuple(theirs.values()),
    )


def _first_path(path: str, layers: Sequence[Layer]) -> str:
    return next(layer.path for layer in layers if path in (layer.path, *layer.aliases))


def _weights_below(path: str, layers: Sequence[Layer]) -> dict[str, str]:
    """Returns full name -> name relative to the layer at `path`, each tensor once."""
    names: dict[str, str] = {}
    for layer in layers:
        inner = next((place for place in (layer.path, *layer.aliases) if _is_below(place, path)), None)
        if inner is None:
            continue
        relative = inner[len(path) :].lstrip(".")
        for weight in layer.weights:
            if not is_bookkeeping(weight):
                key = f"{relative}.{weight.name}" if relative else weight.name
                names.setdefault(owner_name(layer.path, weight), key)
    return names


def _is_below(path: str, top: str) -> bool:
    return not top or path == top or path.startswith(f"{top}.")
