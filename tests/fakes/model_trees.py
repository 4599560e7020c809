"""Random models, and ports of them under other names, nesting and definition order, whose pairs are known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Optional

from translated import translated

from padiff_compare.alignment.plan import SideTrace
from padiff_compare.capture.trace import Trace
from padiff_rpc.v1.records import CallEvent, Layer, Slot, TensorSpec, Weight
from padiff_rpc.v1.words import CallMoment, DType, WeightKind

TORCH, PADDLE = "torch.nn.modules.any.", "paddle.nn.layer.any."
_PADDLE_NAMES = {"Conv2d": "Conv2D", "BatchNorm2d": "BatchNorm2D", "MaxPool2d": "MaxPool2D", "SiLU": "Silu"}


@dataclass
class Part:
    """A layer; `children` run one after the other, but those of a fork all on the fork's input.

    `key` names the layer whatever it is called; a port keeps it. None: it is only in the port. Of `chains`,
    where there are any, each runs on the layer's input; together they are the children.
    """

    name: str
    key: Optional[str]
    kind: str = ""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    output: tuple[int, ...] = ()
    children: list[Part] = field(default_factory=list)
    is_fork: bool = False
    chains: list[list[Part]] = field(default_factory=list)


def leaf(name: str, kind: str, output: tuple[int, ...], **shapes: tuple[int, ...]) -> Part:
    return Part(name=name, key=None, kind=kind, shapes=shapes, output=output)


def linear(name: str, size_in: int, size_out: int) -> Part:
    return leaf(name, "Linear", (2, 5, size_out), weight=(size_out, size_in), bias=(size_out,))


def norm(name: str, size: int) -> Part:
    return leaf(name, "LayerNorm", (2, 5, size), weight=(size,), bias=(size,))


def block(name: str, *children: Part, is_fork: bool = False) -> Part:
    return Part(name=name, key=None, children=list(children), output=children[-1].output, is_fork=is_fork)


def transformer(rng: random.Random, blocks: Optional[int] = None) -> Part:
    size = rng.choice([8, 16])
    encoder = [
        block(
            str(n),
            block(
                "attention",
                block(
                    "self", *(linear(name, size, size) for name in ("query", "key", "value")), is_fork=True
                ),
                linear("out", size, size),
                leaf("dropout", "Dropout", (2, 5, size)),
            ),
            norm("norm1", size),
            block(
                "mlp",
                linear("fc1", size, 4 * size),
                leaf("act", "GELU", (2, 5, 4 * size)),
                linear("fc2", 4 * size, size),
            ),
            norm("norm2", size),
        )
        for n in range(blocks or rng.randint(2, 8))
    ]
    embedding = leaf("embedding", "Embedding", (2, 5, size), weight=(40, size))
    return block("", embedding, block("layers", *encoder), linear("head", size, 40))


def convolutional(rng: random.Random) -> Part:
    def conv(name: str, size_in: int, size_out: int, extent: int) -> list[Part]:
        output = (2, size_out, extent, extent)
        return [
            leaf(f"conv{name}", "Conv2d", output, weight=(size_out, size_in, 3, 3)),
            leaf(f"bn{name}", "BatchNorm2d", output, weight=(size_out,), bias=(size_out,)),
            leaf(f"relu{name}", "ReLU", output),
        ]

    size, extent = rng.choice([4, 8]), 32
    stages = [block("stem", *conv("", 3, size, extent))]
    for stage in range(rng.randint(1, 3)):
        blocks = [
            block(str(n), *conv("1", size, size, extent), *conv("2", size, size, extent))
            for n in range(rng.randint(1, 4))
        ]
        extent //= 2
        pool = leaf("pool", "MaxPool2d", (2, size, extent, extent))
        stages.append(
            block(f"stage{stage}", block("blocks", *blocks), pool, *conv("", size, 2 * size, extent))
        )
        size *= 2
    return block("", *stages, leaf("fc", "Linear", (2, 10), weight=(10, size), bias=(10,)))


def recurrent(rng: random.Random) -> Part:
    size = rng.choice([8, 12])
    gates = {"weight_ih_l0": (4 * size, size), "weight_hh_l0": (4 * size, size)}
    layers = [
        block(
            str(n),
            leaf("lstm", "LSTM", (2, 5, size), **gates, bias_ih_l0=(4 * size,), bias_hh_l0=(4 * size,)),
            leaf("drop", "Dropout", (2, 5, size)),
            linear("proj", size, size),
            leaf("act", "Tanh", (2, 5, size)),
        )
        for n in range(rng.randint(1, 6))
    ]
    embedding = leaf("embedding", "Embedding", (2, 5, size), weight=(30, size))
    return block("", embedding, block("stack", *layers), linear("decoder", size, 30))


MODELS = (transformer, convolutional, recurrent)


def keyed(part: Part, key: str = "") -> Part:
    """Gives each layer its own path as its key."""
    part.key = key
    for child in part.children:
        keyed(child, f"{key}.{child.name}" if key else child.name)
    return part


def ported(part: Part, rng: random.Random) -> Part:
    """Returns the model under other names and nesting, with identities here and there."""
    return _wrapped(_renamed(part, rng, rng.choice(_NAMINGS)), rng)


def _renamed(part: Part, rng: random.Random, naming: dict[str, str]) -> Part:
    children: list[Part] = []
    for child in part.children:
        made = _renamed(child, rng, naming)
        # Flattened into its parent; a fork cannot be, since its children share their input.
        if made.children and not made.is_fork and not part.is_fork and rng.random() < 0.2:
            children += made.children
        else:
            children.append(made)
        if not part.is_fork and rng.random() < 0.1:
            children.append(Part(name="identity", key=None, kind="Identity", output=children[-1].output))
    name = "".join(naming.get(piece, piece) for piece in _pieces(part.name))
    if naming is _STRANGE:
        name = "".join(rng.choice("abcdefghxyz") for _ in range(4))
    return Part(
        name=name,
        key=part.key,
        kind=part.kind,
        shapes=part.shapes,
        output=part.output,
        children=children,
        is_fork=part.is_fork,
    )


def _pieces(name: str) -> list[str]:
    stem = name.rstrip("0123456789")
    return [stem, name[len(stem) :]]


_STRANGE: dict[str, str] = {"": ""}
_NAMINGS: tuple[dict[str, str], ...] = (
    {},
    _STRANGE,
    {
        "layers": "h",
        "attention": "attn",
        "query": "q_proj",
        "key": "k_proj",
        "value": "v_proj",
        "out": "o_proj",
        "embedding": "wte",
        "norm": "ln_",
        "fc": "dense",
        "conv": "c",
        "bn": "norm",
        "stage": "layer",
        "lstm": "rnn",
        "head": "lm_head",
    },
)


def _wrapped(part: Part, rng: random.Random) -> Part:
    """Puts runs of children into layers of their own."""
    children = [_wrapped(child, rng) for child in part.children]
    if len(children) > 2 and not part.is_fork and rng.random() < 0.3:
        start = rng.randrange(len(children) - 1)
        stop = rng.randint(start + 2, len(children))
        inner = block("wrapped", *children[start:stop])
        children[start:stop] = [inner]
    part.children = children
    return part


def traced(
    model: Part, framework: str, rng: Optional[random.Random] = None
) -> tuple[SideTrace, dict[str, str]]:
    """Returns the model as one side, and key -> path. With `rng`, siblings are defined in any order."""
    side = _Side(framework, rng)
    side.add(model, "")
    side.call(model, side.tensor(model.output))
    return SideTrace(layers=translated(side.layers), trace=Trace.of_events(side.events)), side.paths


class _Side:
    def __init__(self, framework: str, rng: Optional[random.Random]) -> None:
        self._framework = framework
        self._rng = rng
        self._tensors = 0
        self._path: dict[int, str] = {}
        self.layers: list[Layer] = []
        self.events: list[CallEvent] = []
        self.paths: dict[str, str] = {}

    def add(self, part: Part, path: str) -> None:
        self._path[id(part)] = path
        if part.key is not None:
            self.paths[part.key] = path
        name = _PADDLE_NAMES.get(part.kind, part.kind) if self._framework == PADDLE else part.kind
        turned = self._framework == PADDLE and part.kind == "Linear"
        self.layers.append(
            Layer(
                path=path,
                classes=(f"{self._framework}{name}" if name else "mine.Block",),
                weights=tuple(
                    Weight(
                        name=weight,
                        kind=WeightKind.PARAMETER,
                        spec=TensorSpec(dtype=DType.FLOAT32, shape=shape[::-1] if turned else shape),
                    )
                    for weight, shape in part.shapes.items()
                ),
            )
        )
        names: set[str] = set()
        for child in part.children:
            while child.name in names:
                child.name += "x"
            names.add(child.name)
        order = list(part.children)
        if self._rng is not None:
            self._rng.shuffle(order)
        for child in order:
            self.add(child, f"{path}.{child.name}" if path else child.name)

    def tensor(self, shape: tuple[int, ...]) -> Slot:
        self._tensors += 1
        return Slot(name="0", tensor=self._tensors, spec=TensorSpec(dtype=DType.FLOAT32, shape=shape))

    def call(self, part: Part, given: Slot) -> Slot:
        path = self._path[id(part)]
        self.events.append(CallEvent(moment=CallMoment.ENTRY, path=path, slots=(given,)))
        made = given
        for chain in part.chains or [part.children]:
            made = given
            for child in chain:
                made = self.call(child, given if part.is_fork else made)
        if not part.children and part.kind != "Identity":
            made = self.tensor(part.output)
        if part.is_fork or part.chains:
            made = self.tensor(part.output)
        self.events.append(CallEvent(moment=CallMoment.EXIT, path=path, slots=(made,)))
        return made
