"""Function detail of whole passes, as the report has it: every function under the call that made it."""

from __future__ import annotations

from collections.abc import Iterable

from padiff_compare.functions.locate import Inside
from padiff_compare.functions.paired_functions import paired_functions
from padiff_rpc.v1.records import FunctionDetail, FunctionLeaves
from padiff_rpc.v1.words import Side

# A report is one message; a leaf takes about half a KiB.
_MOST_LEAVES = 5_000


class DetailMaker:
    """Makes the details of one report, which holds so many leaves in all."""

    def __init__(self) -> None:
        self._left = _MOST_LEAVES

    def of(self, step: int, insides: Iterable[Inside]) -> FunctionDetail:
        """Returns the detail of one pass."""
        tensors = paired = left_out = 0
        calls = []
        for inside in insides:
            found = paired_functions(inside.traces, inside.parameters)
            tensors, paired = tensors + found.tensors, paired + found.paired
            count = sum(map(len, found.leaves.values()))
            if count > self._left:
                left_out += count
                continue
            self._left -= count
            reference, candidate = inside.traces[Side.REFERENCE], inside.traces[Side.CANDIDATE]
            calls.append(
                FunctionLeaves(
                    reference_path=reference.path,
                    reference_call=reference.call,
                    candidate_path=candidate.path,
                    candidate_call=candidate.call,
                    reference=found.leaves[Side.REFERENCE],
                    candidate=found.leaves[Side.CANDIDATE],
                )
            )
        return FunctionDetail(
            step=step, tensors=tensors, paired=paired, calls=tuple(calls), left_out=left_out
        )
