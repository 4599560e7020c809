"""Torch's random operations, taken over at the lowest names that Python reaches.

What modules, `torch.nn.functional` and the user's own code call is found there, whoever imported it. A
builtin imported by its name (`from torch import rand`), and what is compiled, passes by; a trace names it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from padiff_worker.patches import Patch, patched, watched_states
from padiff_worker.randomness import Decisions, Operation
from padiff_worker_torch.dropouts import DROPOUTS, RRELUS
from padiff_worker_torch.random_composites import ATTENTION, RECURRENT
from padiff_worker_torch.random_fills import FILLS, METHODS

# Random whatever their arguments are; by their names in `torch` and `torch.Tensor`.
_OTHERS = (
    "binomial",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "multinomial",
    "poisson",
    "randint",
    "randint_like",
    "random_",
    "randperm",
)
_PATCHES: tuple[Patch, ...] = tuple(
    (owner, name, operation)
    for owners, operations in (
        ((torch, torch._VF), {**DROPOUTS, **RECURRENT}),
        ((torch,), {**FILLS, **RRELUS}),
        ((torch.nn.functional,), {"rrelu_": RRELUS["rrelu_"]}),
        ((torch.nn.functional, torch._C._nn), ATTENTION),
        ((torch.Tensor,), METHODS),
        ((torch, torch.Tensor), {name: Operation(name=name.rstrip("_")) for name in _OTHERS}),
    )
    for owner in owners
    for name, operation in operations.items()
)
# Arguments without which an operation is as good as any other.
_CHANCES = frozenset({"dropout_p", "dropout"})
_MODES = frozenset({"train", "training"})


@contextmanager
def random_operations(decisions: Decisions) -> Iterator[None]:
    with ExitStack() as stack:
        if decisions.is_thorough:
            stack.enter_context(_unnoticed(decisions))
        stack.enter_context(patched(decisions, _PATCHES))
        # Checkpoints put a generator back to where their segment began.
        stack.enter_context(
            watched_states(decisions, torch, reads=("get_rng_state",), sets=("set_rng_state",))
        )
        yield


class _Unnoticed(TorchDispatchMode):  # type: ignore[misc]
    """Names the random operations that reach Torch's kernels without having passed one of our names."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Torch would import its compiler to say so, which takes as long as importing Torch.
        return False

    def __init__(self, decisions: Decisions) -> None:
        super().__init__()
        self._decisions = decisions

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if (
            torch.Tag.nondeterministic_seeded in operation.tags
            and not self._decisions.passes_by
            and _decides(operation._schema.arguments, args, kwargs)
        ):
            self._decisions.note(operation.overloadpacket.__name__.rstrip("_"), shared=False)
        return operation(*args, **kwargs)


class _UnnoticedBesideCompiler(_Unnoticed):
    """The same, where something may be compiled: it must not be."""

    __torch_dispatch__ = _Unnoticed.__torch_dispatch__

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return True


def _unnoticed(decisions: Decisions) -> _Unnoticed:
    may_compile = "torch._dynamo" in sys.modules
    return (_UnnoticedBesideCompiler if may_compile else _Unnoticed)(decisions)


def _decides(parameters: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    for index, parameter in enumerate(parameters):
        value = args[index] if index < len(args) else kwargs.get(parameter.name, parameter.default_value)
        if (parameter.name in _CHANCES and value == 0) or (parameter.name in _MODES and value is False):
            return False
    return True
