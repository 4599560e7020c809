"""Functions to traces: which selected call they belong to, what they took and what they made."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Optional

from padiff_rpc.fingerprints import to_bytes
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionCall, FunctionSelection, FunctionTrace
from padiff_rpc.v1.words import CallMoment, WeightKind
from padiff_worker.adapter import FrameworkAdapter, Remove
from padiff_worker.calls import Call
from padiff_worker.functions.arguments import Argument, bound, records_of
from padiff_worker.functions.frames import Frames, OuterCall
from padiff_worker.functions.returns import ReturnLines
from padiff_worker.functions.running_calls import RunningCall, RunningCalls
from padiff_worker.functions.tensor_elements import tensor_fingerprint
from padiff_worker.functions.tensors import HeldWeight, SeenTensors, TakenFingerprints
from padiff_worker.functions.trace import OpenTrace, Room
from padiff_worker.functions.watcher import Describe
from padiff_worker.layer_tree import LayerHandle, full_name
from padiff_worker.marks import marked_by
from padiff_worker.structure import NamedTensors, tensors_in

# The call of which a trace says that it put a hook on a gradient.
_HOOK = "register_hook"


@record
class _Described:
    """What a call is besides its tensors."""

    outer: OuterCall
    arguments: tuple[Argument, ...] = ()
    in_place: bool = False
    own_backward: bool = False


class FunctionRecorder:
    """Records the functions in the selected calls of one step, and the gradients of their tensors.

    Within `watching` the framework tells of its functions and marks are heard. Belongs to the thread that
    made it; gradients may come on another.

    Attributes:
        watched_before: has a tensor's gradient told, and says so, by whom it is watched already. Who comes
            later would see what takes the gradient's place.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        layers: Iterable[LayerHandle],
        weights: Mapping[str, Any],
        selections: Iterable[FunctionSelection],
        gradient_scale: Optional[float],
    ) -> None:
        """`gradient_scale`: what gradients are multiplied by; None where nobody asks for them."""
        self._adapter = adapter
        self._frames = Frames(adapter.function_words)
        handles = list(layers)
        self._classes = {path: handle.classes[0] for handle in handles for path in handle.paths}
        self._weights = dict(_held(handles, weights))
        self._gradient_scale = gradient_scale
        self.watched_before: Callable[[Any, Callable[[Any], None]], bool] = lambda tensor, take: False
        self._traces: list[OpenTrace] = []
        self._fingerprints, self._room = TakenFingerprints(adapter), Room()
        self._layers = {path: handle.layer for handle in handles for path in handle.paths}
        self._returns = ReturnLines(self._frames.line)
        self._running = RunningCalls(selections, self._new_trace)
        self._removes: list[Remove] = []
        self._lock = threading.Lock()
        self._owner = os.getpid(), threading.get_ident()
        self._is_silent = False
        self._were_silent: list[bool] = []
        self._drew = False
        # The framework's outermost function around the call before: what else it calls is of one group.
        self._outer_frame: Optional[FrameType] = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Returns a context in which functions are recorded; nothing is left behind it."""
        try:
            with marked_by(self._mark), self._adapter.functions(self):
                yield
        finally:
            self._outer_frame = None
            self._returns.close()
            removes, self._removes = self._removes, []
            for remove in reversed(removes):
                remove()

    def traces(self) -> Iterator[FunctionTrace]:
        """Yields what was recorded, in the order in which the selected calls began."""
        return (trace.closed() for trace in self._traces)

    # Told by the framework.

    @property
    def is_listening(self) -> bool:
        """Whether a function that is called now is the model's own, in a selected call."""
        if self._is_silent or self._running.open is None:
            return False
        return self._owner == (os.getpid(), threading.get_ident())

    @property
    def is_fine(self) -> bool:
        """Whether functions that the framework writes in Python are seen as those that they call."""
        running = self._running.innermost
        return self.is_listening and running is not None and self._is_frameworks(running)

    def call(
        self,
        name: str,
        run: Callable[[], Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        describe: Describe,
        *,
        writes: bool = False,
        own_backward: bool = False,
    ) -> Any:
        """Returns what `run()` does, having recorded it as a call of the function `name`.

        `writes`: it changes its first argument, even where the tensor's version does not tell;
        `own_backward`: the user's code sends its gradients. To be called where `is_listening`, in a frame of
        the function's caller or of the adapter's.
        """
        trace = self._running.open
        if trace is None or not trace.has_room():
            return run()
        with self._silence():
            taken = self._tensors((args, kwargs))
            inputs = tuple(trace.seen.of(tensor) for tensor in taken)
            before = [self._adapter.identity(tensor) for tensor in taken]
            self._drew = False
            result = run()
            returned = self._tensors(result)
            if name in self._adapter.function_words.by_products:
                del returned[1:]
            written = [one for one, was in zip(taken, before) if self._adapter.identity(one) != was]
            if writes and taken:
                # What it gives back, if anything, is that tensor once more.
                returned, written = [], [taken[0]]
            # What it merely gives back is no work of the function.
            if written or not all(_is_among(one, taken) for one in returned):
                outer = self._frames.outer_call(sys._getframe(1))
                described = _Described(
                    outer=outer,
                    arguments=tuple(describe(outer.frame)),
                    in_place=all(_is_among(one, written) for one in returned),
                    own_backward=own_backward,
                )
                self._add(trace, name, inputs, self._outputs(trace, returned, written), described)
        return result

    def random(
        self, name: str, run: Callable[[], Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Returns what `run()`, a random operation, does, having recorded it as one call; from anywhere."""

        def drawing() -> Any:
            self._drew = True
            return run()

        if not self.is_listening:
            return drawing()
        return self.call(name, drawing, args, kwargs, lambda _: bound(None, args, kwargs))

    def hook(self, run: Callable[[], Any], tensor: Any) -> Any:
        """Returns what `run()`, which puts a hook of the user's on the tensor's gradient, does."""
        trace = self._running.open
        if trace is None or not trace.has_room():
            return run()
        with self._silence():
            number = trace.seen.of(tensor)
            result = run()
            trace.seen.hooked(tensor)
            outer = self._frames.outer_call(sys._getframe(1))
            self._add(trace, _HOOK, (number,), (), _Described(outer=outer))
        return result

    def _mark(self, name: str, tensor: Any) -> Any:
        trace = self._running.open
        if trace is not None and self.is_listening and self._adapter.is_tensor(tensor):
            with self._silence():
                trace.seen.mark(tensor, name)
        return tensor

    # Told by the recorder of layers.

    def saw(
        self, call: Call, moment: CallMoment, tensors: NamedTensors, unended: Iterable[Call] = ()
    ) -> None:
        """Takes in the side's own tensors at the entry or exit of a call.

        What runs till `settled` is ours. `unended`: at entry the calls that have not ended, this one among
        them.
        """
        self._were_silent.append(self._is_silent)
        is_entry = moment is CallMoment.ENTRY
        if is_entry:
            running: Optional[RunningCall] = self._running.enter(call, unended, is_hidden=self._is_silent)
        else:
            running = self._running.at(call)
        self._is_silent = True
        if running is None:
            return
        if is_entry:
            if running.outer is not None:
                running.source = self._frames.outer_call(sys._getframe(1)).source
            for trace in running.traces:
                running.inputs = trace.bound(call, moment, tensors)
            return
        if running.trace is not None and running.is_selected:
            running.trace.bound(call, moment, tensors)
            running.trace.returned = self._returns.end(call)
        if running.outer is not None:
            self._leave(running, running.outer, tensors)

    def settled(self, call: Call, moment: CallMoment, tensors: NamedTensors) -> None:
        """Takes in what stands in slots of the call from here on, where an override may have replaced it.

        To be called behind each `saw`, without tensors where nothing was replaced.
        """
        running = self._running.at(call)
        if running is not None:
            for _, tensor in tensors:
                self._fingerprints.forget(tensor)
            for trace in running.traces:
                settled = trace.settle(call, moment, tensors)
                if moment is CallMoment.ENTRY:
                    running.inputs.update(settled)
            if moment is CallMoment.EXIT:
                self._running.leave()
            elif running.is_selected:
                self._returns.begin(call, self._layers[call.path])
        self._is_silent = self._were_silent.pop()

    def _leave(self, running: RunningCall, outer: OpenTrace, tensors: NamedTensors) -> None:
        call = running.call
        if not running.stands_as_call:
            outer.bound(call, CallMoment.EXIT, tensors)
        elif outer.has_room():
            outputs = outer.bound(call, CallMoment.EXIT, tensors, producer=outer.next_call)
            outer.add(
                FunctionCall(
                    number=outer.next_call,
                    operation=self._classes[call.path].rpartition(".")[2],
                    function=call.path,
                    source=running.source,
                    layer_path=call.path,
                    layer_call=call.number,
                    inputs=tuple(running.inputs.values()),
                    outputs=tuple(outputs.values()),
                    is_layer=True,
                    group=outer.new_group(),
                )
            )

    # Inside.

    def _new_trace(self, selection: FunctionSelection) -> OpenTrace:
        seen = SeenTensors(self._adapter, self._weights, self._fingerprints, self._watch_gradient)
        trace = OpenTrace(selection, seen, self._room)
        self._traces.append(trace)
        return trace

    def _outputs(self, trace: OpenTrace, returned: list[Any], written: list[Any]) -> tuple[int, ...]:
        """Returns the numbers of what the next call returned, and of what else it wrote into."""
        numbers = {trace.seen.written(tensor, trace.next_call): None for tensor in written}
        made = [trace.seen.of(tensor, trace.next_call) for tensor in returned]
        return tuple(dict.fromkeys([*made, *numbers]))

    def _add(
        self,
        trace: OpenTrace,
        name: str,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        described: _Described,
    ) -> None:
        words, running = self._adapter.function_words, self._running.innermost
        assert running is not None
        outer = described.outer
        operation = words.operation(name)
        is_same = outer.frame is not None and outer.frame is self._outer_frame
        self._outer_frame = outer.frame
        trace.add(
            FunctionCall(
                number=trace.next_call,
                operation=operation,
                function=_bare(outer.name) or name,
                source=outer.source,
                layer_path=running.call.path,
                layer_call=running.call.number,
                arguments=records_of(described.arguments, self._adapter, words),
                inputs=inputs,
                outputs=outputs,
                in_place=described.in_place,
                is_source=not inputs,
                is_layout=len(inputs) == 1 and words.is_layout(operation),
                is_random=self._drew,
                group=trace.group if is_same else trace.new_group(),
                has_own_backward=described.own_backward,
            )
        )

    def _watch_gradient(self, tensor: Any, take: Callable[[bytes], None], *, is_late: bool = False) -> None:
        """Takes a tensor's gradient as it comes; `is_late`: as whoever watches it by now leaves it."""
        if self._gradient_scale is None:
            return
        scale = self._gradient_scale

        def came(gradient: Any) -> None:
            if gradient is not None:
                with self._lock, self._silence(), self._adapter.gradient_mode(False):
                    scaled = gradient if scale == 1.0 else gradient * scale
                    take(to_bytes(tensor_fingerprint(self._adapter, scaled)))

        if is_late or not self.watched_before(tensor, came):
            self._removes.append(self._adapter.watch_gradient(tensor, came))

    def _tensors(self, value: Any) -> list[Any]:
        return tensors_in(value, self._adapter.tensor_in)

    def _is_frameworks(self, running: RunningCall) -> bool:
        own_classes = self._adapter.vocabulary.own_classes
        return own_classes.match(self._classes[running.call.path]) is not None

    @contextmanager
    def _silence(self) -> Iterator[None]:
        before, self._is_silent = self._is_silent, True
        try:
            yield
        finally:
            self._is_silent = before


def _held(handles: Iterable[LayerHandle], weights: Mapping[str, Any]) -> Iterator[tuple[int, HeldWeight]]:
    for handle in handles:
        for weight in handle.weights:
            name = full_name(handle.paths[0], weight.name)
            # Tied ones are listed under their first name.
            if name in weights:
                is_parameter = weight.kind is WeightKind.PARAMETER
                yield id(weights[name]), HeldWeight(name=name, is_parameter=is_parameter)


def _is_among(tensor: Any, others: list[Any]) -> bool:
    return any(tensor is one for one in others)


def _bare(name: str) -> str:
    """Returns the name of a function as users know it."""
    return name if name.startswith("__") or not name.startswith("_") else name.strip("_")
