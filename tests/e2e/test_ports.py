"""Real models that were written independently of each other line up without a map, and agree.

The models are those of `examples`. What belongs together is said here, by names, for every layer that
holds weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Pairs = dict[str, str]
Compare = Callable[..., Report]


def resnet18() -> Pairs:
    pairs = {"entry.0": "conv1", "entry.1": "bn1", "head": "fc"}
    names = {"branch.0": "conv1", "branch.1": "bn1", "branch.3": "conv2", "branch.4": "bn2"}
    for number in range(8):
        block = f"layer{number // 2 + 1}.{number % 2}"
        shortcut = {f"skip.{n}": f"downsample.{n}" for n in (0, 1)} if number in (2, 4, 6) else {}
        pairs |= nested(f"units.{number}", block, names | shortcut)
    return pairs


def resnet50() -> Pairs:
    pairs = {"stem": "conv1", "stem_norm": "bn1", "classifier": "fc"}
    names = {"reduce": "conv1", "spatial": "conv2", "expand": "conv3"}
    names |= {f"{ours}_norm": theirs.replace("conv", "bn") for ours, theirs in names.items()}
    for stage, depth in enumerate((3, 4, 6, 3), start=1):
        for block in range(depth):
            shortcut = {} if block else {f"shortcut.{n}": f"downsample.{n}" for n in (0, 1)}
            pairs |= nested(f"stage{stage}.{block}", f"layer{stage}.{block}", names | shortcut)
    return pairs


def vgg16_features() -> Pairs:
    places = iter((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28))
    pairs = {}
    for stage, depth in enumerate((2, 2, 3, 3, 3)):
        pairs |= {f"stages.{stage}.convolutions.{n}": f"features.{next(places)}" for n in range(depth)}
    return pairs


def mobilenet_v1() -> Pairs:
    names = {"filter": "0", "norm": "1"}
    pairs = nested("trunk.0", "conv1", names) | {"classify": "fc"}
    stages = [
        f"conv{stage}_{n}" for stage, depth in ((2, 2), (3, 2), (4, 2), (5, 6)) for n in range(1, depth + 1)
    ]
    for number, block in enumerate([*stages, "conv6"]):
        pairs |= nested(f"trunk.{2 * number + 1}", f"{block}._depthwise_conv", names)
        pairs |= nested(f"trunk.{2 * number + 2}", f"{block}._pointwise_conv", names)
    return pairs


def mobilenet_v2() -> Pairs:
    pairs = {"first": "features.0.0", "first_norm": "features.0.1", "classify": "classifier.1"}
    pairs |= {"last": "features.18.0", "last_norm": "features.18.1"}
    number = 0
    for stage, blocks in enumerate((1, 2, 3, 4, 3, 3, 1)):
        for block in range(blocks):
            number += 1
            names = {} if number == 1 else {"widen": "0.0", "widen_norm": "0.1"}
            at = len(names) // 2
            names |= {"filter": f"{at}.0", "filter_norm": f"{at}.1"}
            names |= {"narrow": f"{at + 1}", "narrow_norm": f"{at + 2}"}
            pairs |= nested(f"stages.{stage}.{block}", f"features.{number}.conv", names)
    return pairs


def squeezenet() -> Pairs:
    pairs = {"0": "_conv", "14": "_conv9"}
    names = {"squeeze": "_conv._conv", "expand1x1": "_conv_path1._conv", "expand3x3": "_conv_path2._conv"}
    for number, place in enumerate((3, 4, 5, 7, 8, 9, 10, 12), start=1):
        pairs |= nested(str(place), f"_conv{number}", names)
    return pairs


def googlenet() -> Pairs:
    pairs = {"entry.0": "_conv._conv", "entry.2": "_conv_1._conv", "entry.3": "_conv_2._conv"}
    pairs |= {"scores": "_fc_out"}
    for side, number in (("lower", 1), ("upper", 2)):
        names = {"narrow": f"_conv_o{number}._conv", "hidden": f"_fc_o{number}", "scores": f"_out{number}"}
        pairs |= {f"{side}.{ours}": theirs for ours, theirs in names.items()}
    names = {
        "one": "_conv1",
        "three.0": "_conv3r",
        "three.1": "_conv3",
        "five.0": "_conv5r",
        "five.1": "_conv5",
    }
    names = {ours: f"{theirs}._conv" for ours, theirs in {**names, "pooled.1": "_convprj"}.items()}
    for stage, letters in ((3, "ab"), (4, "abcde"), (5, "ab")):
        for number, letter in enumerate(letters):
            pairs |= nested(f"mixed{stage}.{number}", f"_ince{stage}{letter}", names)
    return pairs


def densenet121() -> Pairs:
    pairs = {"entry.0": "conv1_func._conv", "entry.1": "conv1_func._batch_norm"}
    pairs |= {"exit": "batch_norm", "scores": "out"}
    names = {f"{2 * n}": f"bn_ac_func{n + 1}._batch_norm" for n in (0, 1)}
    names |= {f"{2 * n + 1}": f"bn_ac_func{n + 1}._conv" for n in (0, 1)}
    for stage, depth in enumerate((6, 12, 24, 16)):
        theirs = f"conv{stage + 2}"
        for number in range(depth):
            pairs |= nested(f"blocks.{stage}.{number}", f"db_conv_{stage + 2}.{theirs}_{number + 1}", names)
        if stage < 3:
            ends = {"0": "_batch_norm", "1": "_conv"}
            pairs |= nested(f"transitions.{stage}", f"tr_{theirs}_blk.conv_ac_func", ends)
    return pairs


def inception_v3() -> Pairs:
    pairs = {"scores": "fc"}
    stem = (0, "1a_3x3"), (1, "2a_3x3"), (2, "2b_3x3"), (4, "3b_1x1"), (5, "4a_3x3")
    units = {f"entry.{place}": f"inception_stem.conv_{name}" for place, name in stem}

    def block(number: int, *branches: list[str]) -> None:
        for place, names in enumerate(branches):
            for step, name in enumerate(names):
                units[f"blocks.{number}.branches.{place}.{step}"] = f"inception_block_list.{number}.{name}"

    def several(name: str, count: int) -> list[str]:
        return [f"{name}_{n}" for n in range(1, count + 1)]

    def split(number: int, place: int, name: str) -> None:
        for way, letter in (("wide", "a"), ("tall", "b")):
            units[f"blocks.{number}.branches.{place}.1.{way}"] = (
                f"inception_block_list.{number}.{name}{letter}"
            )

    for number in (0, 1, 2):
        block(number, ["branch1x1"], several("branch5x5", 2), several("branch3x3dbl", 3))
    block(3, ["branch3x3"], several("branch3x3dbl", 3))
    for number in (4, 5, 6, 7):
        block(number, ["branch1x1"], several("branch7x7", 3), several("branch7x7dbl", 5))
    block(8, several("branch3x3", 2), several("branch7x7x3", 4))
    for number in (9, 10):
        block(number, ["branch1x1"])
        theirs = f"inception_block_list.{number}"
        units |= {f"blocks.{number}.branches.2.0.{n}": f"{theirs}.branch3x3dbl_{n + 1}" for n in (0, 1)}
        units[f"blocks.{number}.branches.1.0.0"] = f"{theirs}.branch3x3_1"
        split(number, 2, "branch3x3dbl_3")
        split(number, 1, "branch3x3_2")
    for number in (0, 1, 2, 4, 5, 6, 7, 9, 10):
        units[f"blocks.{number}.branches.3.1"] = f"inception_block_list.{number}.branch_pool_conv"
    for ours, theirs in units.items():
        pairs |= nested(ours, theirs, {"filter": "0", "norm": "1"})
    return pairs


def shufflenet_v2() -> Pairs:
    pairs = {"scores": "_fc"} | {f"trunk.{n}": f"_conv1.{n}" for n in (0, 1)}
    pairs |= {f"trunk.{n + 20}": f"_last_conv.{n}" for n in (0, 1)}
    number = 3
    for stage, count in enumerate((4, 8, 4), start=2):
        for unit in range(1, count + 1):
            number += 1
            halving = "_2" if unit == 1 else ""
            for place, part in ((0, "pw"), (3, "dw"), (5, "linear")):
                ends = {f"main.{place + n}": f"_conv_{part}{halving}.{n}" for n in (0, 1)}
                pairs |= nested(f"trunk.{number}", f"{stage}_{unit}", ends)
            for place, part in ((0, "dw"), (2, "linear")) if halving else ():
                ends = {f"side.{place + n}": f"_conv_{part}_1.{n}" for n in (0, 1)}
                pairs |= nested(f"trunk.{number}", f"{stage}_{unit}", ends)
    return pairs


def bert() -> Pairs:
    pairs = {"pooler.dense": "summary.0", "embeddings.LayerNorm": "text.norm"}
    words = {"word": "token", "position": "position", "token_type": "segment"}
    pairs |= {f"embeddings.{ours}_embeddings": f"text.{theirs}" for ours, theirs in words.items()}
    names = {f"attention.self.{name}": f"self_attn.{name[0]}_proj" for name in ("query", "key", "value")}
    names |= {"attention.output.dense": "self_attn.out_proj", "attention.output.LayerNorm": "norm1"}
    names |= {"intermediate.dense": "linear1", "output.dense": "linear2", "output.LayerNorm": "norm2"}
    for number in range(3):
        pairs |= nested(f"encoder.layer.{number}", f"blocks.layers.{number}", names)
    return pairs


def gpt2() -> Pairs:
    pairs = {"wte": "token", "wpe": "position", "ln_f": "last_norm"}
    names = {"ln_1": "attention_norm", "attn.c_attn": "attention.qkv", "attn.c_proj": "attention.merge"}
    names |= {"ln_2": "feed_norm", "mlp.c_fc": "feed.0", "mlp.c_proj": "feed.2"}
    for number in range(2):
        pairs |= nested(f"h.{number}", f"blocks.{number}", names)
    return pairs


def llama() -> Pairs:
    pairs = {"embed_tokens": "token", "norm": "last_norm"}
    attention = {"q": "queries", "k": "keys", "v": "values", "o": "merge"}
    names = {f"self_attn.{ours}_proj": f"attention.{theirs}" for ours, theirs in attention.items()}
    feed = {"gate": "gate", "up": "value", "down": "shrink"}
    names |= {f"mlp.{ours}_proj": f"feed.{theirs}" for ours, theirs in feed.items()}
    names |= {"input_layernorm": "norms.0", "post_attention_layernorm": "norms.1"}
    for number in range(2):
        pairs |= nested(f"layers.{number}", f"stack.{number}", names)
    return pairs


def nested(ours: str, theirs: str, names: Pairs) -> Pairs:
    return {f"{ours}.{one}": f"{theirs}.{other}" for one, other in names.items()}


@pytest.fixture
def compare(service: Any) -> Compare:
    """Compares a Torch and a Paddle factory in the shared processes, without a layer map.

    `inputs`: the reference's, and the candidate's where they differ.
    """

    def run(
        reference: str,
        candidate: str,
        *inputs: Any,
        kwargs: Optional[dict[str, Any]] = None,
        train: bool = False,
        **rest: Any,
    ) -> Report:
        module = ModelSpec("torch", reference, kwargs=kwargs or {}, worker=service.torch, train=train)
        layer = ModelSpec("paddle", candidate, kwargs=kwargs or {}, worker=service.paddle, train=train)
        return auto_diff(layer, module, (inputs[-1], inputs[0]), server=service.server, **rest)

    return run


def image(size: int, count: int = 2) -> Batch:
    values = np.random.default_rng(0).standard_normal((count, 3, size, size)).astype(np.float32)
    return Batch(args=(values,))


def assert_lines_up(report: Report, pairs: Pairs) -> None:
    """The layers with weights are paired as `pairs` says, and none is left over on either side."""
    found = {
        pair.reference.path if pair.reference else None: pair.candidate.path if pair.candidate else None
        for pair in report.plan
        if pair.parameterised
    }
    assert found == pairs
    compared = {
        (row.reference.path, row.candidate.path)
        for row in report.rows
        if row.kind is CaptureKind.OUTPUT and row.figures and row.reference and row.candidate
    }
    assert set(pairs.items()) <= compared


def assert_agrees(report: Report, *, parameters: int, buffers: int = 0, gradients: bool = True) -> None:
    """The report passes, and all weights of both sides and all of their gradients took part."""
    assert report, str(report)
    assert report.exit_code == 0
    coverage = report.coverage
    assert coverage.parameters_compared == coverage.parameters_total == parameters
    assert coverage.buffers_compared == coverage.buffers_total == buffers
    assert coverage.root_outputs_compared == coverage.root_outputs_total > 0
    assert coverage.losses_compared == coverage.losses_total == int(gradients)
    assert not [lone for lone in report.unmatched if lone.counts]
    of_parameters = [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]
    assert len(of_parameters) == (parameters if gradients else 0)
    assert not [row for row in of_parameters if row.verdict is Verdict.NOT_COMPARED]


@pytest.mark.parametrize(
    ("reference", "kwargs", "pairs", "size", "parameters", "buffers"),
    [
        pytest.param("torch_model:build", {}, resnet50, 64, 161, 106, id="resnet50"),
        pytest.param("torch_plain:resnet18", {}, resnet18, 64, 62, 40, id="resnet18"),
        # Its classifier has half a gigabyte.
        pytest.param("torch_plain:vgg16", {"classes": 0}, vgg16_features, 64, 26, 0, id="vgg16"),
        pytest.param("torch_mobile:mobilenet_v1", {}, mobilenet_v1, 64, 83, 54, id="mobilenet_v1"),
        pytest.param("torch_mobile:mobilenet_v2", {}, mobilenet_v2, 64, 158, 104, id="mobilenet_v2"),
        pytest.param("torch_branches:squeezenet", {}, squeezenet, 64, 52, 0, id="squeezenet"),
        pytest.param("torch_branches:googlenet", {}, googlenet, 224, 69, 0, id="googlenet"),
        pytest.param("torch_branches:densenet121", {}, densenet121, 64, 364, 242, id="densenet121"),
        pytest.param("torch_factored:inception_v3", {}, inception_v3, 96, 284, 188, id="inception_v3"),
        pytest.param("torch_shuffle:shufflenet_v2", {}, shufflenet_v2, 64, 170, 112, id="shufflenet_v2"),
    ],
)
def test_an_image_model_lines_up_with_paddles_own(
    compare: Compare,
    reference: str,
    kwargs: dict[str, Any],
    pairs: Callable[[], Pairs],
    size: int,
    parameters: int,
    buffers: int,
) -> None:
    name = reference.partition(":")[2]
    candidate = "paddle_model:build" if name == "build" else f"paddle_models:{name}"
    report = compare(reference, candidate, image(size), kwargs=kwargs)
    assert_lines_up(report, pairs())
    assert_agrees(report, parameters=parameters, buffers=buffers)
    if name == "squeezenet":
        by_call = [pair for pair in report.plan if pair.how == "calls" and pair.candidate and pair.reference]
        # One pool works for the reference's three.
        places = {
            (pair.reference.path, pair.candidate.path)
            for pair in by_call
            if pair.reference and pair.candidate
        }
        assert places == {(place, "_pool") for place in ("2", "6", "11")}


def test_an_image_model_agrees_in_train_mode_with_its_buffers(compare: Compare) -> None:
    # A deep network in train mode amplifies rounding beyond any fixed bound; lockstep judges each call alone.
    report = compare(
        "torch_mobile:mobilenet_v1",
        "paddle_models:mobilenet_v1",
        image(64, count=8),
        train=True,
        options=Options(single_step=True, diff_phase="forward"),
    )
    assert_lines_up(report, mobilenet_v1())
    assert_agrees(report, parameters=83, buffers=54, gradients=False)


@pytest.fixture
def sentences() -> Iterator[dict[str, np.ndarray]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES / "bert"))
        from sentences import sentences as made

        yield made()
        del sys.modules["sentences"]


def test_bert_of_transformers_lines_up_with_a_port(
    compare: Compare, transformers: None, sentences: dict[str, np.ndarray]
) -> None:
    names = {"tokens": "input_ids", "segments": "token_type_ids", "mask": "attention_mask"}
    port_inputs = {name: sentences[ours] for name, ours in names.items()}
    report = compare("torch_bert:build", "paddle_bert:build", sentences, port_inputs)
    assert_lines_up(report, bert())
    assert_agrees(report, parameters=55)
    inputs = {
        row.reference.slot: row.candidate.slot
        for row in report.rows
        if row.phase is Phase.INPUTS and row.reference and row.candidate
    }
    assert inputs == {ours: name for name, ours in names.items()}


@pytest.mark.parametrize(
    ("name", "pairs", "parameters"), [("gpt2", gpt2, 28), ("llama", llama, 20)], ids=["gpt2", "llama"]
)
def test_a_decoder_of_transformers_lines_up_with_a_port(
    compare: Compare, transformers: None, name: str, pairs: Callable[[], Pairs], parameters: int
) -> None:
    tokens = np.random.default_rng(0).integers(0, 120, (2, 12))
    inputs = {"input_ids": tokens}, {"tokens": tokens}
    report = compare(f"torch_decoders:{name}", f"paddle_{name}:build", *inputs)
    assert_lines_up(report, pairs())
    assert_agrees(report, parameters=parameters)
