"""Both frameworks' words for layers and weights come out as one."""

from __future__ import annotations

from typing import Optional

import pytest
from translated import translated

from padiff_rpc import trees
from padiff_rpc.v1.records import HeldPieces, Layer, TensorSpec, Weight
from padiff_rpc.v1.words import BufferRole, DType, WeightKind, WeightLayout
from padiff_worker.layer_tree import LayerHandle
from padiff_worker_paddle.vocabulary import VOCABULARY as PADDLE
from padiff_worker_torch.vocabulary import VOCABULARY as TORCH

BUFFER, PARAMETER = WeightKind.BUFFER, WeightKind.PARAMETER


def weight(name: str, *shape: int, kind: WeightKind = PARAMETER) -> Weight:
    return Weight(name=name, kind=kind, spec=TensorSpec(dtype=DType.FLOAT32, shape=shape))


def said(qualified: str, *weights: Weight) -> Layer:
    return translated([Layer(path="", classes=(qualified,), weights=weights)])[0]


@pytest.mark.parametrize(
    ("torch_class", "paddle_class", "kind"),
    [
        ("linear.Linear", "common.Linear", "linear"),
        ("linear.LazyLinear", "common.Linear", "linear"),
        ("conv.Conv2d", "conv.Conv2D", "conv2d"),
        ("conv.ConvTranspose3d", "conv.Conv3DTranspose", "conv_transpose3d"),
        ("batchnorm.BatchNorm1d", "norm.BatchNorm", "batch_norm"),
        ("batchnorm.SyncBatchNorm", "norm.BatchNorm2D", "batch_norm"),
        ("normalization.LayerNorm", "norm.LayerNorm", "layer_norm"),
        ("normalization.GroupNorm", "norm.GroupNorm", "group_norm"),
        ("instancenorm.InstanceNorm2d", "norm.InstanceNorm2D", "instance_norm"),
        ("activation.SiLU", "activation.Silu", "silu"),
        ("activation.SiLU", "activation.Swish", "silu"),
        ("activation.Threshold", "activation.ThresholdedReLU", "thresholdedrelu"),
        ("activation.GELU", "activation.GELU", "gelu"),
        ("pooling.AdaptiveAvgPool2d", "pooling.AdaptiveAvgPool2D", "adaptiveavgpool2d"),
        ("rnn.RNN", "rnn.SimpleRNN", "rnn"),
        ("rnn.RNNCell", "rnn.SimpleRNNCell", "rnn_cell"),
        ("container.ModuleList", "container.LayerList", "container"),
        ("container.ModuleDict", "container.Sequential", "container"),
        ("activation.MultiheadAttention", "transformer.MultiHeadAttention", "multi_head_attention"),
    ],
)
def test_both_frameworks_classes_have_one_kind(torch_class: str, paddle_class: str, kind: str) -> None:
    ours, theirs = said(f"torch.nn.modules.{torch_class}"), said(f"paddle.nn.layer.{paddle_class}")
    assert (ours.kind, ours.framework) == (kind, "torch")
    assert (theirs.kind, theirs.framework) == (kind, "paddle")


def test_a_subclass_is_what_it_derives_from() -> None:
    assert TORCH.kind(["mine.Head", "torch.nn.modules.linear.Linear"]) == "linear"


def test_a_parametrized_class_is_what_it_wraps() -> None:
    wrapper = "torch.nn.utils.parametrize.ParametrizedLinear"
    assert TORCH.kind([wrapper, "torch.nn.modules.linear.Linear"]) == "linear"


@pytest.mark.parametrize("qualified", ["mine.Linear", "fakery.Linear", "paddle.vision.models.resnet.ResNet"])
def test_a_class_outside_the_frameworks_layers_has_no_kind(qualified: str) -> None:
    assert TORCH.kind([qualified]) == PADDLE.kind([qualified]) == ""
    assert said(qualified).framework == ""


@pytest.mark.parametrize(
    ("classes", "act", "applied"),
    [
        (("paddle.nn.layer.norm.BatchNorm",), "relu", "relu"),
        (("paddle.nn.layer.norm.BatchNorm",), "leaky_relu", "leakyrelu"),
        (("paddle.nn.layer.norm.BatchNorm",), "swish", "silu"),
        (("paddle.nn.layer.norm.BatchNorm",), None, "unsaid"),
        (("mine.Norm", "paddle.nn.layer.norm.BatchNorm"), "relu", None),
        (("mine.Norm", "paddle.nn.layer.norm.BatchNorm"), None, None),
        (("mine.Block",), "relu", "unsaid"),
    ],
)
def test_a_layer_of_the_framework_says_an_activation_that_it_applies(
    classes: tuple[str, ...], act: Optional[str], applied: Optional[str]
) -> None:
    handle = LayerHandle(paths=("",), layer=None, classes=classes, hyper_parameters={"_act": act}, weights=())
    [layer] = PADDLE.translated([handle])
    assert trees.unpack_map(layer.hyper_parameters).get("fused_activation", "unsaid") == applied


