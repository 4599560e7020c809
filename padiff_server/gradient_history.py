"""What the steps so far have shown of each parameter's gradients, which an optimizer built on."""

from __future__ import annotations

from padiff_rpc.results import Row
from padiff_rpc.words import Verdict


class GradientHistory:
    """By the candidate's full parameter names.

    Attributes:
        below_rounding: parameters that ever had a gradient too small to mean anything.
        relative_l2: the largest relative L2 between the two gradients.
    """

    def __init__(self) -> None:
        self.below_rounding: set[str] = set()
        self.relative_l2: dict[str, float] = {}

    def note(self, name: str, row: Row) -> None:
        """Takes in the row of a parameter's gradient."""
        if row.figures is None:
            return
        if row.verdict is Verdict.NOT_COMPARED:
            self.below_rounding.add(name)
        self.relative_l2[name] = max(self.relative_l2.get(name, 0.0), row.figures.relative_l2)
