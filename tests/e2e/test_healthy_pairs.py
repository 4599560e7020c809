"""Pairs that other tests compare freely, and that pass: they pass in lockstep and with local errors as well.

`make test-pairs` tries all, each side as the candidate, several times; other runs try the small ones once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# How often the thorough profile compares each pair; 0 is the small profile.
ROUNDS = int(os.environ.get("PADIFF_PAIR_ROUNDS", "0"))
PASSES: dict[str, dict[str, Any]] = {"lockstep": {"single_step": True}, "local": {"local_error": True}}


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def ids(high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, shape)


@dataclass(frozen=True)
class Pair:
    """`models`: Torch's and Paddle's factory, or one that both have, `{}` in the place of the framework.

    `kwargs`: those of both factories; `torch` and `paddle` are those of one. `names`: the names under which
    Torch's model and Paddle's take the inputs, where these are not positional. `candidates`: the frameworks
    that can be the candidate.
    """

    models: str
    inputs: tuple[np.ndarray, ...]
    train: bool = False
    kwargs: dict[str, Any] = field(default_factory=dict)
    torch: dict[str, Any] = field(default_factory=dict)
    paddle: dict[str, Any] = field(default_factory=dict)
    names: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    candidates: tuple[str, ...] = ("paddle", "torch")

    def spec(self, framework: str, worker: str) -> ModelSpec:
        first, _, second = self.models.partition(" ")
        model = (second or first if framework == "paddle" else first).format(framework)
        kwargs = {**self.kwargs, **getattr(self, framework)}
        return ModelSpec(framework, model, kwargs=kwargs, worker=worker, train=self.train)

    def batch(self, framework: str) -> Batch:
        names = self.names[framework == "paddle"]
        return Batch(kwargs=dict(zip(names, self.inputs))) if names else Batch(args=self.inputs)

    def __str__(self) -> str:
        settings = {**self.kwargs, **self.torch, **self.paddle}
        return " ".join(
            [self.models.replace("{}_", ""), *(f"{name}={one}" for name, one in settings.items())]
        )


ATTENTION = (values(2, 5, 8), values(2, 6, 8, seed=1), values(2, 6, 8, seed=2))
TOKENS = ids(120, 2, 12)
MASK = (np.arange(12) < np.array([12, 7])[:, None]).astype(np.int64)
SMALL = (
    Pair("{}_blocks:blocks", (values(3, 5, 16),)),
    Pair("{}_blocks:tuples", (values(15, 16),), train=True),
    Pair("{}_blocks:gated", (values(3, 5, 16),)),
    Pair("{}_layers:recurrent", (values(2, 7, 5),), True, {"kind": "LSTM"}),
    Pair(
        "{}_layers:recurrent",
        (values(2, 7, 5),),
        True,
        {"kind": "GRU", "num_layers": 2},
        {"bidirectional": True},
        {"direction": "bidirect"},
    ),
    Pair("{}_layers:attention", ATTENTION),
    Pair("{}_layers:projections", (values(2, 5, 8),)),
    Pair("{}_layers:encoder", (values(2, 5, 8),), kwargs={"norm_first": False}),
    Pair("{}_layers:encoder", (values(2, 5, 8),), kwargs={"norm_first": True}),
    Pair("{}_layers:decoder", ATTENTION[:2]),
    Pair("{}_layers:images", (values(2, 4, 6, 6),)),
    Pair("{}_layers:spectral", (values(4, 8),)),
    Pair("{}_layers:tied", (ids(11, 2, 5),)),
    Pair("{}_layers:squares", (values(4, 8),)),
    Pair("{}_places:Unrolled", (values(2, 3, 4),), True, {"kind": "LSTMCell"}),
    Pair("{}_places:Unrolled", (values(2, 3, 4),), True, {"kind": "GRUCell"}),
    Pair("{}_places:TiedHead", (ids(7, 2, 3),)),
    Pair("{}_places:Normed", (values(4, 3, 2, 5),), True, torch={"layers": False}),
    Pair("{}_places:Normed", (values(4, 3, 2, 5),), True, torch={"layers": True}),
    Pair("{}_places:Mixed", (values(2, 3, 4),)),
    Pair("{}_places:Mixed", (values(2, 3, 4),), paddle={"layout": "flat"}),
    Pair("{}_places:Channels", (values(2, 3, 6, 7),)),
    Pair("{}_places:Heads", (values(2, 3, 8),)),
    Pair("{}_places:Branches", (values(3, 4),)),
    Pair("{}_weights:experts", (values(3, 5),)),
    Pair("{}_weights:heads", (values(2, 5, 8, seed=1),)),
    Pair("{}_weights:weight_normed", (values(2, 3, 5, seed=2),), kwargs={"form": "new"}),
    # In train mode Paddle's power iteration is half a step behind Torch's, which lockstep's bounds show.
    Pair("{}_weights:spectrally_normed", (values(2, 3, 5, seed=2),), kwargs={"form": "new"}),
    # Weights that Torch computes cannot be given to it.
    Pair("{}_weights:plain", (values(3, 5),), kwargs={"form": "orthogonal"}, candidates=("paddle",)),
    Pair("{}_weights:tables", (values(3, 5),)),
    Pair("{}_packed:model", (values(2, 6, 16),)),
    Pair("{}_partners:Tables", (ids(7, 2, 5),)),
    Pair("{}_structures:gates", (values(4, 8),)),
    Pair("{}_structures:branches", (values(2, 3, 8, 8),)),
    Pair("torch_structures:perceptron paddle_structures:stages", (values(4, 8),)),
    Pair("{}_structures:twins", (values(4, 8),), paddle={"left": "a", "right": "b"}),
    Pair("{}_training:network", (values(8, 12),), True, {"checkpointed": True}),
    Pair("{}_rounding:Vanishing", (values(4, 16),)),
    Pair("{}_rounding:Centred", (values(2, 3, 16, 16),), kwargs={"by": "function", "bias": False}),
    Pair("{}_rounding:Spectrum", (values(4, 8),)),
    Pair("{}_random:build", (values(6, 3, 8, 8),), True, {"name": "picture"}),
    Pair("{}_random:build", (values(3, 5, 16),), True, {"name": "attention"}),
    Pair("{}_random:build", (values(3, 5, 16),), True, {"name": "encoder"}),
    Pair("{}_random:build", (values(3, 5, 16),), True, {"name": "functional"}),
    Pair("{}_random:build", (values(3, 5, 16),), True, {"name": "recurrent"}),
    Pair("{}_quirks:Recurrent", (np.arange(12).reshape(3, 4) % 9,), kwargs={"kind": "LSTM"}),
    Pair("{}_quirks:net", (values(2, 4),), torch={"way": "script"}),
    Pair("{}_quirks:net", (values(2, 4),), paddle={"way": "to_static"}),
    Pair("{}_optimizers:net", (values(16, 6),), True),
    Pair("{}_cases:structured", (values(4, 8),), kwargs={"kind": "dataclass"}),
    Pair("{}_cases:shared", (values(4, 8),), paddle={"fault": False}),
    Pair("{}_cases:checkpointed", (values(4, 8),), True),
    Pair("{}_cases:own_linear", (values(4, 8),)),
    Pair("torch_cases:chain paddle_cases:functional", (values(4, 8),), paddle={"fault": False}),
    Pair("{}_cases:dropped", (values(4, 8),), True),
)
IMAGE = (values(2, 3, 64, 64),)
LARGE = (
    Pair("torch_decoders:gpt2 paddle_gpt2:build", (TOKENS,), names=(("input_ids",), ("tokens",))),
    Pair("torch_decoders:llama paddle_llama:build", (TOKENS,), names=(("input_ids",), ("tokens",))),
    Pair(
        "{}_bert:build",
        (TOKENS * MASK, MASK, (np.arange(12) >= 5) * MASK),
        names=(("input_ids", "attention_mask", "token_type_ids"), ("tokens", "mask", "segments")),
    ),
    Pair("{}_model:build", IMAGE),
    Pair("torch_rounding:MobileNetV3 paddle_rounding:mobilenet_v3", (values(4, 3, 64, 64),)),
    Pair("torch_plain:resnet18 paddle_models:resnet18", IMAGE),
    Pair("torch_plain:vgg16 paddle_models:vgg16", IMAGE, kwargs={"classes": 0}),
    Pair("torch_mobile:mobilenet_v1 paddle_models:mobilenet_v1", IMAGE),
    Pair("torch_mobile:mobilenet_v2 paddle_models:mobilenet_v2", IMAGE),
    Pair("torch_branches:squeezenet paddle_models:squeezenet", IMAGE),
    Pair("torch_branches:googlenet paddle_models:googlenet", (values(2, 3, 224, 224),)),
    Pair("torch_branches:densenet121 paddle_models:densenet121", IMAGE),
    Pair("torch_dense:densenet121 paddle_models:densenet121", IMAGE),
    Pair("torch_factored:inception_v3 paddle_models:inception_v3", (values(2, 3, 96, 96),)),
    Pair("torch_shuffle:shufflenet_v2 paddle_models:shufflenet_v2", IMAGE),
)


@pytest.fixture
def compare(service: Any) -> Callable[..., Report]:
    def run(pair: Pair, candidate: str, **options: Any) -> Report:
        reference = "torch" if candidate == "paddle" else "paddle"
        return auto_diff(
            layer=pair.spec(candidate, getattr(service, candidate)),
            module=pair.spec(reference, getattr(service, reference)),
            example_inp=(pair.batch(candidate), pair.batch(reference)),
            server=service.server,
            options=Options(**options),
        )

    return run


# A comparison with local errors makes a pass in lockstep, too.
@pytest.mark.parametrize("kind", PASSES if ROUNDS else ["local"])
@pytest.mark.parametrize(
    ("pair", "candidate"),
    [
        pytest.param(pair, candidate, id=f"{pair}-{candidate}")
        for pair in (SMALL + LARGE if ROUNDS else SMALL)
        for candidate in (pair.candidates if ROUNDS else ("paddle",))
    ],
)
def test_a_healthy_pair_passes(
    compare: Callable[..., Report], pair: Pair, candidate: str, kind: str, request: pytest.FixtureRequest
) -> None:
    if pair.models.startswith(("torch_decoders", "{}_bert")):
        request.getfixturevalue("transformers")
    if ROUNDS:
        free = compare(pair, candidate)
        assert free, f"freely:\n{free}"
    for _ in range(max(ROUNDS, 1)):
        report = compare(pair, candidate, **PASSES[kind])
        assert report, str(report)
