"""The batches of two loaders, compared field by field without running the models."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from padiff_compare.alignment.slots import pair_slots
from padiff_compare.capture.sides import SIDES, other
from padiff_compare.capture.source import LoadedBatch
from padiff_compare.judge.evidence import Evidence, PlainValues
from padiff_compare.judge.judged_row import blank_row, fails, judged_row, lone_row, numbered
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.settings import check_parties
from padiff_compare.source_pair import SourcePair
from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import Tree, record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CheckInputsRequest, Note, Place, Reason, Row, Slot, Trouble
from padiff_rpc.v1.words import CallMoment, CaptureKind, Cause, NoteKind, Phase, Side


@record
class _Fields:
    """One side's inputs, or its target: tensors and everything else, by name."""

    tensors: Mapping[str, HostTensor]
    plain: Mapping[str, Any]


class CheckInputsTask:
    """Reads batch after batch on both sides; the report holds a row for each field of each batch."""

    wants_outputs = False

    def __init__(self, asked: CheckInputsRequest, sources: SourcePair, report: ReportBuilder) -> None:
        """Raises InvalidRequestError for what cannot be checked."""
        check_parties(asked.reference, asked.candidate)
        for side, party in ((Side.REFERENCE, asked.reference), (Side.CANDIDATE, asked.candidate)):
            if not party.model.loader:
                raise InvalidRequestError(
                    "missing; name the function that returns the batches", field=f"{side}.loader"
                )
        if asked.batches < 1:
            raise InvalidRequestError(
                f"{asked.batches} is not allowed; allowed: a number of at least 1", field="batches"
            )
        self._asked = asked
        self._sources = sources
        self._report = report
        self._tolerances = Tolerances(asked.options)

    def run(self) -> None:
        """Compares until a batch differs, or to the end with keep_going."""
        options = self._asked.options
        self._report.judge_by(options)
        self._sources.load(deterministic=options.deterministic, threads=options.threads)
        for index in range(self._asked.batches):
            if not self._compare(index):
                break

    def _compare(self, index: int) -> bool:
        """Compares one batch; returns whether to go on."""
        batches = self._sources.read_batch(index)
        having = [side for side in SIDES if batches[side] is not None]
        if not having:
            self._both_ended(index)
            return False
        if len(having) == 1:
            self._report.add_rows([_early_end(index, having[0])])
            return False
        rows = self._report.add_rows(
            numbered(self._rows(index, {side: batch for side, batch in batches.items() if batch is not None}))
        )
        if not rows:
            text = f"batch {index} of both loaders is empty: nothing to compare"
            self._report.add_trouble(Trouble(phase=Phase.INPUTS, step=index, text=text))
            return False
        return self._asked.options.keep_going or not any(fails(row) for row in rows)

    def _both_ended(self, index: int) -> None:
        if index:
            numbers = float(index), float(self._asked.batches)
            self._report.note(Note(kind=NoteKind.LOADERS_ENDED, numbers=numbers))
        else:
            self._report.add_trouble(Trouble(phase=Phase.INPUTS, text="both loaders are empty"))

    def _rows(self, index: int, batches: Mapping[Side, LoadedBatch]) -> Iterator[Row]:
        for kind, parts in (
            (CaptureKind.INPUT, ("args", "kwargs")),
            (CaptureKind.TARGET, ("target",)),
        ):
            fields = {
                side: _fields([getattr(batches[side].batch, part) for part in parts], batches[side].tensors)
                for side in SIDES
            }
            of_batch = blank_row(Phase.INPUTS, kind, step=index)
            yield from self._tensor_rows(of_batch, fields)
            yield from self._plain_rows(of_batch, fields)

    def _tensor_rows(self, of_batch: Row, fields: Mapping[Side, _Fields]) -> Iterator[Row]:
        slots = {
            side: [
                Slot(name=name, tensor=number, spec=tensor.spec)
                for number, (name, tensor) in enumerate(fields[side].tensors.items())
            ]
            for side in SIDES
        }
        pairing = pair_slots(CallMoment.EXIT, slots[Side.REFERENCE], slots[Side.CANDIDATE])
        for pair in pairing.pairs:
            measured = measure_pair(
                Aspect(phase=of_batch.phase, kind=of_batch.kind),
                fields[Side.REFERENCE].tensors[pair.reference.name],
                fields[Side.CANDIDATE].tensors[pair.candidate.name],
                tolerances=self._tolerances,
            )
            placed = _placed(of_batch, pair.reference.name, pair.candidate.name)
            yield judged_row(placed, Evidence(kind=of_batch.kind, measured=measured), self._asked.options)
        yield from (_lone(of_batch, Side.REFERENCE, slot.name) for slot in pairing.only_reference)
        yield from (_lone(of_batch, Side.CANDIDATE, slot.name) for slot in pairing.only_candidate)

    def _plain_rows(self, of_batch: Row, fields: Mapping[Side, _Fields]) -> Iterator[Row]:
        """Yields rows of numbers, texts and the like: by name, and what is left in order."""
        ours, theirs = (dict(fields[side].plain) for side in SIDES)
        pairs = [(name, name) for name in ours if name in theirs]
        left = [name for name in ours if name not in theirs]
        right = [name for name in theirs if name not in ours]
        pairs += zip(left, right)
        for reference, candidate in pairs:
            plain = PlainValues(reference=ours[reference], candidate=theirs[candidate])
            placed = _placed(of_batch, reference, candidate)
            yield judged_row(placed, Evidence(kind=placed.kind, plain=plain), self._asked.options)
        paired = min(len(left), len(right))
        yield from (_lone(of_batch, Side.REFERENCE, name) for name in left[paired:])
        yield from (_lone(of_batch, Side.CANDIDATE, name) for name in right[paired:])


def _fields(packed: list[Tree], tensors: Mapping[int, HostTensor]) -> _Fields:
    found: dict[str, Any] = {}
    for tree in packed:
        if tree != trees.ABSENT:
            trees.map_leaves(trees.unpack(tree), lambda leaf, path: found.setdefault(path or "0", leaf))
    is_tensor = {name: isinstance(leaf, trees.TensorRef) for name, leaf in found.items()}
    return _Fields(
        tensors={name: tensors[leaf.number] for name, leaf in found.items() if is_tensor[name]},
        plain={name: leaf for name, leaf in found.items() if not is_tensor[name]},
    )


def _placed(of_batch: Row, reference: str, candidate: str) -> Row:
    return dataclasses.replace(
        of_batch, reference=Place(path="", slot=reference), candidate=Place(path="", slot=candidate)
    )


def _lone(of_batch: Row, side: Side, name: str) -> Row:
    return lone_row(_placed(of_batch, name, name), side)


def _early_end(index: int, going_on: Side) -> Row:
    reason = Reason(cause=Cause.LOADER_ENDED, side=other(going_on), numbers=(float(index),))
    row = blank_row(Phase.INPUTS, CaptureKind.INPUT, step=index)
    return lone_row(_placed(row, "", ""), going_on, reason)
