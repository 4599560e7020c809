"""Layer trees in a few lines of text, for the tests of alignment and weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Optional

import pytest
from translated import translated

from padiff_compare.alignment.plan import SideTrace
from padiff_compare.capture.trace import Trace
from padiff_rpc.v1.records import CallEvent, Layer, TensorSpec, Weight
from padiff_rpc.v1.words import CallMoment, DType, WeightKind

Side = Callable[..., SideTrace]

_WEIGHT = re.compile(r"(~?)([\w.]+)\(([\d, ]*)\)(?:=(\S+))?")
_SHORT = {"t.": "torch.nn.modules.any.", "p.": "paddle.nn.layer.any.", "f.": "fake."}


@pytest.fixture
def side() -> Side:
    """Returns a function from text to one side.

    A line is "path | other path: Class, Base weight(2,3) ~buffer(4) tied(2,3)=owner.weight"; "." is the
    root, and t., p., f. before a class stand for Torch's, Paddle's and the fake's own modules. `calls`
    names the layers called in order, without those around them (lists of layers are never called).
    """

    def build(text: str, calls: str = "") -> SideTrace:
        layers = translated([_layer(line) for line in text.strip().splitlines() if line.strip()])
        return SideTrace(layers=layers, trace=Trace.of_events(_calls(layers, calls.split())))

    return build


def _layer(line: str) -> Layer:
    paths, _, rest = line.partition(":")
    path, *aliases = ["" if path.strip() == "." else path.strip() for path in paths.split("|")]
    classes = re.sub(_WEIGHT, "", rest).replace(",", " ").split()
    return Layer(
        path=path,
        aliases=tuple(aliases),
        classes=tuple(_SHORT.get(name[:2], name[:2]) + name[2:] for name in classes),
        weights=tuple(
            Weight(
                name=name,
                kind=WeightKind.BUFFER if mark else WeightKind.PARAMETER,
                spec=TensorSpec(dtype=DType.FLOAT32, shape=tuple(int(n) for n in sizes.split(",") if n)),
                tied_to=owner,
            )
            for mark, name, sizes, owner in _WEIGHT.findall(rest)
        ),
    )


def _calls(layers: tuple[Layer, ...], order: list[str]) -> tuple[CallEvent, ...]:
    first = {path: layer for layer in layers for path in (layer.path, *layer.aliases)}
    events: list[CallEvent] = []
    count: Counter[str] = Counter()
    opened: list[str] = []

    def close(until: Optional[str]) -> None:
        while opened and not (until is not None and _is_around(opened[-1], until)):
            path = first[opened.pop()].path
            events.append(CallEvent(moment=CallMoment.EXIT, path=path, call=count[path] - 1))

    for target in order:
        close(target)
        parts = target.split(".")
        for path in ["", *(".".join(parts[: n + 1]) for n in range(len(parts)))]:
            layer = first.get(path)
            if layer is None or path in opened or layer.class_name in ("ModuleList", "LayerList"):
                continue
            opened.append(path)
            events.append(CallEvent(moment=CallMoment.ENTRY, path=layer.path, call=count[layer.path]))
            count[layer.path] += 1
    close(None)
    return tuple(events)


def _is_around(outer: str, inner: str) -> bool:
    return outer != inner and (not outer or inner.startswith(f"{outer}."))
