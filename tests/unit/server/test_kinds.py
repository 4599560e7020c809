from __future__ import annotations

from dataclasses import replace

import pytest

from padiff_rpc.v1.records import Layer, TensorSpec, Weight
from padiff_rpc.v1.words import DType, WeightKind
from padiff_server.alignment.kinds import (
    Kind,
    canonical_kind,
    canonical_name,
    canonical_shape,
    is_bookkeeping,
    kind_of,
)


def weight(name, *shape, kind=WeightKind.PARAMETER):
    return Weight(name=name, kind=kind, spec=TensorSpec(dtype=DType.FLOAT32, shape=shape))


@pytest.mark.parametrize(
    ("torch_class", "paddle_class", "name"),
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
        ("rnn.RNN", "rnn.SimpleRNN", "simplernn"),
        ("container.ModuleList", "container.LayerList", "container"),
        ("container.ModuleDict", "container.Sequential", "container"),
        ("activation.MultiheadAttention", "transformer.MultiHeadAttention", "multi_head_attention"),
    ],
)
def test_both_frameworks_classes_have_one_kind(torch_class, paddle_class, name):
    ours = kind_of(Layer(path="a", classes=(f"torch.nn.modules.{torch_class}",)))
    theirs = kind_of(Layer(path="a", classes=(f"paddle.nn.layer.{paddle_class}",)))
    assert (ours, theirs) == (Kind(name=name, framework="torch"), Kind(name=name, framework="paddle"))


def test_a_subclass_is_what_it_derives_from():
    layer = Layer(path="a", classes=("mine.Head", "torch.nn.modules.linear.Linear"))
    assert kind_of(layer) == Kind(name="linear", framework="torch")


def test_a_parametrized_class_is_what_it_wraps():
    layer = Layer(
        path="a", classes=("torch.nn.utils.parametrize.ParametrizedLinear", "torch.nn.modules.linear.Linear")
    )
    assert kind_of(layer).name == "linear"


@pytest.mark.parametrize("qualified", ["mine.Linear", "fakery.Linear", "paddle.vision.models.resnet.ResNet"])
def test_a_class_outside_the_frameworks_layers_has_no_kind(qualified):
    assert kind_of(Layer(path="a", classes=(qualified,))) == Kind()


def test_private_bases_give_no_kind():
    layer = Layer(path="a", classes=("mine.Norm", "torch.nn.modules.batchnorm._NormBase"))
    assert kind_of(layer) == Kind()


def test_running_statistics_are_buffers_under_one_name():
    kind = Kind(name="batch_norm", framework="paddle")
    assert [canonical_name(kind, name) for name in ("_mean", "_variance", "weight")] == [
        "running_mean",
        "running_var",
        "weight",
    ]
    assert canonical_kind(kind, weight("_mean", 4)) is WeightKind.BUFFER
    assert canonical_kind(kind, weight("weight", 4)) is WeightKind.PARAMETER


def test_a_table_that_no_state_file_holds_is_bookkeeping():
    table = weight("inv_freq", 8, kind=WeightKind.BUFFER)
    assert is_bookkeeping(replace(table, unsaved=True))
    assert not is_bookkeeping(table)


def test_the_frameworks_counters_are_bookkeeping_but_a_users_parameter_is_not():
    assert is_bookkeeping(weight("num_batches_tracked", kind=WeightKind.BUFFER))
    assert not is_bookkeeping(weight("num_batches_tracked", kind=WeightKind.PARAMETER))


def test_shapes_are_compared_as_torch_stores_them():
    assert canonical_shape(Kind(name="linear", framework="paddle"), weight("weight", 3, 5)) == (5, 3)
    assert canonical_shape(Kind(name="linear", framework="torch"), weight("weight", 5, 3)) == (5, 3)
    assert canonical_shape(Kind(name="linear", framework="paddle"), weight("bias", 5)) == (5,)
    assert canonical_shape(Kind(name="layer_norm", framework="torch"), weight("weight", 4, 8)) == (32,)
