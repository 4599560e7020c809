"""Kinds of layers, whatever their framework calls them, and the layout of their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from padiff_rpc.records import record
from padiff_rpc.v1.records import Layer, Weight
from padiff_rpc.v1.words import WeightKind

Shape = tuple[int, ...]

# Holders without a computation of their own; custom classes are judged by what they hold.
_CONTAINERS = ("sequential", "modulelist", "layerlist", "moduledict", "layerdict", "container")

# Class names that differ between frameworks (lower case, without "Lazy"), and the kinds that rules
# know. Any other class of a framework is its own kind under its lower-case name ("relu", "avgpool2d").
_KINDS = {
    **dict.fromkeys(_CONTAINERS, "container"),
    **dict.fromkeys(
        ("batchnorm", "batchnorm1d", "batchnorm2d", "batchnorm3d", "syncbatchnorm"), "batch_norm"
    ),
    **dict.fromkeys(("instancenorm1d", "instancenorm2d", "instancenorm3d"), "instance_norm"),
    "layernorm": "layer_norm",
    "groupnorm": "group_norm",
    "rmsnorm": "rms_norm",
    **{
        name: f"conv_transpose{n}d"
        for n in (1, 2, 3)
        for name in (f"conv{n}dtranspose", f"convtranspose{n}d")
    },
    "multiheadattention": "multi_head_attention",
    "parameterlist": "parameter_list",
    "parameterdict": "parameter_dict",
    "rnncell": "simplernncell",
    "rnn": "simplernn",  # Torch's; Paddle's RNN is a wrapper around a cell, and holds no weights itself.
    "swish": "silu",
    "threshold": "thresholdedrelu",
}
# Built by each framework from layers of its own, and not from the same ones.
_COMPOSITES = frozenset({"multi_head_attention", "lstm", "gru", "simplernn", "birnn"})

# Kinds that do the same sort of thing, so that one in the other's place is a fault worth showing there.
_FAMILIES = {
    "activation": re.compile(r".*(relu|elu|gelu|silu|mish|sigmoid|swish|tanh|softsign|softplus)6?$"),
    "pool": re.compile(r"(adaptive|fractional|lp)?(avg|max)?pool[123]d$"),
    "dropout": re.compile(r".*dropout([123]d)?$"),
}
_AVERAGES = re.compile(r"(adaptive)?avgpool[123]d$")
_NORMS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"})

# A framework's class is a kind where it lives in one of these; elsewhere (paddle.vision.models, say)
# it is a model. torch.nn.utils derives classes of its own (ParametrizedLinear), whose bases say more.
_FRAMEWORK = re.compile(r"(?:(torch|paddle)\.(?:nn\.(?!utils\.)|incubate\.nn\.)|(fake)\.)")

# Layout of the one weight that frameworks store differently.
_LINEAR_LAYOUTS = {"torch": "out_in", "paddle": "in_out", "fake": "in_out"}

# Beside the matrix itself, what spectral_norm and weight_norm make it of. A spectral norm's weight_v is a
# vector, which no transposition touches.
_LINEAR_MATRICES = frozenset({"weight", "weight_orig", "weight_v"})

# What Torch's parametrizations make a weight of, by the names that their older form and Paddle have.
_PARAMETRIZED = re.compile(r"parametrizations\.(\w+)\.(original[01]?|0\._[uv])")
_PARTS = {"original": "_orig", "original0": "_g", "original1": "_v", "0._u": "_u", "0._v": "_v"}

# Of a spectral norm, what its power iteration keeps. Paddle's layer has them as parameters.
_VECTORS = frozenset({"weight_u", "weight_v"})

_STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}
_BOOKKEEPING = frozenset({"num_batches_tracked", "_dropout_state"})


@record
class Kind:
    """A layer's canonical kind.

    Attributes:
        name: "linear", "batch_norm", "relu", ...; empty for a user's own class.
        framework: "torch", "paddle" or "fake", by the class that gave the kind; empty likewise.
    """

    name: str = ""
    framework: str = ""


def kind_of(layer: Layer) -> Kind:
    """Returns the kind by the first of the layer's classes that is a framework's own public one.

    So a subclass counts as what it derives from.
    """
    for qualified in layer.classes:
        found = _FRAMEWORK.match(qualified)
        bare = qualified.rpartition(".")[2]
        if found and not bare.startswith("_"):
            name = bare.lower()
            name = name[len("lazy") :] if name.startswith("lazy") else name
            return Kind(name=_KINDS.get(name, name), framework=found[1] or found[2])
    return Kind()


def is_composite(kind: Kind) -> bool:
    """Whether frameworks build such a layer from different ones, so that it pairs as a whole."""
    return kind.name in _COMPOSITES


def is_norm(kind: Kind) -> bool:
    """Whether the layer normalises, with or without a weight and a bias of its own."""
    return kind.name in _NORMS


def is_byproduct(kind: Kind, slot: str) -> bool:
    """Whether this output may be missing on one side: what is made of it shows whether it was needed.

    Torch's attention returns its weights unless told not to, Paddle's only where asked.
    """
    return kind.name == "multi_head_attention" and slot != "0"


def free_family(kind: Kind) -> str:
    """Returns "activation", "pool" or "dropout" where a kind without weights is one; else an empty text."""
    return next((name for name, kinds in _FAMILIES.items() if kinds.match(kind.name)), "")


def normalizes(kind: Kind) -> bool:
    """Whether such a layer divides by how far its values spread."""
    return kind.name in _NORMS


def averages(kind: Kind) -> bool:
    """Whether such a layer makes averages of what it takes, and nothing else."""
    return bool(_AVERAGES.match(kind.name))


def canonical_name(kind: Kind, name: str) -> str:
    """Returns the name that a layer's own weight goes by in every framework (Torch's)."""
    part = _PARAMETRIZED.fullmatch(name)
    if part is not None:
        return part[1] + _PARTS[part[2]]
    if kind.name == "batch_norm":
        return _STATISTICS.get(name, name)
    if kind.name in _NORMS and name == "scale":
        return "weight"
    if kind.name == "prelu" and name == "_weight":
        return "weight"
    return name


def canonical_kind(kind: Kind, weight: Weight) -> WeightKind:
    """Returns what the weight is in meaning: Paddle lists statistics and power vectors as parameters."""
    if is_power_vector(kind, weight.name):
        return WeightKind.BUFFER
    if kind.name == "batch_norm" and canonical_name(kind, weight.name) in _STATISTICS.values():
        return WeightKind.BUFFER
    return weight.kind


def is_power_vector(kind: Kind, name: str) -> bool:
    """Whether a layer that is a spectral norm of another layer's weight has a vector of this name."""
    return kind.name == "spectralnorm" and name in _VECTORS


