"""Calls that drew from generators that nothing announces: Python's, NumPy's, what a framework hides."""

from __future__ import annotations

import ctypes
import random
import sys
from collections.abc import Callable
from typing import Any, Optional

import numpy as np

from padiff_worker.calls import CallLog
from padiff_worker.randomness import Decisions

# 624 words, and which of them is next. Python's and NumPy's own functions make a number of each.
_MERSENNE_BYTES = 625 * 4
# Of NumPy 1.24 and later.
_numpys_generator: Optional[Callable[[], Any]] = getattr(np.random, "get_bit_generator", None)


class GeneratorWatch:
    """Compares the generators' states wherever a call begins or ends, and names what changed between."""

    def __init__(self, decisions: Decisions, log: CallLog) -> None:
        """Begins with the states as they are."""
        self._decisions = decisions
        self._log = log
        self._named = len(decisions.operations)
        self._call = log.innermost
        _let_no_normal_number_wait()
        self._states = self._read()

    def look(self) -> None:
        """A call has begun or ended, or the run has: what was drawn since is the last innermost call's."""
        states = self._read()
        named = len(self._decisions.operations)
        for name, state in states.items():
            # An operation that was named explains its framework's generator.
            is_explained = name in self._decisions.generators and named != self._named
            if state != self._states[name] and not is_explained:
                self._decisions.note(name, shared=False, call=self._call)
                _let_no_normal_number_wait()
        self._named = len(self._decisions.operations)
        self._call = self._log.innermost
        self._states = states

    def _read(self) -> dict[str, Any]:
        return {
            "random": _pythons_state(),
            "numpy.random": _numpy_state(),
            **{name: fingerprint() for name, fingerprint in self._decisions.generators.items()},
        }


def _pythons_state() -> Any:
    """Returns what changes whenever Python's generator is drawn from."""
    generator: Any = getattr(random.getstate, "__self__", None)
    kind: type = type(generator)
    if kind is not random.Random or sys.implementation.name != "cpython":
        return random.getstate()
    # Behind what every object begins with; `gauss_next` is the second of two normal numbers.
    words = ctypes.string_at(id(generator) + object.__basicsize__, _MERSENNE_BYTES)
    return words, generator.gauss_next


def _is_read_in_place() -> bool:
    return _numpys_generator is not None and type(_numpys_generator()) is np.random.MT19937


def _let_no_normal_number_wait() -> None:
    """Forgets the second of two normal numbers, which NumPy keeps beside the state and would draw unseen."""
    if _is_read_in_place():
        state: Any = np.random.get_state()
        np.random.set_state(state[:3])


def _numpy_state() -> Any:
    """Returns what changes whenever NumPy's generator is drawn from."""
    if _numpys_generator is None:
        state: Any = np.random.get_state()
        return (state[1].tobytes(), *state[2:])
    generator = _numpys_generator()
    if not _is_read_in_place():  # a user has put another in its place
        return repr(generator.state)
    return ctypes.string_at(generator.ctypes.state_address, _MERSENNE_BYTES)
