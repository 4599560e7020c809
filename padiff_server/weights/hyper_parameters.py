"""Hyper-parameters of paired layers, in one vocabulary: Torch's meaning under the words used here.

A word is compared where both layers state it, or where the framework that does not is known to have one
fixed value for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional, Union

from padiff_rpc import trees
from padiff_rpc.v1.records import HyperParameterDifference, Layer
from padiff_rpc.v1.words import PairedBy
from padiff_server.alignment.kinds import Kind, canonical_name, kind_of
from padiff_server.alignment.plan import Plan

Value = Union[bool, int, float, str, None, tuple[Any, ...]]

# The frameworks' names, without a leading underscore, where they are not the word itself.
_WORDS = {
    "eps": "epsilon",
    "ksize": "kernel_size",
    "kernel_sizes": "kernel_size",
    "strides": "stride",
    "paddings": "padding",
    "dilations": "dilation",
    "output_sizes": "output_size",
    "power_iters": "n_power_iterations",
    "axis": "dim",
    "start_axis": "start_dim",
    "stop_axis": "end_dim",
    "min": "min_val",
    "max": "max_val",
    "lambd": "threshold",
    "divisor": "divisor_override",
    "return_mask": "return_indices",
    "normalize_before": "norm_first",
    "activation": "nonlinearity",
    "shape": "unflattened_size",
}
_KNOWN = {
    *_WORDS.values(),
    *("momentum", "groups", "num_groups", "num_features", "num_channels", "in_channels", "out_channels"),
    *("padding_mode", "output_padding", "ceil_mode", "count_include_pad", "p", "mode", "align_corners"),
    *("approximate", "negative_slope", "alpha", "beta", "k", "size", "value", "lower", "upper"),
    *("scale_factor", "upscale_factor", "downscale_factor", "norm_type", "num_parameters"),
    *("num_embeddings", "embedding_dim", "padding_idx", "max_norm", "scale_grad_by_freq"),
    *("normalized_shape", "num_heads", "embed_dim", "kdim", "vdim", "dropout", "batch_first"),
    *("input_size", "hidden_size", "num_layers", "bidirectional", "proj_size", "channels_last"),
    *("track_running_stats", "use_global_stats", "in1_features", "in2_features", "out_features"),
}
# What these words mean in a user's own class is beyond doubt.
_SAFE = frozenset(
    ("epsilon", "kernel_size", "stride", "padding", "dilation", "groups", "negative_slope", "num_heads")
)
_NORMS = ("batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm")
_POOLS = ("maxpool", "avgpool", "lppool")


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
        kinds = kind_of(ours[paths[0]]), kind_of(theirs[paths[1]])
        if kinds[0].name == kinds[1].name and taken.isdisjoint(enumerate(paths)):
            taken.update(enumerate(paths))
            yield paths


def _lone_around(path: str, layers: Mapping[str, Layer], partner: Callable[[str], object]) -> Optional[Layer]:
    """Returns the innermost layer of a known kind around `path`, if it has no partner."""
    while path:
        path = path.rpartition(".")[0]
        layer = layers.get(path)
        if layer is not None and kind_of(layer).name not in ("", "container"):
            return layer if partner(path) is None else None
    return None


def _comparable(reference: Layer, candidate: Layer) -> dict[str, tuple[Value, Value]]:
    kinds = kind_of(reference), kind_of(candidate)
    ours, theirs = translated(reference), translated(candidate)
    names = [name for name in ours if name in theirs]
    if kinds[0].name != kinds[1].name or not kinds[0].name:
        names = [name for name in names if name in _SAFE]
    return {name: (ours[name], theirs[name]) for name in names}


def translated(layer: Layer) -> dict[str, Value]:
    """Returns a layer's hyper-parameters by the vocabulary's words, with Torch's meaning."""
    kind = kind_of(layer)
    stated: Mapping[str, Any] = (
        trees.unpack(layer.hyper_parameters) if layer.hyper_parameters != trees.ABSENT else {}
    )
    stated = {name.lstrip("_"): value for name, value in stated.items()}
    values: dict[str, Value] = {}
    for name, value in stated.items():
        word = _WORDS.get(name, name)
        if word in _KNOWN:
            values[word] = _plain(value)
    if kind.framework == "paddle":
        _from_paddle(kind, stated, values)
    elif kind.framework == "torch":
        _from_torch(kind, stated, values)
    if kind.name.startswith(_POOLS) and values.get("stride", 0) is None:
        values["stride"] = values.get("kernel_size")
    _add_presence(kind, layer, values)
    return values


