from __future__ import annotations

from dataclasses import replace

import pytest
from translated import translated

from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.weights.hyper_parameters import differences
from padiff_rpc import trees
from padiff_rpc.v1.records import Layer, TensorSpec, Weight
from padiff_rpc.v1.words import DType, PairedBy, WeightKind

MODULES = {"t": "torch.nn.modules.any.", "p": "paddle.nn.layer.any.", "m": "mine."}


def layer(classes, weights="", /, **attributes):
    names = [f"{MODULES[part[0]]}{part[2:]}" for part in classes.split()]
    made = Layer(
        path="a",
        classes=tuple(names),
        hyper_parameters=trees.pack(attributes, where="test"),
        weights=tuple(
            Weight(
                name=name,
                kind=WeightKind.PARAMETER,
                spec=TensorSpec(dtype=DType.FLOAT32, shape=(4,)),
            )
            for name in weights.split()
        ),
    )
    return translated([made])[0]


def differing(torch_layer, paddle_layer, how=PairedBy.SAME_PATH):
    plan = Plan(layers=(PairedLayer(reference="a", candidate="a", how=how),))
    return [
        (one.name, one.reference, one.candidate) for one in differences(plan, [torch_layer], [paddle_layer])
    ]


BATCH_NORM = ("t.BatchNorm2d", "weight bias"), ("p.BatchNorm2D", "weight bias")


@pytest.mark.parametrize(
    ("torch_layer", "paddle_layer"),
    [
        (
            layer(*BATCH_NORM[0], num_features=3, eps=1e-5, momentum=0.1, track_running_stats=True),
            layer(
                *BATCH_NORM[1],
                _num_features=3,
                _epsilon=1e-5,
                _momentum=0.9,
                _use_global_stats=None,
                _data_format="NCHW",
            ),
        ),
        (
            layer(
                "t.Conv2d", "weight", kernel_size=(3, 3), stride=(2, 2), padding=(1, 2), padding_mode="zeros"
            ),
            layer("p.Conv2D", "weight", _kernel_size=[3, 3], _stride=[2, 2], _padding=[1, 1, 2, 2]),
        ),
        (
            layer("t.Conv2d", "weight", padding="same", output_padding=(0, 0)),
            layer("p.Conv2D", "weight", _padding="SAME", output_padding=0, _updated_padding=[0, 0]),
        ),
        (
            layer("t.MaxPool2d", kernel_size=2, stride=2, padding=0, dilation=1, return_indices=False),
            layer("p.MaxPool2D", ksize=2, stride=None, padding=0, return_mask=False),
        ),
        (
            layer("t.AvgPool2d", kernel_size=2, stride=2, count_include_pad=False, divisor_override=None),
            layer("p.AvgPool2D", ksize=2, stride=None, exclusive=True, divisor=None),
        ),
        (layer("t.GELU", approximate="tanh"), layer("p.GELU", _approximate=True)),
        (layer("t.Dropout", p=0.3), layer("p.Dropout", p=0.3, mode="upscale_in_train", axis=None)),
        (
            layer("t.Upsample", align_corners=None, scale_factor=2.0),
            layer("p.Upsample", align_corners=False, scale_factor=2),
        ),
        (layer("t.Softshrink", lambd=0.5), layer("p.Softshrink", _threshold=0.5)),
        (layer("t.Flatten", start_dim=1, end_dim=-1), layer("p.Flatten", start_axis=1, stop_axis=-1)),
        (
            layer("t.GRU", "weight_ih_l0", bidirectional=True, batch_first=True, mode="GRU", hidden_size=4),
            layer("p.GRU", "weight_ih_l0", num_directions=2, time_major=False, mode="GRU", hidden_size=4),
        ),
        (
            layer("t.InstanceNorm2d", "weight bias", momentum=0.1, track_running_stats=False),
            layer("p.InstanceNorm2D", "scale bias", _momentum=0.9),
        ),
        (
            layer("t.LayerNorm", normalized_shape=(8,), eps=1e-5),
            layer("p.LayerNorm", _normalized_shape=[8], _epsilon=1e-5),
        ),
        (layer("m.Block", depth=3), layer("m.Block", depth=4)),
    ],
    ids=lambda one: one.class_name,
)
def test_the_same_setting_in_two_conventions_is_no_difference(torch_layer, paddle_layer):
    assert differing(torch_layer, paddle_layer) == []


