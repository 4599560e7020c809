"""Paddle's compiled and loaded programs, whose insides run where no hook sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import paddle
from paddle.jit.dy2static.program_translator import StaticFunction

try:  # 3.0 and later
    from paddle.jit.pir_translated_layer import PirTranslatedLayer
except ImportError:
    _LOADED: tuple[type, ...] = (paddle.jit.TranslatedLayer,)
else:
    _LOADED = (paddle.jit.TranslatedLayer, PirTranslatedLayer)


def is_opaque(layer: Any) -> bool:
    return is_program(layer) or isinstance(layer.forward, StaticFunction)


def is_program(layer: Any) -> bool:
    """Whether a layer was loaded as a program, which has weights and no layers."""
    return isinstance(layer, _LOADED)


def program_weights(layer: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Returns the parameters and buffers by their names in the program (linear_0_w_0), layer after layer.

    The attributes of the layer are numbers without a meaning.
    """
    named = (
        {tensor.name.replace(".", "_"): tensor for tensor in owned.values()}
        for owned in (layer._parameters, layer._buffers)
    )
    parameters, buffers = (dict(sorted(one.items(), key=_natural)) for one in named)
    return parameters, buffers


def _natural(item: tuple[str, Any]) -> list[tuple[int, str]]:
    """Returns what sorts linear_10 behind linear_9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", item[0])]
