"""Paddle's words for what `padiff_worker.vocabulary` lists. No module of Paddle is needed to read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from padiff_rpc.v1.words import VarianceDivisor, WeightLayout
from padiff_worker.vocabulary import NORMS, Setting, Settings, Vocabulary, plain

_KINDS = {
    **dict.fromkeys(("sequential", "layerlist", "layerdict"), "container"),
    **dict.fromkeys(
        ("batchnorm", "batchnorm1d", "batchnorm2d", "batchnorm3d", "syncbatchnorm"), "batch_norm"
    ),
    **dict.fromkeys(("instancenorm1d", "instancenorm2d", "instancenorm3d"), "instance_norm"),
    "layernorm": "layer_norm",
    "groupnorm": "group_norm",
    "rmsnorm": "rms_norm",
    **{f"conv{n}dtranspose": f"conv_transpose{n}d" for n in (1, 2, 3)},
    "multiheadattention": "multi_head_attention",
    "parameterlist": "parameter_list",
    "parameterdict": "parameter_dict",
    "simplernn": "rnn",  # RNN is a wrapper around a cell, and holds no weights itself.
    "simplernncell": "rnn_cell",
    "birnn": "bi_rnn",
    "swish": "silu",
    "spectralnorm": "spectral_norm",
}
_WORDS = {
    "output_sizes": "output_size",
    "power_iters": "n_power_iterations",
    "axis": "dim",
    "start_axis": "start_dim",
    "stop_axis": "end_dim",
    "min": "min_val",
    "max": "max_val",
    "divisor": "divisor_override",
    "return_mask": "return_indices",
    "normalize_before": "norm_first",
    "activation": "nonlinearity",
    "shape": "unflattened_size",
}
_IN_PROGRAMS = {"w": ".weight", "b": ".bias"}
_STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}


def _weight_name(kind: str, name: str) -> str:
    if kind == "batch_norm":
        return _STATISTICS.get(name, name)
    if kind in NORMS and name == "scale":
        return "weight"
    if kind == "prelu" and name == "_weight":
        return "weight"
    # In a program that was loaded.
    return re.sub(r"_([wb])(?=(_\d+)+$)", lambda found: _IN_PROGRAMS[found[1]], name)


def _convert(kind: str, stated: Mapping[str, Any], values: Settings) -> None:
    if isinstance(values.get("momentum"), float):
        # Paddle's is the share of the old value, the common one of the new one.
        values["momentum"] = round(1 - float(stated["momentum"]), 12)
    if kind == "batch_norm":
        values["track_running_stats"] = True
        values["use_global_stats"] = bool(stated.get("use_global_stats"))
    if kind == "instance_norm":
        # It keeps a momentum and no statistics.
        values["track_running_stats"] = False
        values.pop("momentum", None)
    if kind == "batch_norm" and stated.get("act"):
        name = stated["act"].replace("_", "")
        values["fused_activation"] = _KINDS.get(name, name)
    if "approximate" in values:
        values["approximate"] = "tanh" if values["approximate"] else "none"
    if "exclusive" in stated:
        values["count_include_pad"] = not stated["exclusive"]
    if kind.startswith("maxpool"):
        values["dilation"] = 1
    if kind == "dropout" and stated.get("mode") is not None:
        values["mode"] = str(stated["mode"])
    if values.get("padding_idx", 0) == -1:
        values["padding_idx"] = None
    if kind == "multi_head_attention":
        values["batch_first"] = True
    if "time_major" in stated:
        values["batch_first"] = not stated["time_major"]
    if "num_directions" in stated:
        values["bidirectional"] = stated["num_directions"] == 2
    layout = stated.get("data_format") or stated.get("data_layout")
    if isinstance(layout, str):
        values["channels_last"] = layout.endswith("C") and layout != "NC"
    if kind.startswith("conv"):
        values["padding"] = _padding(stated.get("padding"))


def _padding(padding: Any) -> Setting:
    """Returns a convolution's padding once for both ends of an axis."""
    if isinstance(padding, (list, tuple)) and len(padding) in (4, 6):
        ends = list(zip(padding[::2], padding[1::2]))
        if all(before == after for before, after in ends):
            return plain([before for before, _ in ends])
    return plain(padding.lower() if isinstance(padding, str) else padding)


def _pieces(kind: str, name: str) -> tuple[str, ...]:
    """Attention has a layer for each projection, and recurrent layers keep cells below them."""
    if kind == "multi_head_attention":
        one = re.fullmatch(r"([qkv]|out)_proj\.(weight|bias)", name)
        return (f"{one[1]}.{one[2]}",) if one is not None else ()
    if re.fullmatch(r"(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?", name):
        return (name,)
    cell = re.fullmatch(r"(?:(\d+)\.)?cell(_fw|_bw)?\.((?:weight|bias)_(?:ih|hh|ho))", name)
    if cell is None:
        return ()
    own = "weight_hr" if cell[3] == "weight_ho" else cell[3]
    return (f"{own}_l{cell[1] or 0}{'_reverse' if cell[2] == '_bw' else ''}",)


VOCABULARY = Vocabulary(
    framework="paddle",
    # paddle.vision has models, not kinds of layers.
    own_classes=re.compile(r"paddle\.(nn\.(?!utils\.)|incubate\.nn\.)"),
    kinds=_KINDS,
    words=_WORDS,
    convert=_convert,
    weights=_weight_name,
    divisor=VarianceDivisor.COUNT,
    linear=WeightLayout.IN_OUT,
    turned=frozenset({"weight_ho"}),
    bookkeeping=frozenset({"_dropout_state"}),
    statistics=frozenset(_STATISTICS),
    pieces=_pieces,
)