@pytest.mark.parametrize(
    ("torch_layer", "paddle_layer", "found"),
    [
        (
            layer(*BATCH_NORM[0], momentum=0.1),
            layer(*BATCH_NORM[1], _momentum=0.1),
            ("momentum", "0.1", "0.9"),
        ),
        (layer("t.LayerNorm", eps=1e-5), layer("p.LayerNorm", _epsilon=1e-6), ("epsilon", "1e-05", "1e-06")),
        (layer("t.Conv2d", "weight bias"), layer("p.Conv2D", "weight"), ("bias", "True", "False")),
        (layer("t.Dropout", p=0.1), layer("p.Dropout", p=0.2), ("p", "0.1", "0.2")),
        (
            layer("t.Dropout", p=0.1),
            layer("p.Dropout", p=0.1, mode="downscale_in_infer"),
            ("mode", "upscale_in_train", "downscale_in_infer"),
        ),
        (
            layer("t.GELU", approximate="none"),
            layer("p.GELU", _approximate=True),
            ("approximate", "none", "tanh"),
        ),
        (
            layer("t.LeakyReLU", negative_slope=0.01),
            layer("p.LeakyReLU", _negative_slope=0.1),
            ("negative_slope", "0.01", "0.1"),
        ),
        (
            layer("t.MaxPool2d", ceil_mode=True),
            layer("p.MaxPool2D", ceil_mode=False),
            ("ceil_mode", "True", "False"),
        ),
        (layer("t.MaxPool2d", dilation=2), layer("p.MaxPool2D"), ("dilation", "2", "1")),
        (layer("t.Conv2d", stride=(1, 2)), layer("p.Conv2D", _stride=[2, 1]), ("stride", "(1, 2)", "(2, 1)")),
        (
            layer("t.MultiheadAttention", batch_first=False),
            layer("p.MultiHeadAttention"),
            ("batch_first", "False", "True"),
        ),
        (
            layer("t.AvgPool2d", count_include_pad=True),
            layer("p.AvgPool2D", exclusive=True),
            ("count_include_pad", "True", "False"),
        ),
        (
            layer("t.TransformerEncoderLayer", norm_first=True),
            layer("p.TransformerEncoderLayer", normalize_before=False),
            ("norm_first", "True", "False"),
        ),
        (
            layer("m.RMSNorm", eps=1e-5),
            layer("m.RootMeanSquare", epsilon=1e-6),
            ("epsilon", "1e-05", "1e-06"),
        ),
    ],
    ids=lambda one: one.class_name if isinstance(one, Layer) else "",
)
def test_a_difference_is_told_in_one_vocabulary(torch_layer, paddle_layer, found):
    assert differing(torch_layer, paddle_layer) == [found]


def test_an_ignored_pair_is_left_out():
    assert differing(layer("t.Dropout", p=0.1), layer("p.Dropout", p=0.2), how=PairedBy.IGNORED) == []


def parted(torch_class, paddle_class):
    """Returns what differs where containers `b` hold each other's `b.fc` and are no pair."""
    torch_side = [
        replace(layer(torch_class, norm_first=True), path="b"),
        replace(layer("t.Linear", "weight"), path="b.fc"),
    ]
    paddle_side = [
        replace(layer(paddle_class, normalize_before=False), path="b"),
        replace(layer("p.Linear", "weight"), path="b.fc"),
    ]
    plan = Plan(layers=(PairedLayer(reference="b.fc", candidate="b.fc", how=PairedBy.SAME_PATH),))
    return [
        (one.reference_path, one.candidate_path, one.name)
        for one in differences(plan, torch_side, paddle_side)
    ]


def test_settings_of_containers_that_part_are_told():
    assert parted("t.TransformerEncoderLayer", "p.TransformerEncoderLayer") == [("b", "b", "norm_first")]


def test_containers_of_other_kinds_have_no_settings_in_common():
    assert parted("t.TransformerEncoderLayer", "p.TransformerDecoderLayer") == []
    assert parted("m.Block", "m.Block") == []
