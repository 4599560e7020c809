"""Torch's words for what `padiff_worker.vocabulary` lists. No module of Torch is needed to read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from padiff_rpc.v1.words import VarianceDivisor, WeightLayout
from padiff_worker.vocabulary import NORMS, POOLS, Settings, Vocabulary

_KINDS = {
    **dict.fromkeys(("sequential", "modulelist", "moduledict", "container"), "container"),
    **dict.fromkeys(("batchnorm1d", "batchnorm2d", "batchnorm3d", "syncbatchnorm"), "batch_norm"),
    **dict.fromkeys(("instancenorm1d", "instancenorm2d", "instancenorm3d"), "instance_norm"),
    "layernorm": "layer_norm",
    "groupnorm": "group_norm",
    "rmsnorm": "rms_norm",
    **{f"convtranspose{n}d": f"conv_transpose{n}d" for n in (1, 2, 3)},
    "multiheadattention": "multi_head_attention",
    "parameterlist": "parameter_list",
    "parameterdict": "parameter_dict",
    "rnncell": "rnn_cell",
    "threshold": "thresholdedrelu",
}
# What parametrizations make a weight of, by the names that their older form has too.
_PARAMETRIZED = re.compile(r"parametrizations\.(\w+)\.(?:(original[01]?|0\._[uv])$)?")
_PARTS = {"original": "_orig", "original0": "_g", "original1": "_v", "0._u": "_u", "0._v": "_v"}


def _weight_name(kind: str, name: str) -> str:
    part = _PARAMETRIZED.match(name)
    return part[1] + _PARTS[part[2]] if part is not None and part[2] else name


def _part_of(name: str) -> str:
    """A user's parametrization may hold more than the weight's original."""
    part = _PARAMETRIZED.match(name)
    return part[1] if part is not None else ""


def _convert(kind: str, stated: Mapping[str, Any], values: Settings) -> None:
    if kind.startswith("dropout"):
        values["mode"] = "upscale_in_train"
    if kind == "batch_norm":
        values["use_global_stats"] = False
    if "align_corners" in values:
        values["align_corners"] = bool(values["align_corners"])
    if kind.startswith(("conv", *POOLS, *NORMS)):
        values["channels_last"] = False


def _pieces(kind: str, name: str) -> tuple[str, ...]:
    """Query, key and value are packed where their inputs are equally wide."""
    if kind != "multi_head_attention":
        return (name,) if re.fullmatch(r"(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?", name) else ()
    packed = re.fullmatch(r"in_proj_(weight|bias)", name)
    if packed is not None:
        return tuple(f"{part}.{packed[1]}" for part in "qkv")
    one = re.fullmatch(r"([qkv]|out)_proj[._](weight|bias)", name)
    if one is not None:
        return (f"{one[1]}.{one[2]}",)
    return (name,) if name in ("bias_k", "bias_v") else ()


VOCABULARY = Vocabulary(
    framework="torch",
    # torch.nn.utils derives classes of its own (ParametrizedLinear), whose bases say more.
    own_classes=re.compile(r"torch\.nn\.(?!utils\.)"),
    kinds=_KINDS,
    words={"lambd": "threshold"},
    convert=_convert,
    weights=_weight_name,
    part_of=_part_of,
    divisor=VarianceDivisor.COUNT_LESS_ONE,
    linear=WeightLayout.OUT_IN,
    pieces=_pieces,
)
