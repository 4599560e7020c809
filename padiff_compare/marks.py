"""Marks: tensors that the user named in both models are compared as what a layer hands on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Optional

from padiff_compare.capture.sides import SIDES
from padiff_rpc.names import mark_path
from padiff_rpc.records import record
from padiff_rpc.v1.records import Layer, LayerPair, Note, StatedPairing, TraceResponse
from padiff_rpc.v1.words import NoteKind, Side

# As the report has the class of what is at a mark's path.
_CLASS = "padiff_worker.Mark"


@record
class Marks:
    """The names under which each side marked tensors while it was traced, in order."""

    names: Mapping[Side, tuple[str, ...]]

    @classmethod
    def of(cls, traced: Optional[Mapping[Side, TraceResponse]]) -> Marks:
        """Returns those of a trace; none where there was none."""
        return cls(names={side: traced[side].marks if traced is not None else () for side in SIDES})

    def layers(self, layers: Mapping[Side, tuple[Layer, ...]]) -> dict[Side, tuple[Layer, ...]]:
        """Returns the layers with those that stand for marks."""
        paths = {side: dict.fromkeys(map(mark_path, self.names[side])) for side in SIDES}
        return {
            side: (
                *layers[side],
                *(Layer(path=path, classes=(_CLASS,)) for path in paths[side]),
            )
            for side in SIDES
        }

    def pairing(self, stated: StatedPairing) -> StatedPairing:
        """Returns what the user stated, and that marks of one name are one; others are left out.

        A map that was made of a plan may state some of them already.
        """
        known = {path for pair in stated.pairs for path in (pair.reference, pair.candidate)}
        common = dict.fromkeys(path for path in map(mark_path, self._common) if path not in known)
        alone = {
            side: tuple(path for path in map(mark_path, self._alone(side)) if path not in known)
            for side in SIDES
        }
        return dataclasses.replace(
            stated,
            pairs=(*stated.pairs, *(LayerPair(reference=path, candidate=path) for path in common)),
            ignored=dataclasses.replace(
                stated.ignored,
                reference=(*stated.ignored.reference, *alone[Side.REFERENCE]),
                candidate=(*stated.ignored.candidate, *alone[Side.CANDIDATE]),
            ),
        )

    def notes(self) -> tuple[Note, ...]:
        """Returns a note for each that one side alone has."""
        return tuple(
            Note(kind=NoteKind.MARKED_ALONE, side=side, names=(name,))
            for side in SIDES
            for name in self._alone(side)
        )

    @property
    def _common(self) -> tuple[str, ...]:
        return tuple(one for one in self.names[Side.REFERENCE] if one in self.names[Side.CANDIDATE])

    def _alone(self, side: Side) -> tuple[str, ...]:
        return tuple(one for one in self.names[side] if one not in self._common)