def is_bookkeeping(weight: Weight) -> bool:
    """Whether the weight only counts or caches for its framework, so that no verdict may depend on it.

    What state files leave out is made by each model itself (a table of positions, say): to copy it would
    hide a fault in it, which shows in the outputs.
    """
    return weight.kind is WeightKind.BUFFER and (weight.unsaved or weight.name in _BOOKKEEPING)


def is_derived(layer: Layer, weight: Weight) -> bool:
    """Whether the layer computes the weight anew in each call, from weights that are compared.

    Workers show what weight norms, spectral norms and Torch's parametrizations make as a buffer beside
    what it is made of.
    """
    if weight.kind is not WeightKind.BUFFER:
        return False
    kind = kind_of(layer)
    names = {canonical_name(kind, other.name) for other in layer.weights}
    return not names.isdisjoint(f"{weight.name}{part}" for part in ("_orig", "_g"))


def is_table(layer: Layer, weight: Weight) -> bool:
    """Whether the weight is a buffer that its model makes itself: an index, a mask, a window.

    What is gathered from the values that pass (statistics, counters, the vectors of a spectral norm) and what
    is computed anew is none.
    """
    if weight.kind is not WeightKind.BUFFER or is_derived(layer, weight) or weight.name in _BOOKKEEPING:
        return False
    kind = kind_of(layer)
    name = canonical_name(kind, weight.name)
    names = {canonical_name(kind, other.name) for other in layer.weights}
    is_vector = name.endswith(("_u", "_v")) and f"{name[:-2]}_orig" in names
    return not is_vector and name not in (*_STATISTICS, *_STATISTICS.values())


def is_made_in(layer: Layer, name: str) -> bool:
    """Whether the layer has a table of this canonical name that state files leave out."""
    kind = kind_of(layer)
    return any(
        weight.unsaved and is_table(layer, weight) and canonical_name(kind, weight.name) == name
        for weight in layer.weights
    )


def is_part_of(kind: Kind, weight: Weight, name: str) -> bool:
    """Whether a layer's own weight is one of those that the weight `name` is derived from."""
    canonical = canonical_name(kind, weight.name)
    # A user's parametrization may hold more than the weight's original.
    own = canonical.startswith(f"{name}_") and canonical[len(name) :] in _PARTS.values()
    return own or weight.name.startswith(f"parametrizations.{name}.")


def computed_by(layer: Layer, weight: Weight) -> str:
    """Returns how the layer computes another weight of this one, in words; "" where it does not."""
    kind = kind_of(layer)
    names = {canonical_name(kind, other.name) for other in layer.weights}
    for made in layer.weights:
        if is_derived(layer, made) and is_part_of(kind, weight, made.name):
            is_norm_of_weight, is_spectral = f"{made.name}_g" in names, f"{made.name}_u" in names
            how = (
                "weight norm" if is_norm_of_weight else "spectral norm" if is_spectral else "parametrization"
            )
            return f"computes {made.name!r} of it by a {how}"
    return ""


def is_aside(layer: Layer, weight: Weight) -> bool:
    """Whether no verdict depends on the weight, because it only counts, caches, or is computed anew."""
    return is_bookkeeping(weight) or is_derived(layer, weight)


def framework_of(layers: Sequence[Layer]) -> str:
    """Returns the framework that a model's layers show; empty where all are a user's own classes."""
    return next((kind.framework for kind in map(kind_of, layers) if kind.framework), "")


def layout(kind: Kind, name: str) -> str:
    """Returns the layout of a weight where frameworks differ ("out_in", "in_out"), else an empty text."""
    is_matrix = kind.name == "linear" and name in _LINEAR_MATRICES
    return _LINEAR_LAYOUTS.get(kind.framework, "") if is_matrix else ""


def is_flattened(kind: Kind, name: str) -> bool:
    """Whether some framework stores the weight flattened (Paddle: LayerNorm over several axes)."""
    return kind.name in _NORMS or (kind.name, name) == ("bilinear", "bias") or name == "weight_g"


def canonical_shape(kind: Kind, weight: Weight) -> Shape:
    """Returns the weight's shape as Torch would store it, one-dimensional where layouts vary."""
    shape = weight.spec.shape
    name = canonical_name(kind, weight.name)
    if layout(kind, name) == "in_out" and len(shape) == 2:
        return shape[::-1]
    if is_flattened(kind, name):
        return (math.prod(shape),)
    return shape