def test_private_bases_give_no_kind() -> None:
    assert TORCH.kind(["mine.Norm", "torch.nn.modules.batchnorm._NormBase"]) == ""


def test_running_statistics_are_buffers_under_one_name() -> None:
    layer = said("paddle.nn.layer.norm.BatchNorm2D", *map(weight, ("_mean", "_variance", "weight")))
    assert [(one.canonical, one.kind, one.role) for one in layer.weights] == [
        ("running_mean", BUFFER, BufferRole.STATISTIC),
        ("running_var", BUFFER, BufferRole.STATISTIC),
        ("weight", PARAMETER, None),
    ]


@pytest.mark.parametrize(
    ("qualified", "name", "role"),
    [
        ("torch.nn.modules.batchnorm.BatchNorm2d", "num_batches_tracked", BufferRole.BOOKKEEPING),
        ("mine.Norm", "num_batches_tracked", BufferRole.BOOKKEEPING),
        ("paddle.nn.layer.rnn.LSTM", "_dropout_state", BufferRole.BOOKKEEPING),
        ("mine.Norm", "running_mean", BufferRole.STATISTIC),
        ("mine.Rotary", "inv_freq", None),
    ],
)
def test_a_buffer_that_is_no_table_says_what_it_is_for(qualified: str, name: str, role: BufferRole) -> None:
    assert said(qualified, weight(name, kind=BUFFER)).weights[0].role is role
    # A user's parameter of that name is one.
    assert said(qualified, weight(name)).weights[0].role is None


@pytest.mark.parametrize(
    "names",
    [
        ["weight", "weight_orig", "weight_u", "weight_v"],
        ["weight", "parametrizations.weight.original", "parametrizations.weight.0._u"],
        ["weight", "weight_g", "weight_v"],
        ["weight", "parametrizations.weight.original0", "parametrizations.weight.original1"],
        ["weight", "parametrizations.weight.original", "parametrizations.weight.0.table"],
    ],
)
def test_a_weight_that_is_made_of_others_is_computed_and_they_are_parts_of_it(names: list[str]) -> None:
    made, *parts = (
        said(
            "torch.nn.modules.linear.Linear",
            *(weight(name, kind=PARAMETER if "orig" in name else BUFFER) for name in names),
        )
    ).weights
    assert (made.role, made.part_of) == (BufferRole.COMPUTED, "")
    assert {one.part_of for one in parts} == {"weight"}
    assert all(one.role is BufferRole.STATISTIC for one in parts if one.canonical.endswith("_u"))


def test_the_new_form_of_a_weight_norm_has_the_names_of_the_old_one() -> None:
    layer = said("torch.nn.modules.linear.Linear", weight("parametrizations.weight.original1", 2, 3))
    assert layer.weights[0].canonical == "weight_v"
    assert layer.weights[0].layout is WeightLayout.OUT_IN


def test_a_linear_layers_matrix_says_how_it_is_stored() -> None:
    for qualified, layout in (
        ("torch.nn.modules.linear.Linear", WeightLayout.OUT_IN),
        ("paddle.nn.layer.common.Linear", WeightLayout.IN_OUT),
        ("mine.Linear", None),
    ):
        matrix, bias = said(qualified, weight("weight", 3, 3), weight("bias", 3)).weights
        assert (matrix.layout, bias.layout) == (layout, None)


def test_what_a_program_calls_its_weights_tells_biases_from_matrices() -> None:
    layer = said("paddle.jit.TranslatedLayer", weight("linear_1_b_0_1"), weight("layer_norm_0_w_0"))
    names = [PADDLE.weights("", one.name) for one in layer.weights]
    assert names == ["linear_1.bias_0_1", "layer_norm_0.weight_0"]


def test_a_composite_layers_weights_are_told_in_pieces() -> None:
    torch_side = translated(
        [
            Layer(
                path="attn",
                classes=("torch.nn.modules.activation.MultiheadAttention",),
                weights=(weight("in_proj_weight"),),
            ),
            Layer(
                path="attn.out_proj", classes=("torch.nn.modules.linear.Linear",), weights=(weight("bias"),)
            ),
        ]
    )
    assert torch_side[0].held == (
        HeldPieces(name="in_proj_weight", pieces=("q.weight", "k.weight", "v.weight")),
        HeldPieces(name="out_proj.bias", pieces=("out.bias",)),
    )
    assert torch_side[1].held == ()
    paddle_side = translated(
        [
            Layer(path="rnn", classes=("paddle.nn.layer.rnn.LSTM",)),
            Layer(
                path="rnn.1.cell_bw",
                classes=("paddle.nn.layer.rnn.LSTMCell",),
                weights=(weight("weight_ho"),),
            ),
        ]
    )
    assert paddle_side[0].held == (HeldPieces(name="1.cell_bw.weight_ho", pieces=("weight_hr_l1_reverse",)),)
    assert paddle_side[1].weights[0].layout is WeightLayout.IN_OUT