def _from_torch(kind: Kind, stated: Mapping[str, Any], values: dict[str, Value]) -> None:
    if kind.name.startswith("dropout"):
        values["mode"] = "upscale_in_train"
    if kind.name == "batch_norm":
        values["use_global_stats"] = False
    if "align_corners" in values:
        values["align_corners"] = bool(values["align_corners"])
    if kind.name.startswith(("conv", *_POOLS, *_NORMS)):
        values["channels_last"] = False


def _from_paddle(kind: Kind, stated: Mapping[str, Any], values: dict[str, Value]) -> None:
    if isinstance(values.get("momentum"), float):
        # Paddle's is the share of the old value, Torch's of the new one.
        values["momentum"] = round(1 - float(stated["momentum"]), 12)
    if kind.name == "batch_norm":
        values["track_running_stats"] = True
        values["use_global_stats"] = bool(stated.get("use_global_stats"))
    if kind.name == "instance_norm":
        # It keeps a momentum and no statistics.
        values["track_running_stats"] = False
        values.pop("momentum", None)
    if "approximate" in values:
        values["approximate"] = "tanh" if values["approximate"] else "none"
    if "exclusive" in stated:
        values["count_include_pad"] = not stated["exclusive"]
    if kind.name.startswith("maxpool"):
        values["dilation"] = 1
    if kind.name == "dropout" and stated.get("mode") is not None:
        values["mode"] = str(stated["mode"])
    if values.get("padding_idx", 0) == -1:
        values["padding_idx"] = None
    if kind.name == "multi_head_attention":
        values["batch_first"] = True
    if "time_major" in stated:
        values["batch_first"] = not stated["time_major"]
    if "num_directions" in stated:
        values["bidirectional"] = stated["num_directions"] == 2
    layout = stated.get("data_format") or stated.get("data_layout")
    if isinstance(layout, str):
        values["channels_last"] = layout.endswith("C") and layout != "NC"
    if kind.name.startswith("conv"):
        values["padding"] = _padding(stated.get("padding"))


def _padding(padding: Any) -> Value:
    """Returns a convolution's padding as Torch has it: once for both ends of an axis."""
    if isinstance(padding, (list, tuple)) and len(padding) in (4, 6):
        ends = list(zip(padding[::2], padding[1::2]))
        if all(before == after for before, after in ends):
            return _plain([before for before, _ in ends])
    return _plain(padding.lower() if isinstance(padding, str) else padding)


def _add_presence(kind: Kind, layer: Layer, values: dict[str, Value]) -> None:
    names = {canonical_name(kind, weight.name) for weight in layer.weights}
    if kind.name.startswith(("linear", "conv", "bilinear", *_NORMS)):
        values["bias"] = "bias" in names
    if kind.name in _NORMS:
        values["weight"] = "weight" in names
    if kind.name in ("lstm", "gru", "simplernn"):
        values["bias"] = any(name.startswith("bias") for name in names)


def _plain(value: Any) -> Value:
    """Returns a value with one number for a sequence of equal ones: (3, 3) is 3."""
    if isinstance(value, (list, tuple)):
        return _plain(value[0]) if value and all(one == value[0] for one in value) else tuple(value)
    return value  # type: ignore[no-any-return]


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
