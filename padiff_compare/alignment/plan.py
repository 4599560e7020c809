"""The plan: which layer of the reference is compared with which layer of the candidate."""

from __future__ import annotations

from functools import cached_property
from typing import Optional

from padiff_compare.alignment.correspondences import Correspondences
from padiff_compare.capture.trace import Trace
from padiff_rpc.records import record
from padiff_rpc.v1.records import Layer, Note, PlanPair, Reason
from padiff_rpc.v1.words import PairedBy, Side

LOW_CONFIDENCE = PlanPair.LOW_CONFIDENCE


@record
class SideTrace:
    """One side as the coordinator knows it before the first step.

    Attributes:
        layers: definition order, parents before children.
        trace: of one forward pass; empty where there was none, and definition order then stands in for
            execution order.
        is_cut: whether the pass raised, so that nobody knows which layers would have been called next.
    """

    layers: tuple[Layer, ...]
    trace: Trace = Trace()
    is_cut: bool = False


@record
class PairedLayer:
    """Two layers that do the same work.

    Attributes:
        reference, candidate: the layers' first paths.
        how: how they came to be a pair.
        confidence: 1 for the root, pins and equal paths with equal kind and weight shapes; less where
            order, type or content had to decide.
        compared: False where the layer map ignores either layer, or both lie inside a pinned pair;
            weights are copied all the same.
        reason: why it is not compared, or why confidence is below 1; None otherwise.
        unit: the two are compared as one unit, since their insides cannot pair (fused against separate
            projections): inputs, outputs and gradients count, layers and calls inside have no pairs.
    """

    reference: str
    candidate: str
    how: PairedBy
    confidence: float = 1.0
    compared: bool = True
    reason: Optional[Reason] = None
    unit: bool = False

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reason as records carry it: () for none."""
        return () if self.reason is None else (self.reason,)


@record
class PairedCall:
    """A call of each side that do the same, though not as calls of one pair of layers.

    `layer` is the pair for this call alone: one of the two layers works for several of the other side.
    """

    layer: PairedLayer
    reference_call: int
    candidate_call: int


@record
class Plan:
    """All pairs, and everything that has no partner.

    Attributes:
        layers: in the reference's definition order; every layer is in one pair at most.
        calls: where one layer that is called again and again does the work of several; in the reference's
            order of execution.
        only_reference, only_candidate: first paths of layers without a partner that nobody ignored
            and that lie in no pinned pair, definition order.
        ignored_reference, ignored_candidate: first paths of all layers that the layer map ignores,
            with or without a partner.
        left_out_reference, left_out_candidate: first paths of layers whose calls are not captured, since the
            user selects others; their weights are paired and compared as all others.
        inside_reference, inside_candidate: first paths of all layers inside pinned pairs.
        behind_reference, behind_candidate: those of `only_...` that would run behind the place where a pass
            was cut short, so that nobody can say that they miss a partner.
        reference_aliases, candidate_aliases: (other path, first path) of shared layers.
        correspondences: slots of paired calls that name and order pair wrongly; see `Rehearsal`.
        notes: what the user should know about the layer map.
    """

    layers: tuple[PairedLayer, ...]
    calls: tuple[PairedCall, ...] = ()
    only_reference: tuple[str, ...] = ()
    only_candidate: tuple[str, ...] = ()
    ignored_reference: tuple[str, ...] = ()
    ignored_candidate: tuple[str, ...] = ()
    left_out_reference: tuple[str, ...] = ()
    left_out_candidate: tuple[str, ...] = ()
    inside_reference: tuple[str, ...] = ()
    inside_candidate: tuple[str, ...] = ()
    behind_reference: tuple[str, ...] = ()
    behind_candidate: tuple[str, ...] = ()
    reference_aliases: tuple[tuple[str, str], ...] = ()
    candidate_aliases: tuple[tuple[str, str], ...] = ()
    correspondences: Correspondences = Correspondences()
    notes: tuple[Note, ...] = ()

    def candidate_of(self, reference_path: str) -> Optional[PairedLayer]:
        """Returns the pair of a reference layer, named by any of its paths; None without a partner."""
        return self._by_reference.get(self._reference_names.get(reference_path, reference_path))

    def reference_of(self, candidate_path: str) -> Optional[PairedLayer]:
        """Returns the pair of a candidate layer, named by any of its paths; None without a partner."""
        return self._by_candidate.get(self._candidate_names.get(candidate_path, candidate_path))

    def call_pair(self, side: Side, path: str, call: int) -> Optional[tuple[PairedLayer, int]]:
        """Returns the pair that a call counts for, and the number of its counterpart on the reference."""
        alone = self._by_call.get((side, path, call))
        if alone is not None:
            return alone.layer, alone.reference_call
        layer = self.candidate_of(path) if side is Side.REFERENCE else self.reference_of(path)
        return (layer, call) if layer is not None else None

    def skip_paths(self, side: Side) -> tuple[str, ...]:
        """Returns the first paths of layers whose calls are not compared on purpose.

        What is ignored, its partner, what is left out, and the insides of pinned pairs; sorted.
        """
        if side is Side.REFERENCE:
            paths = {*self.ignored_reference, *self.left_out_reference, *self.inside_reference}
            paths.update(pair.reference for pair in self.layers if not pair.compared)
        else:
            paths = {*self.ignored_candidate, *self.left_out_candidate, *self.inside_candidate}
            paths.update(pair.candidate for pair in self.layers if not pair.compared)
        return tuple(sorted(paths))

    @cached_property
    def _by_call(self) -> dict[tuple[Side, str, int], PairedCall]:
        return {
            key: one
            for one in self.calls
            for key in (
                (Side.REFERENCE, one.layer.reference, one.reference_call),
                (Side.CANDIDATE, one.layer.candidate, one.candidate_call),
            )
        }

    @cached_property
    def _by_reference(self) -> dict[str, PairedLayer]:
        return {pair.reference: pair for pair in self.layers}

    @cached_property
    def _by_candidate(self) -> dict[str, PairedLayer]:
        return {pair.candidate: pair for pair in self.layers}

    @cached_property
    def _reference_names(self) -> dict[str, str]:
        return dict(self.reference_aliases)

    @cached_property
    def _candidate_names(self) -> dict[str, str]:
        return dict(self.candidate_aliases)
