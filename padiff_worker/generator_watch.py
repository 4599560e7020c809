"""Calls that drew from generators that nothing announces: Python's, NumPy's, what a framework hides."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from padiff_worker.calls import CallLog
from padiff_worker.randomness import Decisions


class GeneratorWatch:
    """Compares the generators' states wherever a call begins or ends, and names what changed between."""

    def __init__(self, decisions: Decisions, log: CallLog) -> None:
        """Begins with the states as they are."""
        self._decisions = decisions
        self._log = log
        self._named = len(decisions.operations)
        self._call = log.innermost
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
        self._named = len(self._decisions.operations)
        self._call = self._log.innermost
        self._states = states

    def _read(self) -> dict[str, Any]:
        numpy_state: Any = np.random.get_state()
        return {
            "random": random.getstate(),
            "numpy.random": (numpy_state[1].tobytes(), *numpy_state[2:]),
            **{name: fingerprint() for name, fingerprint in self._decisions.generators.items()},
        }
