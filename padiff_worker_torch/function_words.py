"""Torch's words for functions, where they are not the common ones, and where its code lies."""

from __future__ import annotations

import os

import torch

from padiff_worker.functions.words import FunctionWords

_FOLDER = os.path.dirname(torch.__file__)
_MODULES = os.path.join(_FOLDER, "nn", "modules", "")

WORDS = FunctionWords(
    folder=_FOLDER,
    callers=(_MODULES,),
    machinery=tuple(_MODULES + file for file in ("module.py", "container.py", "_functions.py", "utils.py")),
    # What stands around its functions in `overrides` and `_jit_internal`, and those of TorchScript.
    wrappers=frozenset(
        {"handle_torch_function", "wrapped", "fn", "_fn", "wrapper", "inner", "decorate_context"}
    ),
    operations={
        **dict.fromkeys(("add", "_add_relu"), "add"),
        **dict.fromkeys(("sub", "rsub"), "subtract"),
        "mul": "multiply",
        **dict.fromkeys(("div", "true_divide"), "divide"),
        **dict.fromkeys(("remainder", "fmod"), "remainder"),
        **dict.fromkeys(("mm", "bmm", "matmul", "mv", "dot"), "matmul"),
        "neg": "negative",
        "eq": "equal",
        **dict.fromkeys(("ne", "not_equal"), "not_equal"),
        **dict.fromkeys(("lt", "less"), "less_than"),
        **dict.fromkeys(("le", "less_equal"), "less_equal"),
        **dict.fromkeys(("gt", "greater"), "greater_than"),
        **dict.fromkeys(("ge", "greater_equal"), "greater_equal"),
        **dict.fromkeys(("cat", "concatenate"), "concat"),
        **dict.fromkeys(("view", "view_as", "reshape_as"), "reshape"),
        **dict.fromkeys(
            ("permute", "swapaxes", "swapdims", "movedim", "moveaxis", "T", "mT", "t", "adjoint", "H", "mH"),
            "transpose",
        ),
        **dict.fromkeys(("expand_as", "broadcast_to"), "expand"),
        **dict.fromkeys(("chunk", "tensor_split", "split_with_sizes"), "split"),
        **dict.fromkeys(("narrow", "select"), "slice"),
        "repeat": "tile",
        "ravel": "flatten",
        "data": "detach",
        **dict.fromkeys(
            ("to", "float", "double", "half", "bfloat16", "int", "long", "bool", "type", "type_as"), "cast"
        ),
        **dict.fromkeys(("amax", "max"), "max"),
        **dict.fromkeys(("amin", "min"), "min"),
        **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), "clip"),
        "masked_fill": "masked_fill",
        "floor_divide": "floor_divide",
        **dict.fromkeys(("group_norm", "native_group_norm"), "group_norm"),
        **dict.fromkeys(("layer_norm", "native_layer_norm"), "layer_norm"),
    },
    unnamed=frozenset(
        (
            *("_stacklevel", "out", "inplace", "layout", "device", "pin_memory", "memory_format"),
            *("requires_grad", "generator", "non_blocking"),
        )
    ),
)
