"""Kinds of layers and their weights, by the words that workers say them in (docs/vocabulary.md)."""

from __future__ import annotations

import math
import re
from typing import Optional

from padiff_compare.normalization import NORMS
from padiff_rpc.v1.records import Layer, Weight
from padiff_rpc.v1.words import BufferRole, WeightKind, WeightLayout

Shape = tuple[int, ...]

# Built by each framework from layers of its own, and not from the same ones; by what they hold.
_COMPOSITES = {
    "multi_head_attention": "attention",
    **dict.fromkeys(("lstm", "gru", "rnn", "bi_rnn"), "recurrent"),
}
# Kinds that do the same sort of thing, so that one in the other's place is a fault worth showing there.
_FAMILIES = {
    "activation": re.compile(r".*(relu|elu|gelu|silu|mish|sigmoid|swish|tanh|softsign|softplus)6?$"),
    "pool": re.compile(r"(adaptive|fractional|lp)?(avg|max)?pool[123]d$"),
    "dropout": re.compile(r".*dropout([123]d)?$"),
}
_AVERAGES = re.compile(r"(adaptive)?avgpool[123]d$")


def composite_family(kind: str) -> str:
    """Returns which kinds hold the same pieces; empty for a layer that is no composite."""
    return _COMPOSITES.get(kind, "")


def is_composite(kind: str) -> bool:
    """Whether frameworks build such a layer from different ones, so that it pairs as a whole."""
    return kind in _COMPOSITES


def is_norm(kind: str) -> bool:
    """Whether the layer divides by how far its values spread, with or without a weight of its own."""
    return kind in NORMS


def is_byproduct(kind: str, slot: str) -> bool:
    """Whether this output may be missing on one side: what is made of it shows whether it was needed.

    Some attentions return their weights unless told not to, others only where asked.
    """
    return kind == "multi_head_attention" and slot != "0"


def free_family(kind: str) -> str:
    """Returns "activation", "pool" or "dropout" where a kind without weights is one; else an empty text."""
    return next((name for name, kinds in _FAMILIES.items() if kinds.match(kind)), "")


def averages(kind: str) -> bool:
    """Whether such a layer makes averages of what it takes, and nothing else."""
    return bool(_AVERAGES.match(kind))


def is_bookkeeping(weight: Weight) -> bool:
    """Whether the weight only counts or caches for its framework, so that no verdict may depend on it.

    What state files leave out is made by each model itself (a table of positions, say): to copy it would
    hide a fault in it, which shows in the outputs.
    """
    return weight.kind is WeightKind.BUFFER and (weight.unsaved or weight.role is BufferRole.BOOKKEEPING)


def is_computed(weight: Weight) -> bool:
    """Whether the layer computes the weight anew in each call, from weights that are compared."""
    return weight.kind is WeightKind.BUFFER and weight.role is BufferRole.COMPUTED


def is_table(weight: Weight) -> bool:
    """Whether the weight is a buffer that its model makes itself: an index, a mask, a window."""
    return weight.kind is WeightKind.BUFFER and weight.role is None


def is_made_in(layer: Layer, name: str) -> bool:
    """Whether the layer has a table of this canonical name that state files leave out."""
    return any(weight.unsaved and is_table(weight) and weight.canonical == name for weight in layer.weights)


def is_power_vector(kind: str, weight: Weight) -> bool:
    """Whether a layer that is a spectral norm of another layer's weight keeps it for its power iteration."""
    return kind == "spectral_norm" and weight.canonical in ("weight_u", "weight_v")


def computed_by(layer: Layer, weight: Weight) -> Optional[tuple[str, str]]:
    """Returns which other weight the layer computes of this one, and how; None where it does not."""
    made = next((one for one in layer.weights if is_computed(one) and one.name == weight.part_of), None)
    if made is None:
        return None
    names = {one.canonical for one in layer.weights}
    is_norm_of_weight, is_spectral = f"{made.name}_g" in names, f"{made.name}_u" in names
    how = "weight norm" if is_norm_of_weight else "spectral norm" if is_spectral else "parametrization"
    return made.name, how


def is_aside(weight: Weight) -> bool:
    """Whether no verdict depends on the weight, because it only counts, caches, or is computed anew."""
    return is_bookkeeping(weight) or is_computed(weight)


def is_flattened(kind: str, weight: Weight) -> bool:
    """Whether some framework stores the weight flattened, as that of a norm over several axes."""
    name = weight.canonical
    return kind in NORMS or (kind, name) == ("bilinear", "bias") or name == "weight_g"


def canonical_shape(kind: str, weight: Weight) -> Shape:
    """Returns the weight's shape as [out, in], one-dimensional where layouts vary."""
    shape = weight.spec.shape
    if weight.layout is WeightLayout.IN_OUT and len(shape) == 2:
        return shape[::-1]
    if is_flattened(kind, weight):
        return (math.prod(shape),)
    return shape
