"""Traces of earlier comparisons, in place of new ones where the same code is called with the same batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Optional

from padiff_compare.capture.batches import StepBatch
from padiff_compare.run import KeptTraces
from padiff_compare.source_pair import SourcePair
from padiff_rpc.tensors import checksum
from padiff_rpc.v1.records import Layer, Note, Options, TraceResponse
from padiff_rpc.v1.words import NoteKind, Side


class TraceKeeper:
    """Finds the traces of both sides of a comparison, and keeps those that its first step has borne out.

    A trace is known by the side's code (see `LoadResponse.code`), its layers and settings, and the batch. A
    recording has its own; so has what runs elsewhere than on a CPU, where the trace tells of noise too.
    """

    def __init__(
        self,
        kept: Optional[KeptTraces],
        sources: SourcePair,
        layers: Mapping[Side, tuple[Layer, ...]],
        options: Options,
    ) -> None:
        """`kept`: None where nothing is kept."""
        self._kept = kept
        self._sources = sources
        self._layers = layers
        self._options = options
        self._keys: dict[Side, str] = {}
        self._known: dict[Side, TraceResponse] = {}

    def known(self, batch: StepBatch) -> Mapping[Side, TraceResponse]:
        """Returns the kept traces of a forward pass on this batch."""
        if self._kept is None or batch.from_loader:
            return {}
        for side, source in self._sources.sides.items():
            code = self._sources.loaded[side].code
            if not code or source.worker.recording is not None or source.model.device != "cpu":
                continue
            key = self._keys[side] = self._key(side, code, batch)
            found = self._kept.get(key)
            if found is not None:
                self._known[side] = found
        return self._known

    def settle(self, traced: Mapping[Side, TraceResponse], departed: Collection[Side]) -> tuple[Note, ...]:
        """Keeps new traces, and drops those of sides that `departed` from them; returns what to note.

        A trace with marks is not kept: it is the worker's too, which learns them by it.
        """
        notes = []
        for side, key in self._keys.items():
            assert self._kept is not None
            if side in self._known:
                notes.append(Note(kind=NoteKind.KEPT_TRACE, side=side))
                if side in departed:
                    self._kept.drop(key)
                    notes.append(Note(kind=NoteKind.OTHER_CALLS, side=side))
            elif side not in departed and traced[side].failure is None and not traced[side].marks:
                self._kept.put(key, traced[side])
        return tuple(notes)

    def _key(self, side: Side, code: str, batch: StepBatch) -> str:
        source, options = self._sources.sides[side], self._options
        worker, loaded = source.worker, self._sources.loaded[side]
        build = worker.framework, worker.framework_version, worker.python_version, worker.numpy_version
        tensors = [(number, one.spec, checksum(one)) for number, one in batch.tensors_of(side)]
        asked = options.randomness, options.deterministic, options.threads
        shown = loaded.flags, self._layers[side], batch.batches[side], tensors
        return repr((build, worker.package_version, worker.executable, code, source.model, asked, shown))
