"""The two sides: names of what both have, and work done for both at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, Optional, TypeVar

from padiff_rpc.errors import PaDiffError
from padiff_rpc.records import record
from padiff_rpc.v1.words import Side

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
SIDES = (Side.REFERENCE, Side.CANDIDATE)


def other(side: Side) -> Side:
    """Returns the opposite role."""
    return Side.CANDIDATE if side is Side.REFERENCE else Side.REFERENCE


@record
class TensorPair(Generic[K]):
    """What two tensors that are compared go by on their sides: their numbers in a step, or their names."""

    reference: K
    candidate: K

    def of(self, side: Side) -> K:
        """Returns what the tensor of one side goes by."""
        return self.reference if side is Side.REFERENCE else self.candidate


@record
class Outcomes(Generic[T]):
    """What each side returned, or the error it ended with."""

    values: Mapping[Side, T]
    errors: Mapping[Side, PaDiffError]


def on_each(sides: Iterable[Side], work: Callable[[Side], T]) -> Outcomes[T]:
    """Runs `work` for all of `sides` at once and waits for them; our own bugs are raised, errors returned.

    What each came to stands in the order of `sides`.
    """
    sides = tuple(sides)
    values: dict[Side, T] = {}
    errors: dict[Side, PaDiffError] = {}
    bug: Optional[BaseException] = None

    def run(side: Side) -> None:
        nonlocal bug
        try:
            values[side] = work(side)
        except PaDiffError as error:
            errors[side] = error
        except BaseException as error:
            bug = error

    threads = [threading.Thread(target=run, args=(side,), name=str(side), daemon=True) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if bug is not None:
        raise bug
    return Outcomes(
        values={side: values[side] for side in sides if side in values},
        errors={side: errors[side] for side in sides if side in errors},
    )
