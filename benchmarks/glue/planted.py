"""Planted faults, as the models' sources name them: what one stands for ends in `#!` and its name.

Healthy ways to compute the same in other steps are named likewise, behind `#:`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).resolve().parent / "models"
# Not looked at while the localisation was tuned.
HELD_OUT = frozenset({"Windows", "Denoiser", "Speech", "Rotary", "Clicks", "Graph"})


@dataclass(frozen=True)
class Subject:
    """A pair of models of one name, and what they are called with."""

    name: str
    module: str
    values: tuple[Any, ...]

    @property
    def held_out(self) -> bool:
        return self.name in HELD_OUT


@dataclass(frozen=True)
class Planted:
    """A fault: the lines of the candidate and of the reference that it stands for."""

    subject: Subject
    name: str
    candidate: frozenset[int]
    reference: frozenset[int]


def subjects() -> tuple[Subject, ...]:
    """Returns the pairs, with the same values at every call."""
    drawn = np.random.default_rng(0)

    def floats(*shape: int) -> Any:
        return drawn.standard_normal(shape, dtype=np.float32)

    padded = drawn.integers(1, 30, (2, 7))
    padded[0, 0], padded[1, -2:] = 1, 0
    told = np.array([[3, 4, 7, 1, 12], [5, 2, 0, 0, 0], [19, 9, 8, 0, 0]])
    edges = np.array([[1, 2, 0, 3, 1, 2, 0, 5, 6, 4, 4], [0, 0, 1, 2, 2, 3, 3, 4, 4, 5, 6]])
    return (
        Subject("Cnn", "pictures", (floats(2, 3, 16, 16),)),
        Subject("Encoder", "sequences", (padded,)),
        Subject("Decoder", "sequences", (drawn.integers(1, 30, (2, 6)),)),
        Subject("Attention", "others", (floats(2, 6, 16),)),
        Subject("Spectrum", "others", (floats(2, 48),)),
        Subject("Detector", "pictures", (floats(2, 3, 8, 8),)),
        Subject("Gru", "sequences", (floats(2, 5, 6),)),
        Subject("Experts", "others", (floats(2, 5, 12),)),
        Subject("Windows", "windows", (floats(2, 3, 16, 16),)),
        Subject("Denoiser", "denoiser", (floats(2, 3, 8, 8), np.array([5, 400]))),
        Subject("Speech", "speech", (floats(2, 64) + np.float32(0.5), np.array([15, 11]))),
        Subject("Rotary", "rotary", (drawn.integers(0, 30, (2, 7)),)),
        Subject("Clicks", "clicks", (drawn.integers(0, 10, (3, 4)), floats(3, 3), told, np.array([4, 2, 9]))),
        Subject("Graph", "graph", (floats(7, 6), edges, np.array([0, 0, 0, 0, 1, 1, 1]))),
    )


def planted(subject: Subject) -> tuple[Planted, ...]:
    """Returns the faults of a pair, in the order of the candidate's lines."""
    theirs, ours = (_lines(subject, framework, "#!") for framework in ("torch", "paddle"))
    return tuple(
        Planted(subject, name, frozenset(lines), frozenset(theirs.get(name, ())))
        for name, lines in ours.items()
    )


def healthy(subject: Subject) -> tuple[str, ...]:
    """Returns the ways in which a pair's candidate computes the same; the first is its plain one."""
    return ("", *_lines(subject, "paddle", "#:"))


def _lines(subject: Subject, framework: str, sign: str) -> Mapping[str, list[int]]:
    """Returns, by the name behind `sign`, the lines of the statements that it stands for.

    The layers that a model is made of bear its name in front.
    """
    source = (MODELS / f"{framework}_{subject.module}.py").read_text()
    texts, tree = source.splitlines(), ast.parse(source)
    layers = [one for one in tree.body if isinstance(one, ast.ClassDef) and one.name.startswith(subject.name)]
    found: dict[str, list[int]] = {}
    for node in (node for layer in layers for node in ast.walk(layer)):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr, ast.Return)):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            names = {name for line in lines for name in texts[line - 1].partition(sign)[2].split()}
            for name in names:
                found.setdefault(name, []).extend(lines)
    return found
