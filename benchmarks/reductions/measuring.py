"""Errors of sums in one framework, against the same in float64; runs in that framework's interpreter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

Reals = np.ndarray
COUNTS = tuple(10**power for power in range(2, 8))
OFFSETS = (0.0, 3.0)
EPSILONS = {"float32": 2.0**-23, "bfloat16": 2.0**-7}
# Of terms [channels, count]: what the framework makes of them.
Operation = Callable[[Any], Any]


class Framework(Protocol):
    """What is measured: its operations by name, and the way to its tensors and back."""

    operations: Mapping[str, Operation]
    dtypes: tuple[str, ...]

    def tensor(self, values: Reals, dtype: str) -> Any: ...

    def reals(self, tensor: Any) -> Reals: ...


def terms(count: int, offset: float, seed: int) -> Reals:
    """Returns rows of terms whose mean is `offset`, and whose spread is 1."""
    drawn = np.random.default_rng([count, seed]).standard_normal((2, count))
    drawn -= drawn.mean(-1, keepdims=True)
    return np.asarray(drawn + offset)


def errors(framework: Framework) -> Iterator[tuple[str, str, float, int, float]]:
    """Yields dtype, operation, offset, number of terms, and the largest error in epsilons.

    Of a result that is one number a row, it is a share of the terms' root mean square; of a norm, which
    makes as many as it took, the error's root mean square is a share of the result's.
    """
    for dtype in framework.dtypes:
        for offset in OFFSETS:
            for count in COUNTS:
                for name, operation in framework.operations.items():
                    found = max(
                        _error(framework, operation, terms(count, offset, seed), dtype)
                        for seed in range(3 if count < 10**6 else 1)
                    )
                    yield dtype, name, offset, count, found


def _error(framework: Framework, operation: Operation, given: Reals, dtype: str) -> float:
    narrow = framework.tensor(given, dtype)
    exact = framework.tensor(framework.reals(narrow), "float64")
    made, true = (framework.reals(operation(one)).reshape(len(given), -1) for one in (narrow, exact))
    if made.shape[1] == 1:
        unit = np.sqrt(np.square(framework.reals(narrow)).mean())
        return float(np.abs(made - true).max() / unit / EPSILONS[dtype])
    unit = np.sqrt(np.square(true).mean())
    return float(np.sqrt(np.square(made - true).mean()) / unit / EPSILONS[dtype])


def tell(framework: Framework) -> None:
    """Prints what was measured, for the process that asked."""
    print(json.dumps(list(errors(framework))))
