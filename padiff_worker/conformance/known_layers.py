"""Layers that frameworks have alike, and what is said of each in the common vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from padiff_rpc.records import record


@record
class Said:
    """What a worker says of a layer, whatever its framework.

    Attributes:
        kind: its kind.
        weights: the common names of its own weights, bookkeeping apart.
        pieces: what the weights of a composite layer hold together.
        settings: those that all frameworks say; one may say more.
    """

    kind: str
    weights: str = ""
    pieces: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def _pieces(layers: int, *, both_ways: bool = False) -> str:
    """Returns what a recurrent layer holds."""
    ways = ("", "_reverse") if both_ways else ("",)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return " ".join(f"{name}_l{n}{way}" for n in range(layers) for way in ways for name in names)


_CONV = {
    "bias": True,
    "channels_last": False,
    "dilation": 1,
    "groups": 1,
    "in_channels": 2,
    "kernel_size": 3,
    "out_channels": 4,
    "output_padding": 0,
    "padding": 0,
    "padding_mode": "zeros",
    "stride": 1,
}
_BATCH_NORM = {
    "bias": True,
    "channels_last": False,
    "epsilon": 1e-05,
    "momentum": 0.1,
    "num_features": 4,
    "track_running_stats": True,
    "use_global_stats": False,
    "weight": True,
}
_RECURRENT = {
    "batch_first": True,
    "bias": True,
    "bidirectional": False,
    "dropout": 0.0,
    "hidden_size": 4,
    "input_size": 3,
    "mode": "LSTM",
    "num_layers": 1,
}
# By the names under which an `AdapterCase` makes them.
LAYERS = {
    "linear": Said(kind="linear", weights="bias weight", settings={"bias": True}),
    "linear_without_bias": Said(kind="linear", weights="weight", settings={"bias": False}),
    "bilinear": Said(
        kind="bilinear",
        weights="bias weight",
        settings={"bias": True, "in1_features": 2, "in2_features": 3, "out_features": 4},
    ),
    "embedding": Said(
        kind="embedding",
        weights="weight",
        settings={"embedding_dim": 3, "num_embeddings": 5, "padding_idx": 0},
    ),
    "conv1d": Said(kind="conv1d", weights="bias weight", settings={**_CONV, "padding": 1, "stride": 2}),
    "conv2d": Said(
        kind="conv2d",
        weights="bias weight",
        settings={**_CONV, "dilation": 2, "groups": 2, "kernel_size": (3, 5), "padding": (1, 2)},
    ),
    "conv3d": Said(kind="conv3d", weights="weight", settings={**_CONV, "bias": False}),
    "conv_transpose1d": Said(kind="conv_transpose1d", weights="bias weight", settings=_CONV),
    "conv_transpose2d": Said(
        kind="conv_transpose2d", weights="bias weight", settings={**_CONV, "padding": 1, "stride": 2}
    ),
    "conv_transpose3d": Said(kind="conv_transpose3d", weights="bias weight", settings=_CONV),
    "batch_norm1d": Said(
        kind="batch_norm", weights="bias running_mean running_var weight", settings=_BATCH_NORM
    ),
    "batch_norm2d": Said(
        kind="batch_norm",
        weights="bias running_mean running_var weight",
        settings={**_BATCH_NORM, "epsilon": 0.001, "momentum": 0.25},
    ),
    "batch_norm3d": Said(
        kind="batch_norm", weights="bias running_mean running_var weight", settings=_BATCH_NORM
    ),
    "instance_norm2d": Said(
        kind="instance_norm",
        weights="bias weight",
        settings={
            "bias": True,
            "channels_last": False,
            "epsilon": 1e-05,
            "num_features": 4,
            "track_running_stats": False,
            "weight": True,
        },
    ),
    "layer_norm": Said(
        kind="layer_norm",
        weights="bias weight",
        settings={"bias": True, "epsilon": 1e-05, "normalized_shape": (3, 4), "weight": True},
    ),
    "layer_norm_without_weights": Said(
        kind="layer_norm", settings={"bias": False, "epsilon": 1e-05, "normalized_shape": 4, "weight": False}
    ),
    "group_norm": Said(
        kind="group_norm",
        weights="bias weight",
        settings={
            "bias": True,
            "channels_last": False,
            "epsilon": 1e-05,
            "num_channels": 4,
            "num_groups": 2,
            "weight": True,
        },
    ),
    "local_response_norm": Said(
        kind="localresponsenorm", settings={"alpha": 0.0001, "beta": 0.75, "k": 1.0, "size": 3}
    ),
    "prelu": Said(kind="prelu", weights="weight", settings={"num_parameters": 4}),
    "max_pool2d": Said(
        kind="maxpool2d",
        settings={
            "ceil_mode": False,
            "channels_last": False,
            "dilation": 1,
            "kernel_size": 2,
            "padding": 0,
            "return_indices": False,
            "stride": 2,
        },
    ),
    "avg_pool1d": Said(
        kind="avgpool1d",
        settings={"ceil_mode": False, "count_include_pad": True, "kernel_size": 2, "padding": 0, "stride": 1},
    ),
    "avg_pool2d": Said(
        kind="avgpool2d",
        settings={
            "ceil_mode": False,
            "channels_last": False,
            "count_include_pad": False,
            "divisor_override": None,
            "kernel_size": 2,
            "padding": 1,
            "stride": 2,
        },
    ),
    "adaptive_avg_pool2d": Said(kind="adaptiveavgpool2d", settings={"output_size": 2}),
    "adaptive_max_pool2d": Said(
        kind="adaptivemaxpool2d", settings={"output_size": 2, "return_indices": False}
    ),
    "dropout": Said(kind="dropout", settings={"mode": "upscale_in_train", "p": 0.25}),
    "dropout2d": Said(kind="dropout2d", settings={"p": 0.25}),
    "alpha_dropout": Said(kind="alphadropout", settings={"p": 0.25}),
    "relu": Said(kind="relu"),
    "relu6": Said(kind="relu6"),
    "leaky_relu": Said(kind="leakyrelu", settings={"negative_slope": 0.25}),
    "elu": Said(kind="elu", settings={"alpha": 0.5}),
    "celu": Said(kind="celu", settings={"alpha": 0.5}),
    "selu": Said(kind="selu"),
    "gelu": Said(kind="gelu", settings={"approximate": "none"}),
    "gelu_tanh": Said(kind="gelu", settings={"approximate": "tanh"}),
    "silu": Said(kind="silu"),
    "mish": Said(kind="mish"),
    "hardswish": Said(kind="hardswish"),
    "hardsigmoid": Said(kind="hardsigmoid"),
    "hardtanh": Said(kind="hardtanh", settings={"max_val": 2.0, "min_val": -2.0}),
    "hardshrink": Said(kind="hardshrink", settings={"threshold": 0.25}),
    "softshrink": Said(kind="softshrink", settings={"threshold": 0.25}),
    "softplus": Said(kind="softplus", settings={"beta": 2.0, "threshold": 10.0}),
    "softsign": Said(kind="softsign"),
    "tanh": Said(kind="tanh"),
    "tanhshrink": Said(kind="tanhshrink"),
    "sigmoid": Said(kind="sigmoid"),
    "log_sigmoid": Said(kind="logsigmoid"),
    "softmax": Said(kind="softmax", settings={"dim": 1}),
    "log_softmax": Said(kind="logsoftmax", settings={"dim": 1}),
    "rrelu": Said(kind="rrelu", settings={"lower": 0.25, "upper": 0.5}),
    "threshold": Said(kind="thresholdedrelu", settings={"threshold": 0.5}),
    "glu": Said(kind="glu", settings={"dim": 1}),
    "flatten": Said(kind="flatten", settings={"end_dim": 2, "start_dim": 1}),
    "unflatten": Said(kind="unflatten", settings={"dim": 1, "unflattened_size": (2, 3)}),
    "identity": Said(kind="identity"),
    "pixel_shuffle": Said(kind="pixelshuffle", settings={"upscale_factor": 2}),
    "upsample": Said(
        kind="upsample",
        settings={"align_corners": True, "mode": "bilinear", "scale_factor": 2.0, "size": None},
    ),
    "zero_pad2d": Said(kind="zeropad2d", settings={"value": 0.0}),
    "unfold": Said(kind="unfold", settings={"dilation": 1, "kernel_size": 2, "padding": 0, "stride": 2}),
    "fold": Said(
        kind="fold", settings={"dilation": 1, "kernel_size": 2, "output_size": 4, "padding": 0, "stride": 2}
    ),
    "channel_shuffle": Said(kind="channelshuffle", settings={"groups": 2}),
    "lstm": Said(
        kind="lstm",
        pieces=_pieces(2, both_ways=True),
        settings={**_RECURRENT, "bidirectional": True, "num_layers": 2},
    ),
    "gru": Said(kind="gru", pieces=_pieces(1), settings={**_RECURRENT, "mode": "GRU"}),
    "rnn": Said(
        kind="rnn", pieces=_pieces(1), settings={**_RECURRENT, "mode": "RNN_TANH", "nonlinearity": "tanh"}
    ),
    "lstm_cell": Said(
        kind="lstmcell",
        weights="bias_hh bias_ih weight_hh weight_ih",
        settings={"hidden_size": 4, "input_size": 3},
    ),
    "gru_cell": Said(
        kind="grucell",
        weights="bias_hh bias_ih weight_hh weight_ih",
        settings={"hidden_size": 4, "input_size": 3},
    ),
    "rnn_cell": Said(
        kind="rnn_cell",
        weights="bias_hh bias_ih weight_hh weight_ih",
        settings={"hidden_size": 4, "input_size": 3, "nonlinearity": "tanh"},
    ),
    "attention": Said(
        kind="multi_head_attention",
        pieces="k.bias k.weight out.bias out.weight q.bias q.weight v.bias v.weight",
        settings={"batch_first": True, "dropout": 0.0, "embed_dim": 4, "kdim": 4, "num_heads": 2, "vdim": 4},
    ),
    "encoder_layer": Said(kind="transformerencoderlayer", settings={"norm_first": True}),
    "sequential": Said(kind="container"),
    "list": Said(kind="container"),
    "parameter_list": Said(kind="parameter_list"),
    "weight_norm": Said(kind="linear", weights="bias weight weight_g weight_v", settings={"bias": True}),
    "spectral_norm": Said(
        kind="linear", weights="bias weight weight_orig weight_u weight_v", settings={"bias": True}
    ),
    "cosine_similarity": Said(kind="cosinesimilarity", settings={"dim": 1, "epsilon": 1e-08}),
}
