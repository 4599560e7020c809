"""Paddle's random operations, taken over where its Python functions look the kernels up: in `_C_ops`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import paddle
from paddle import _C_ops
from paddle.nn.functional import common

from padiff_worker.patches import Patch, patched, watched_states
from padiff_worker.randomness import Decisions, Operation
from padiff_worker_paddle.dropouts import COMPOSED, DROPOUTS
from padiff_worker_paddle.random_composites import COMPOSITES
from padiff_worker_paddle.random_fills import BERNOULLI_, FILLS
from padiff_worker_paddle.runtime import random_state

# Random whatever their arguments are.
_OTHERS = (
    "binomial",
    "class_center_sample",
    "dirichlet",
    "exponential_",
    "gumbel_softmax",
    "multinomial",
    "poisson",
    "randint",
    "random",
    "random_",
    "randperm",
    "standard_gamma",
    "truncated_gaussian_random",
    "uniform_random_batch_size_like",
)
_PATCHES: tuple[Patch, ...] = (
    *((_C_ops, name, Operation(name=name.rstrip("_"))) for name in _OTHERS),
    *((_C_ops, name, operation) for name, operation in {**DROPOUTS, **FILLS, **COMPOSITES}.items()),
    *(
        (owner, name, operation)
        for owner in (common, paddle.nn.functional)
        for name, operation in COMPOSED.items()
    ),
    *((owner, "bernoulli_", BERNOULLI_) for owner in (paddle, paddle.Tensor)),
)


@contextmanager
def random_operations(decisions: Decisions) -> Iterator[None]:
    with ExitStack() as stack:
        if decisions.is_thorough:
            decisions.generators["paddle"] = _fingerprint
        stack.enter_context(patched(decisions, _PATCHES))
        # Recomputation puts a generator back to where its segment began.
        reads = ("get_rng_state", "get_cuda_rng_state")
        stack.enter_context(watched_states(decisions, paddle, reads=reads, sets=("set_rng_state",)))
        yield


def _fingerprint() -> tuple[str, ...]:
    """Returns what changes whenever a generator is drawn from."""
    host, on_devices = random_state()
    return tuple(map(_without_address, (host, *on_devices)))


def _without_address(state: Any) -> str:
    """Returns the text of a state; it names an address, which is another one each time."""
    before, _, rest = str(state).partition("0x")
    return before + rest.partition(" ")[2]
