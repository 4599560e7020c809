"""One forward pass that leaves no trace of itself: its calls, its random operations, its noise."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection
from typing import Any, Optional

import numpy as np

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor, widen
from padiff_rpc.v1.records import CallEvent, CaptureId, ModelFailure, RandomOperation, RunToRunNoise
from padiff_rpc.v1.words import CaptureKind, Phase, Randomness
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.captures import Capture, Wanted
from padiff_worker.failures import NOT_THE_USERS, failure_from
from padiff_worker.generator_watch import GeneratorWatch
from padiff_worker.kept_state import parameters, restored
from padiff_worker.pulse import Pulse
from padiff_worker.randomness import Decisions
from padiff_worker.recorder import Recorder
from padiff_worker.structure import flatten_output
from padiff_worker.takers import Takers


@record
class Traced:
    """What a trace found; `noise` is None unless the pass was repeated to its end.

    `changed`: the parameters that the pass changed, by their full names.
    """

    calls: tuple[CallEvent, ...]
    failure: Optional[ModelFailure] = None
    random_operations: tuple[RandomOperation, ...] = ()
    noise: Optional[RunToRunNoise] = None
    marks: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def trace(
    adapter: FrameworkAdapter,
    model: Any,
    forward: Callable[[Recorder], None],
    randomness: Randomness,
    *,
    repeat: bool,
    others: Collection[Any] = (),
    pulse: Optional[Pulse] = None,
) -> Traced:
    """Returns what `forward` does with the model; its state and that of `others` is put back.

    `KeptState` says what belongs to it. With `repeat` it runs twice, from one state and with one set of
    random decisions: what differs is the noise of the model's own computation. `pulse` hears of the calls.
    """
    pulse = pulse or Pulse()
    first = _Run(adapter, model, others, pulse, hashes=repeat)
    failure = first.go(forward, randomness)
    calls, operations = tuple(first.calls), first.operations
    if failure is not None or not repeat:
        return Traced(
            calls=calls,
            failure=failure,
            random_operations=operations,
            marks=first.marks,
            changed=tuple(first.changed),
        )
    second = _Run(adapter, model, others, pulse, hashes=True)
    failure = second.go(forward, randomness)
    return Traced(
        calls=calls,
        failure=failure,
        random_operations=operations,
        noise=_noise(first, second) if failure is None else None,
        marks=first.marks,
        changed=tuple(dict.fromkeys((*first.changed, *second.changed))),
    )


class _Run:
    """One of the passes. The recorder's sink."""

    def __init__(
        self,
        adapter: FrameworkAdapter,
        model: Any,
        others: Collection[Any],
        pulse: Pulse,
        *,
        hashes: bool,
    ) -> None:
        self._adapter = adapter
        self._model = model
        self._others = others
        self._pulse = pulse
        self._hashes = hashes
        self._watch: Optional[GeneratorWatch] = None
        self._takers: Optional[Takers] = None
        self.calls: list[CallEvent] = []
        self.operations: tuple[RandomOperation, ...] = ()
        self.marks: tuple[str, ...] = ()
        self.changed: list[str] = []
        # Checksums of the calls' outputs, in order; the root's outputs themselves.
        self.checksums: dict[CaptureId, int] = {}
        self.outputs: list[HostTensor] = []

    def call(self, event: CallEvent) -> None:
        self.calls.append(event)
        self._pulse.saw(event)
        if self._watch is not None:
            self._watch.look()

    def capture(self, capture: Capture) -> None:
        if capture.id.kind is CaptureKind.OUTPUT:
            self.checksums[capture.id] = zlib.crc32(capture.tensor.flat_bytes())

    def go(self, forward: Callable[[Recorder], None], randomness: Randomness) -> Optional[ModelFailure]:
        """Returns what the pass raised, if it did."""
        adapter = self._adapter
        self._takers = takers = Takers(adapter)
        # As a step runs it: without gradients, Torch's transformer layers take a path that calls no children.
        with restored(adapter, self._model, self._others) as kept, adapter.gradient_mode(True):
            recorder = Recorder(
                adapter,
                adapter.layers(self._model),
                self,
                Wanted(values=self._hashes, gradients=False, takers=takers, marks=None),
            )
            decisions = Decisions(recorder.log, randomness, is_thorough=True)
            remove = adapter.watch(self._model, lambda args, kwargs: None, self._left)
            try:
                with recorder, adapter.random_operations(decisions):
                    self._watch = GeneratorWatch(decisions, recorder.log)
                    return self._attempt(forward, recorder)
            finally:
                remove()
                own = parameters(adapter, self._model)
                self.changed = [name for name in kept.changed() if name in own]
                self.calls = takers.counted_in(self.calls)
                self._watch = self._takers = None
                self.marks = recorder.marks
                self.operations = decisions.operations

    def _attempt(self, forward: Callable[[Recorder], None], recorder: Recorder) -> Optional[ModelFailure]:
        try:
            forward(recorder)
        except NOT_THE_USERS:
            raise
        except BaseException as error:
            return failure_from(
                error,
                Phase.TRACE,
                path=recorder.innermost_path,
                library_folders=self._adapter.library_folders,
            )
        if self._watch is not None:
            self._watch.look()
        return None

    def _left(self, output: Any) -> None:
        for _, tensor in flatten_output(output, self._adapter.tensor_in):
            if self._takers is not None:
                self._takers.returned(tensor)
            if self._hashes:
                self.outputs.append(self._adapter.host_copy(tensor))


def _noise(first: _Run, second: _Run) -> RunToRunNoise:
    differing = next(
        (which for which, checksum in second.checksums.items() if first.checksums.get(which) != checksum),
        None,
    )
    distance = max(map(_relative_l2, first.outputs, second.outputs), default=0.0)
    if len(first.outputs) != len(second.outputs):
        distance = math.inf
    return RunToRunNoise(
        differs=differing is not None or distance > 0 or len(first.checksums) != len(second.checksums),
        relative_l2=distance,
        path=differing.path if differing is not None else "",
        call=differing.call if differing is not None else 0,
    )


def _relative_l2(a: HostTensor, b: HostTensor) -> float:
    """Returns ||a - b|| / max(||a||, ||b||); infinity where shapes or what is no number differ."""
    if a.is_identical(b):
        return 0.0
    x, y = (np.asarray(widen(one.array, one.dtype)).reshape(-1) for one in (a, b))
    finite = np.isfinite(x)
    if x.shape != y.shape or not np.array_equal(finite, np.isfinite(y)):
        return math.inf
    x, y = (np.asarray(one[finite], np.complex128) for one in (x, y))
    largest = max(float(np.linalg.norm(x)), float(np.linalg.norm(y)))
    return float(np.linalg.norm(x - y)) / largest if largest else 0.0
