"""Combinations of training settings: which may go together."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from padiff_compare.settings import settle
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CompareStart, Model, Note, Options, Party, WorkerAddress
from padiff_rpc.v1.words import NoteKind, Pass


def start(
    reference: Optional[dict[str, Any]] = None,
    candidate: Optional[dict[str, Any]] = None,
    steps: int = 1,
    **options: Any,
) -> CompareStart:
    def party(address: str, given: Optional[dict[str, Any]]) -> Party:
        return Party(model=Model(model="m:f", **(given or {})), worker=WorkerAddress(address=address))

    return CompareStart(
        protocol_version=1,
        reference=party("unix:/r", reference),
        candidate=party("unix:/c", reference if candidate is None else candidate),
        steps=steps,
        options=Options(**options),
    )


def test_gradients_add_up_between_the_optimizers_steps() -> None:
    found = settle(start({"optimizer": "m:o"}, steps=6, accumulate=3))
    assert [found.optimizes(step) for step in range(6)] == [False, False, True] * 2
    assert [found.adds_gradients(step) for step in range(7)] == [False, True, True] * 2 + [False]


def test_without_accumulation_every_step_is_the_optimizers() -> None:
    found = settle(start({"optimizer": "m:o"}, steps=2))
    assert [found.optimizes(step) for step in range(2)] == [True, True]
    assert not any(found.adds_gradients(step) for step in range(3))


@pytest.mark.parametrize(
    ("steps", "left"),
    [(5, 2), (4, 1)],
)
def test_steps_left_over_are_said(steps: int, left: int) -> None:
    (note,) = settle(start({"optimizer": "m:o"}, steps=steps, accumulate=3)).notes
    assert note == Note(kind=NoteKind.GRADIENTS_NOT_USED, numbers=(steps, 3, left))


def test_a_train_step_makes_several_steps_without_an_optimizer_of_ours() -> None:
    found = settle(start({"train_step": "m:s"}, steps=4))
    assert (found.steps, found.optimizes(0)) == (4, True)


def test_a_train_step_may_be_run_forward_alone() -> None:
    assert not settle(start({"train_step": "m:s"}, diff_phase="forward")).backward


@pytest.mark.parametrize("field", ["loader", "train_step"])
def test_what_one_side_alone_has_is_refused(field: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^reference\.{field}: give one for both sides"):
        settle(start({}, {field: "m:x"}))


def test_gradients_that_add_up_are_judged_in_lockstep_too() -> None:
    found = settle(start({"optimizer": "m:o"}, steps=2, accumulate=2, local_error=True))
    assert found.passes == (Pass.LOCKSTEP, Pass.FREE)
