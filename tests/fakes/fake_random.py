"""The fake framework's random operations: dropout and uniform numbers are shared, permutations are not."""

import contextlib

import fake
import numpy as np

from padiff_worker.patches import patched, watched_states
from padiff_worker.randomness import Operation


def _dropout(drawing, original, x, p, training=True):
    kept = drawing().kept(x.shape, p)
    return x * fake.Tensor(kept.astype(np.float32) / np.float32(1 - p))


def _rand(drawing, original, shape):
    return fake.Tensor(drawing().uniform(shape))


_PATCHES = (
    (
        fake,
        "dropout",
        Operation(
            name="dropout",
            draws=lambda x, p, training=True: training and 0 < p < 1,
            shared=_dropout,
            off=lambda original, x, p, training=True: x,
        ),
    ),
    (fake, "rand", Operation(name="rand", shared=_rand)),
    (fake, "permutation", Operation(name="permutation")),
)


@contextlib.contextmanager
def random_operations(decisions):
    with contextlib.ExitStack() as stack:
        if decisions.is_thorough:
            decisions.generators["fake"] = lambda: str(fake.random_state())
        stack.enter_context(patched(decisions, _PATCHES))
        states = watched_states(decisions, fake, reads=("random_state",), sets=("set_random_state",))
        stack.enter_context(states)
        yield
