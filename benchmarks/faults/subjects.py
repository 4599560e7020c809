"""Pairs of models by name: their inputs, their losses, and where in the candidate faults can lie.

Nothing here needs a framework. The models themselves are in `models/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

Arrays = tuple[np.ndarray, ...]
Drawn = np.random.Generator


@dataclass(frozen=True)
class Subject:
    """A pair of models.

    Attributes:
        inputs: the inputs and the target of a batch size.
        train: the mode in which faults are looked for.
        callers: the candidate's layers whose own code calls others, the model itself aside.
        roles: which of its layers are of a kind.
        kwargs: of both factories.
    """

    inputs: Callable[[Drawn, int], tuple[Arrays, np.ndarray]]
    loss: str = "classify"
    train: bool = False
    callers: tuple[str, ...] = ()
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def parent(self, path: str) -> str:
        """Returns the innermost layer whose code calls the layer at `path`."""
        holding = [caller for caller in self.callers if path.startswith(f"{caller}.")]
        return max(holding, key=len, default="")


@dataclass(frozen=True)
class Setting:
    """How a pair is compared.

    Attributes:
        train: None is the subject's own mode.
        dtype: of weights and floating inputs.
        scale: of floating inputs.
        weights: "trained" or "random".
        optimizer: a name of both modules of training; "" for none.
        own_step: whether both sides have a training step of their own.
        candidate: "paddle", or "torch" for the reference's own model on other kernels.
    """

    subject: str
    train: Optional[bool] = None
    dtype: str = "float32"
    scale: float = 1.0
    batch: int = 4
    weights: str = "trained"
    optimizer: str = ""
    steps: int = 1
    own_step: bool = False
    seed: int = 0
    candidate: str = "paddle"

    def __str__(self) -> str:
        train = SUBJECTS[self.subject].train if self.train is None else self.train
        words = ["train" if train else "eval", self.dtype, f"batch {self.batch}"]
        words += [f"inputs times {self.scale:g}"] * (self.scale != 1.0)
        words += [f"seed {self.seed}"] * bool(self.seed)
        words += [f"{self.weights} weights"] * (self.weights != "trained")
        words += [f"{self.steps} steps of {self.optimizer}"] * bool(self.optimizer)
        words += ["own step"] * self.own_step
        return ", ".join([*words, *["Torch on both sides"] * (self.candidate == "torch")])


def images(channels: int, size: int, classes: int = 10) -> Callable[[Drawn, int], tuple[Arrays, np.ndarray]]:
    return lambda drawn, batch: (
        (drawn.standard_normal((batch, channels, size, size)),),
        drawn.integers(0, classes, batch),
    )


def _segments(drawn: Drawn, batch: int) -> tuple[Arrays, np.ndarray]:
    return (drawn.standard_normal((batch, 3, 16, 16)),), drawn.integers(0, 2, (batch, 2, 16, 16))


def _boxes(drawn: Drawn, batch: int) -> tuple[Arrays, np.ndarray]:
    return (drawn.standard_normal((batch, 3, 32, 32)),), drawn.uniform(0.0, 32.0, (batch, 80, 4))


def _padded(drawn: Drawn, batch: int) -> tuple[Arrays, np.ndarray]:
    lengths = drawn.integers(5, 13, batch)
    mask = (np.arange(12) < lengths[:, None]).astype(np.int64)
    return (drawn.integers(1, 60, (batch, 12)) * mask, mask), drawn.integers(0, 6, batch)


def _tokens(drawn: Drawn, batch: int) -> tuple[Arrays, np.ndarray]:
    return (drawn.integers(0, 60, (batch, 8)),), drawn.integers(0, 60, (batch, 8))


def _sentences(drawn: Drawn, batch: int) -> tuple[Arrays, np.ndarray]:
    return (drawn.integers(0, 60, (batch, 9)),), drawn.integers(0, 5, batch)


def _terms(count: int) -> Callable[[Drawn, int], tuple[Arrays, np.ndarray]]:
    return lambda drawn, batch: (
        (3.0 + drawn.standard_normal((1, 1, count), np.float32),),
        drawn.integers(0, 4, 1),
    )


def _ties(drawn: Drawn, batch: int) -> tuple[Arrays, np.ndarray]:
    """Each image is even, of odd sixteenths: what a convolution makes is the same but at the border."""
    sixteenths = (2 * drawn.integers(-16, 16, (batch, 4, 1, 1)) + 1) / 16
    even = np.broadcast_to(sixteenths, (batch, 4, 8, 8))
    return (np.ascontiguousarray(even),), drawn.integers(0, 5, batch)


def _twin_tokens(drawn: Drawn, batch: int) -> tuple[Arrays, np.ndarray]:
    """Of each 16 tokens the last four are twice the same two."""
    tokens = drawn.standard_normal((batch, 16, 8))
    tokens[:, 13::2] = tokens[:, 12::2]
    return (tokens,), drawn.integers(0, 5, batch)


def each(pattern: str, *values: Any) -> tuple[str, ...]:
    """Returns `pattern` with each value in the place of its braces."""
    return tuple(pattern.format(value) for value in values)


def _both(patterns: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(f"{pattern}.{name}" for pattern in patterns for name in names)


UNITS, BLOCKS, LAYERS = each("units.{}", 0, 1, 2), each("blocks.{}", 0, 1, 2), each("blocks.{}", 0, 1)
BOTTLENECKS = (
    *each("layer1.{}", 0, 1, 2),
    *each("layer2.{}", 0, 1, 2, 3),
    *each("layer3.{}", 0, 1, 2, 3, 4, 5),
    *each("layer4.{}", 0, 1, 2),
)
INVERTED = each("features.{}", *range(1, 18))
STAGES = ("down1", "down2", "bottom", "up2", "up1")
PROJECTIONS = ("query", "key", "value", "out")
DECISIONS = ("top-k", "argmax of tokens", "max-pool", "rounding", "experts", "suppression")
SUBJECTS: Mapping[str, Subject] = {
    "cnn": Subject(
        images(3, 16),
        train=True,
        callers=UNITS,
        roles={
            "batch_norm": ("stem_norm", *_both(UNITS, "norm1", "norm2")),
            "conv": ("stem", *_both(UNITS, "conv1", "conv2")),
            "padded": ("stem", *_both(UNITS, "conv1", "conv2")),
            "linear": ("hidden", "head"),
            "biased": ("hidden", "head"),
            "relu": ("act", *_both(UNITS, "act")),
            "max_pool": ("pool",),
            "average_pool": ("shrink",),
            "dropout": ("drop",),
            "adds": UNITS,
            "twins": _both(UNITS, "conv1"),
            "flat": ("",),
            "activates": ("",),
        },
    ),
    "resnet50": Subject(
        images(3, 64),
        callers=BOTTLENECKS,
        roles={
            "batch_norm": ("bn1", *_both(BOTTLENECKS, "bn1", "bn2", "bn3")),
            "conv": ("conv1", *_both(BOTTLENECKS, "conv1", "conv2", "conv3")),
            "linear": ("fc",),
            "biased": ("fc",),
            "max_pool": ("maxpool",),
        },
    ),
    "mobilenet": Subject(
        images(3, 64),
        train=True,
        callers=INVERTED,
        roles={
            "batch_norm": ("features.0.1", *_both(INVERTED[1:], "conv.0.1", "conv.1.1", "conv.3")),
            "conv": ("features.0.0", *_both(INVERTED[1:], "conv.0.0", "conv.1.0", "conv.2")),
            "padded": ("features.0.0", *_both(each("features.{}", 3, 5, 6, 8, 9, 10, 11, 12), "conv.1.0")),
            "relu": ("features.0.2", *_both(INVERTED[1:], "conv.0.2", "conv.1.2")),
        },
    ),
    "unet": Subject(
        _segments,
        loss="segment",
        callers=STAGES,
        roles={
            "group_norm": _both(STAGES, "norm"),
            "conv": (*_both(STAGES, "conv"), "last"),
            "padded": _both(STAGES, "conv"),
            "biased": (*_both(STAGES, "conv"), "last", "raise1"),
            "leaky": _both(STAGES, "act"),
            "enlarges": ("enlarge",),
            "max_pool": ("pool",),
            "joins": ("",),
        },
    ),
    "detector": Subject(
        _boxes,
        loss="detect",
        roles={
            "batch_norm": ("norm1", "norm2", "norm3"),
            "conv": ("conv1", "conv2", "conv3", "side2", "side3", "smooth", "scores", "boxes"),
            "padded": ("conv1", "conv2", "conv3", "smooth", "scores", "boxes"),
            "biased": ("side2", "side3", "smooth", "scores", "boxes"),
            "silu": ("act",),
            "adds": ("",),
            "interpolates": ("",),
            "decodes": ("",),
        },
    ),
    "encoder": Subject(
        _padded,
        train=True,
        callers=(*BLOCKS, *_both(BLOCKS, "attention")),
        roles={
            "layer_norm": ("norm", *_both(BLOCKS, "norm1", "norm2")),
            "linear": (
                *_both(_both(BLOCKS, "attention"), *PROJECTIONS),
                *_both(BLOCKS, "up", "down"),
                "pooler",
                "head",
            ),
            "biased": (
                *_both(_both(BLOCKS, "attention"), "query", "value", "out"),
                *_both(BLOCKS, "up", "down"),
                "pooler",
            ),
            "square": (*_both(_both(BLOCKS, "attention"), *PROJECTIONS), "pooler"),
            "twins": _both(_both(BLOCKS, "attention"), "query"),
            "embedding": ("token", "position"),
            "gelu": _both(BLOCKS, "act"),
            "dropout": _both(BLOCKS, "drop"),
            "adds": BLOCKS,
            "attends": _both(BLOCKS, "attention"),
            "masks": _both(BLOCKS, "attention"),
            "places": ("",),
            "pooled": ("",),
            "activates": ("",),
        },
    ),
    "decoder": Subject(
        _tokens,
        callers=(*LAYERS, *_both(LAYERS, "attention")),
        roles={
            "rms_norm": ("norm", *_both(LAYERS, "norm1", "norm2")),
            "linear": (
                *_both(_both(LAYERS, "attention"), *PROJECTIONS),
                *_both(LAYERS, "gate", "up", "down"),
                "head",
            ),
            "square": _both(_both(LAYERS, "attention"), "query", "out"),
            "twins": _both(_both(LAYERS, "attention"), "key"),
            "embedding": ("token",),
            "silu": _both(LAYERS, "act"),
            "adds": LAYERS,
            "gates": LAYERS,
            "attends": _both(LAYERS, "attention"),
            "caches": _both(LAYERS, "attention"),
        },
    ),
    "vit": Subject(
        images(3, 16),
        callers=(*BLOCKS, *_both(BLOCKS, "attention")),
        roles={
            "layer_norm": ("norm", *_both(BLOCKS, "norm1", "norm2")),
            "linear": (*_both(BLOCKS, "attention.packed", "attention.out", "up", "down"), "head"),
            "biased": (*_both(BLOCKS, "attention.out", "up", "down"), "head", "patch"),
            "square": _both(BLOCKS, "attention.out"),
            "gelu": _both(BLOCKS, "act"),
            "adds": BLOCKS,
            "attends": _both(BLOCKS, "attention"),
            "packs": _both(BLOCKS, "attention"),
            "patches": ("",),
            "pooled": ("",),
        },
    ),
    "lstm": Subject(
        _sentences,
        train=True,
        roles={
            "linear": ("weigh", "head"),
            "biased": ("head",),
            "embedding": ("token",),
            "recurrent": ("lstm", "cell"),
            "cell": ("cell",),
            "attends_to_steps": ("",),
        },
    ),
    **{
        f"reduction of 1e{power}": Subject(_terms(10**power), train=True, kwargs={"name": "reduction"})
        for power in range(2, 8)
    },
    **{
        f"ties, {kind}": Subject(_ties, kwargs={"name": "ties", "kind": kind})
        for kind in ("pool", "quantised", "routed", "argmax")
    },
    **{
        f"ties, {kind}": Subject(
            _twin_tokens, kwargs={"name": "decisions", "kind": kind}, roles={"decides": ("decide",)}
        )
        for kind in DECISIONS
    },
}
# Faults are planted in these.
FAULTED = ("cnn", "resnet50", "mobilenet", "unet", "detector", "encoder", "decoder", "vit", "lstm")
