"""Branches on one input: they pair by what they are, whatever order their layers run and are defined in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from padiff_compare.alignment.align import align
from padiff_compare.alignment.plan import LOW_CONFIDENCE
from padiff_rpc.v1.records import StatedPairing

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from model_trees import PADDLE, TORCH, Part, block, leaf, linear, traced

ORDERS = {
    "reversed": (3, 2, 1, 0),
    "pool first": (3, 0, 1, 2),
    "middle exchanged": (0, 2, 1, 3),
    "rotated": (1, 2, 3, 0),
    "any": (2, 0, 3, 1),
}
OTHER_NAMES = {
    "branch1x1": "one_by_one",
    "branch_pool": "pool_proj",
    **{f"branch7x7_{n}": f"seven_{n}" for n in (1, 2, 3)},
    **{f"branch7x7dbl_{n}": f"double_{n}" for n in (1, 2, 3, 4, 5)},
}


def conv(name: str, width: int, made: int, *size: int) -> Part:
    shape = (2, made, 16, 16)
    return Part(
        name=name,
        key=name,
        children=[
            Part("conv", f"{name}.conv", "Conv2d", {"weight": (made, width, *size)}, shape),
            Part("bn", f"{name}.bn", "BatchNorm2d", {"weight": (made,), "bias": (made,)}, shape),
        ],
        output=shape,
    )


def mixed(name: str, width: int, narrow: int) -> Part:
    """Returns a block of four branches, the layers of which lie side by side, many of them alike."""
    last, tall, wide = 96, (7, 1), (1, 7)
    chains = [
        [conv("branch1x1", width, last, 1, 1)],
        [
            conv("branch7x7_1", width, narrow, 1, 1),
            conv("branch7x7_2", narrow, narrow, *wide),
            conv("branch7x7_3", narrow, last, *tall),
        ],
        [
            conv("branch7x7dbl_1", width, narrow, 1, 1),
            conv("branch7x7dbl_2", narrow, narrow, *tall),
            conv("branch7x7dbl_3", narrow, narrow, *wide),
            conv("branch7x7dbl_4", narrow, narrow, *tall),
            conv("branch7x7dbl_5", narrow, last, *wide),
        ],
        [Part("pool", "pool", "AvgPool2d", {}, (2, width, 16, 16)), conv("branch_pool", width, last, 1, 1)],
    ]
    made = block(name, *(part for chain in chains for part in chain))
    made.chains, made.output = chains, (2, 4 * last, 16, 16)
    for part in made.children:
        for one in (part, *part.children):
            one.key = f"{name}.{one.key}"
    return made


def model(
    widths: Sequence[int], order: Sequence[int] = range(4), *, defined: bool = False, **names: str
) -> Part:
    """Returns blocks one after the other; `order` of their branches, `defined`: of their definition too."""
    blocks = [mixed(f"mixed{n}", 384, width) for n, width in enumerate(widths)]
    for made in blocks:
        made.chains = [made.chains[n] for n in order]
        if defined:
            made.children = [part for chain in made.chains for part in chain]
        for part in made.children:
            part.name = names.get(part.name, part.name)
    first, last = (
        leaf(name, "Conv2d", (2, 384, 16, 16), weight=(384, 384, 1, 1)) for name in ("first", "last")
    )
    first.key, last.key = "first", "last"
    return block("", first, *blocks, last)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("names", [{}, OTHER_NAMES], ids=["same names", "other names"])
@pytest.mark.parametrize("widths", [(64, 80, 96), (96, 96, 96)], ids=["widths differ", "all of one width"])
@pytest.mark.parametrize("defined", [True, False], ids=["defined so", "defined as ever"])
def test_branches_in_another_order_pair_by_what_they_are(
    order: str, names: dict[str, str], widths: tuple[int, ...], defined: bool
) -> None:
    reference, ours = traced(model(widths), TORCH)
    candidate, theirs = traced(model(widths, ORDERS[order], defined=defined, **names), PADDLE)
    plan = align(reference, candidate, StatedPairing())
    found = {pair.reference: pair.candidate for pair in plan.layers}
    assert {key: found.get(path) for key, path in ours.items()} == theirs
    assert plan.only_reference == plan.only_candidate == ()


def parallel(
    names: Sequence[str], *, run: Sequence[int] = (0, 1, 2), defined: Sequence[int] = (0, 1, 2)
) -> Part:
    """Returns three layers of one look on one input, and one behind them."""
    branches = [linear(name, 8, 8) for name in names]
    for n, branch in enumerate(branches):
        branch.key = str(n)
    made = block("", *(branches[n] for n in defined), is_fork=True)
    made.chains = [[branches[n]] for n in run]
    return made


@pytest.mark.parametrize(
    ("names", "run", "defined", "is_sure"),
    [
        (("q", "r", "s"), (0, 1, 2), (0, 1, 2), True),
        (("q", "r", "s"), (2, 1, 0), (0, 1, 2), False),
        (("q", "r", "s"), (0, 1, 2), (2, 1, 0), False),
        (("a_one", "b_two", "c_three"), (2, 1, 0), (0, 1, 2), True),
    ],
    ids=["one order", "run otherwise", "defined otherwise", "names tell"],
)
def test_branches_that_only_order_tells_are_doubted_where_orders_contradict_each_other(
    names: Sequence[str], run: Sequence[int], defined: Sequence[int], is_sure: bool
) -> None:
    reference, _ = traced(parallel(("a", "b", "c")), TORCH)
    candidate, _ = traced(parallel(names, run=run, defined=defined), PADDLE)
    plan = align(reference, candidate, StatedPairing())
    branches = [pair for pair in plan.layers if pair.reference]
    assert len(branches) == 3
    assert [pair.confidence >= LOW_CONFIDENCE for pair in branches] == [is_sure] * 3
