"""Paddle's words for functions, where they are not the common ones, and where its code lies."""

from __future__ import annotations

import os

import paddle

from padiff_worker.functions.words import FunctionWords

_FOLDER = os.path.dirname(paddle.__file__)
_LAYERS = tuple(
    os.path.join(_FOLDER, *part, "")
    for part in (("nn", "layer"), ("vision", "models"), ("incubate", "nn", "layer"))
)

WORDS = FunctionWords(
    folder=_FOLDER,
    callers=_LAYERS,
    machinery=tuple(os.path.join("nn", "layer", file) for file in ("layers.py", "container.py")),
    # What its decorators put around functions.
    wrappers=frozenset(
        {"wrapper", "__impl__", "inner", "fun", "impl", "_wrapper", "wrapped_func", "decorate"}
    ),
    operations={
        **dict.fromkeys(("add_n", "elementwise_add"), "add"),
        "elementwise_pow": "pow",
        **dict.fromkeys(("bmm", "mv", "dot", "mm", "matmul_with_flatten"), "matmul"),
        "cat": "concat",
        **dict.fromkeys(("view", "view_shape", "view_as"), "reshape"),
        **dict.fromkeys(("moveaxis", "transpose2"), "transpose"),
        **dict.fromkeys(("expand_as", "broadcast_to"), "expand"),
        **dict.fromkeys(("split_with_num", "chunk", "tensor_split"), "split"),
        "strided_slice": "slice",
        **dict.fromkeys(("assign", "share_data", "assign_out"), "clone"),
        "unstack": "unbind",
        "amax": "max",
        "amin": "min",
        "data": "detach",
    },
    arguments={"perm": "axis", "fill_value": "value"},
    unnamed=frozenset(
        (
            *("name", "out", "place", "stop_gradient", "inplace", "device", "requires_grad", "pin_memory"),
            "backend",
        )
    ),
    # Behind their result stands what their backward needs; of einsum copies of its operands.
    by_products=frozenset(
        (
            *(
                "einsum",
                "dropout",
                "batch_norm",
                "batch_norm_",
                "sync_batch_norm_",
                "layer_norm",
                "group_norm",
            ),
            *("instance_norm", "rms_norm", "huber_loss", "nll_loss", "rrelu", "flash_attn", "dropout_nd"),
            *("reshape2", "transpose2", "squeeze2", "unsqueeze2", "flatten_contiguous_range"),
        )
    ),
)
