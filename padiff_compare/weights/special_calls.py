"""Calls of users' functions for weights, with arrays of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from padiff_compare.capture.source import RuleFailed, Sources
from padiff_compare.weights.weight_pair import SpecialInit
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import Phase, Side

# Named arrays -> named arrays. Raises RuleFailed when the user's function raised.
Function = Callable[[Iterable[tuple[str, HostTensor]]], Mapping[str, HostTensor]]


class SpecialCalls:
    """Calls of one user's function, in the candidate's worker."""

    def __init__(self, sources: Sources, special: SpecialInit, phase: Phase) -> None:
        self._sources = sources
        self._special = special
        self._phase = phase

    def given(self) -> dict[str, HostTensor]:
        """Returns the reference's present weights, by the names that the function sees."""
        values = self._sources[Side.REFERENCE].weights.read(self._special.reference_names, self._phase)
        return dict(zip(self._special.references, values))

    def __call__(self, arrays: Iterable[tuple[str, HostTensor]]) -> Mapping[str, HostTensor]:
        """Returns what the function makes of named arrays. Raises RuleFailed when it raised."""
        special = self._special
        made, failure = self._sources[Side.CANDIDATE].apply_rule(special.function, arrays, self._phase)
        if failure is not None:
            raise RuleFailed(failure)
        unknown = made.keys() - special.candidates.keys()
        if unknown:
            raise InvalidRequestError(
                f"{special.function!r} returned {sorted(unknown)}; allowed: {', '.join(special.candidates)}",
                field="layer_map.special_init",
            )
        return made
