"""Hooks to ordered captures: the one place that knows what a capture is."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Optional

from padiff_rpc.arena import LaidTensor
from padiff_rpc.names import mark_path
from padiff_rpc.tensors import byte_count
from padiff_rpc.v1.records import CallEvent, CaptureId, Slot, SourceLine
from padiff_rpc.v1.words import CallMoment, CaptureKind
from padiff_worker.adapter import FrameworkAdapter, Remove
from padiff_worker.calls import Call, CallLog
from padiff_worker.captures import EVERYTHING, Capture, Sink, Wanted
from padiff_worker.functions.recorder import FunctionRecorder
from padiff_worker.layer_tree import LayerHandle
from padiff_worker.lockstep import Claim, Lockstep, Place
from padiff_worker.marks import marked_by
from padiff_worker.packed_sequences import PackedSequences, Packing
from padiff_worker.sketching import place_of
from padiff_worker.source_lines import calling_line
from padiff_worker.structure import NamedTensors, flatten_inputs, flatten_output, with_inputs, with_output
from padiff_worker.tensor_numbers import TensorNumbers


class Recorder:
    """Watches every layer of a model for one step. A context manager: leaving removes every hook.

    A tensor gets its number, and its bytes travel, when a hook first sees that object at that
    version; its bytes are copied inside the hook, before any in-place layer can change them. Numbers
    count from 1. Gradient hooks may run on another thread; everything else is the model's thread.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        layers: Iterable[LayerHandle],
        sink: Sink,
        wanted: Wanted = EVERYTHING,
        lockstep: Optional[Lockstep] = None,
    ) -> None:
        """`lockstep` puts the reference's values in place of what was captured."""
        self._adapter = adapter
        self._layers = tuple(layers)
        self._sink = sink
        self._wanted = wanted
        self._own_gradients = frozenset((one.path, one.call, one.slot) for one in wanted.own_gradients)
        self._only = frozenset(map(place_of, wanted.only_captures))
        self._takers = wanted.takers
        self._lockstep = lockstep
        self._log = CallLog()
        self._lock = threading.RLock()
        self._removes: list[Remove] = []
        self._marks: dict[str, None] = {}
        self._exits = ExitStack()
        self._numbers = TensorNumbers(adapter.identity)
        self._packed = PackedSequences(adapter.packed, adapter.tensor_in)
        self._origins: dict[int, CaptureId] = {}
        self._watched: set[int] = set()
        self._arrived: set[int] = set()
        # By a tensor's number: who else is told of its gradient, before the reference's takes its place.
        self._told: defaultdict[int, list[Callable[[Any], None]]] = defaultdict(list)
        if wanted.functions is not None:
            wanted.functions.watched_before = self._tell

    def __enter__(self) -> Recorder:
        for handle in self._layers:
            if handle.hidden:
                continue
            path = handle.paths[0]
            self._removes.append(
                self._adapter.watch(
                    handle.layer, functools.partial(self._entered, path), functools.partial(self._left, path)
                )
            )
        self._exits.enter_context(marked_by(self._marked))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes every hook; may be called twice."""
        self._exits.close()
        removes, self._removes = self._removes, []
        for remove in reversed(removes):
            remove()

    @property
    def marks(self) -> tuple[str, ...]:
        """The names of what was marked, in order."""
        return tuple(self._marks)

    @property
    def log(self) -> CallLog:
        """The calls as they come, for what depends on them."""
        return self._log

    @property
    def calls(self) -> int:
        return len(self._log.calls)

    @property
    def replays(self) -> int:
        return self._log.replays

    @property
    def innermost_path(self) -> str:
        """The layer that was being called when the model raised; "" is the root or outside."""
        return self._log.innermost_path

    def begin_backward(self) -> None:
        """From here on calls are replays of recomputation."""
        with self._lock:
            self._log.begin_replays()
            if self._lockstep is not None:
                self._lockstep.begin_backward()

    def end_backward(self) -> None:
        """From here on calls are calls again."""
        with self._lock:
            self._log.end_replays()

    @property
    def functions(self) -> Optional[FunctionRecorder]:
        """Who records the functions between the layers; None where nobody asks for them."""
        return self._wanted.functions

    @property
    def is_inside(self) -> bool:
        """Whether a layer's call is running, or a backward."""
        return self._log.is_inside

    def record_target(self, target: Any) -> None:
        """Sends what the loss will compare the output with."""
        for slot, tensor in flatten_output(target, self._adapter.tensor_in):
            self._send_new(tensor, self._id("", 0, slot, CaptureKind.TARGET))

    def record_loss(self, loss: Any) -> None:
        """Sends the loss's value."""
        self._send_new(loss, self._id("", 0, "loss", CaptureKind.LOSS))

    def override_parameter_gradients(self, parameters: Iterable[tuple[str, str, Any]]) -> None:
        """In lockstep, gives parameters (layer path, own name, tensor) the reference's gradients."""
        if self._lockstep is not None:
            for path, name, parameter in parameters:
                self._lockstep.override_gradient(path, name, parameter)

    def record_parameter_gradient(self, path: str, name: str, gradient: Any) -> None:
        """Sends the gradient of the parameter `name` of the layer at `path`."""
        own = self._times(gradient, 1.0 / self._wanted.loss_scale)
        self._send_new(own, self._id(path, 0, name, CaptureKind.PARAMETER_GRADIENT))

    def _entered(
        self, path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Optional[tuple[tuple[Any, ...], dict[str, Any]]]:
        with self._lock:
            inputs = flatten_inputs(args, kwargs, self._packed.tensor_in)
            call = self._log.enter(path, self._known(inputs) if self._log.replaying else {})
            if call is None:
                return None
            replaced = self._saw(
                call, CallMoment.ENTRY, inputs, source=calling_line(self._adapter.library_folders)
            )
            return with_inputs(args, kwargs, replaced, self._packed.tensor_in) if replaced else None

    def _known(self, inputs: NamedTensors) -> dict[str, int]:
        """Returns the numbers of those inputs that were seen before, by the slots of a call."""
        numbers = ((f"in.{slot}", self._numbers.known(tensor)) for slot, tensor in inputs)
        return {slot: number for slot, number in numbers if number is not None}

    def _left(self, path: str, output: Any) -> Optional[Any]:
        with self._lock:
            call = self._log.leave(path)
            if call is None:
                return None
            tensor_in = self._packed.tensor_in
            if self._takers is not None:
                self._takers.left(call)
            replaced = self._saw(call, CallMoment.EXIT, flatten_output(output, tensor_in))
            return with_output(output, replaced, tensor_in) if replaced else None

    def _marked(self, name: str, value: Any) -> Any:
        """Records what is marked as a layer would be that hands it on; returns what takes its place."""
        known = self._wanted.marks
        if not self._log.is_inside or not (known is None or name in known):
            return value
        self._marks[name] = None
        path = mark_path(name)
        changed = self._entered(path, (value,), {})
        value = value if changed is None else changed[0][0]
        replaced = self._left(path, value)
        return value if replaced is None else replaced

    def _saw(
        self, call: Call, moment: CallMoment, tensors: NamedTensors, source: Optional[SourceLine] = None
    ) -> Mapping[str, Any]:
        """Returns the tensors that are to take the place of others, by slot; mostly none."""
        functions = None if self._log.replaying else self._wanted.functions
        if functions is not None:
            functions.saw(call, moment, tensors, self._log.running)
        if call.path in self._wanted.skip_paths:
            if functions is not None:
                functions.settled(call, moment, [])
            return {}
        side = "in" if moment is CallMoment.ENTRY else "out"
        if self._log.replaying:
            self._saw_again(call, moment, side, tensors)
            return {}
        kind = CaptureKind.INPUT if moment is CallMoment.ENTRY else CaptureKind.OUTPUT
        slots: list[Slot] = []
        fresh: list[tuple[int, Any]] = []
        claims: dict[str, tuple[int, Any, Claim]] = {}
        own: dict[int, int] = {}
        for name, tensor in tensors:
            place = (moment, call.path, call.number, name)
            packing = self._packed.of_tensor(tensor)
            number, is_fresh = self._number(tensor, packing)
            if self._lockstep is not None:
                number, claim = self._lockstep.claim(
                    place, tensor, number, is_fresh, self._numbers.fresh, packing
                )
                if claim is not None:
                    claims[name] = (number, tensor, claim)
                    is_fresh = is_fresh or claim.is_anew
            if is_fresh:
                self._origins[number] = self._id(call.path, call.number, name, kind)
                fresh.append((number, tensor))
            call.slots[f"{side}.{name}"] = number
            gradient = self._own_number(place, number, tensor, own)
            if packing is not None:
                self._packed.note(number, packing)
                self._packed.note(gradient, packing)
            slots.append(self._slot(name, number, tensor, gradient))
            if self._takers is not None:
                self._takers.note(call, moment, number, tensor)
        self._sink.call(
            CallEvent(
                moment=moment,
                path=call.path,
                call=call.number,
                slots=tuple(slots),
                source=source,
            )
        )
        if self._wanted.values:
            for number, tensor in fresh:
                self._send(number, tensor, self._origins[number])
        replaced = self._synchronise(claims)
        anew = {claims[name][0]: made for name, made in replaced.items() if claims[name][2].is_anew}
        for number, tensor in fresh:
            # What stands in for a tensor hands its gradient on, so the total is at the tensor itself.
            self._watch_gradient(number, anew.get(number, tensor))
        if own:
            replaced = {**replaced, **self._branched(call, slots, {**dict(tensors), **replaced})}
        if functions is not None:
            # Most are overwritten in their memory, and stay what they are.
            claimed = {name: tensor for name, (_, tensor, _) in claims.items()}
            functions.settled(call, moment, list({**claimed, **replaced}.items()))
        return replaced

    def _saw_again(self, call: Call, moment: CallMoment, side: str, tensors: NamedTensors) -> None:
        """Takes in the tensors of a call that recomputation repeats."""
        for slot, tensor in tensors:
            self._watch_replayed(call.slots.get(f"{side}.{slot}"), tensor)
        self._sink.call(CallEvent(moment=moment, path=call.path, call=call.number, replay=True))

    def _number(self, tensor: Any, packing: Optional[Packing]) -> tuple[int, bool]:
        """Returns a tensor's number, and whether it is new."""
        number, is_fresh = self._numbers.of(tensor)
        if is_fresh or packing == self._packed.of(number):
            return number, is_fresh
        # It was shown as it is, or as another batch.
        self._numbers.forget(tensor)
        return self._numbers.of(tensor)

    def _slot(self, name: str, number: int, tensor: Any, gradient: int) -> Slot:
        spec, packing = self._adapter.spec(tensor), self._packed.of(number)
        if packing is None:
            return Slot(name=name, tensor=number, spec=spec, gradient=gradient)
        return Slot(
            name=name, tensor=number, spec=packing.spec(spec), gradient=gradient, lengths=packing.lengths
        )

    def _own_number(self, place: Place, number: int, tensor: Any, own: dict[int, int]) -> int:
        """Returns the number of what the call alone sends back to its input; 0 where nobody asks for it.

        `own` holds those of the call's other inputs, by their tensors.
        """
        moment, path, call, slot = place
        is_asked = moment is CallMoment.ENTRY and (path, call, slot) in self._own_gradients
        if not (is_asked and self._wanted.gradients and self._adapter.requires_gradient(tensor)):
            return 0
        gradient = own[number] if number in own else own.setdefault(number, self._numbers.fresh())
        if self._lockstep is not None:
            self._lockstep.claim_own_gradient(place, gradient)
        return gradient

    def _branched(self, call: Call, slots: Iterable[Slot], tensors: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns tensors of the call's own, over the same memory, where its own gradients are asked for."""
        branches: dict[int, Any] = {}
        for slot in slots:
            if slot.gradient and slot.gradient not in branches:
                branch = branches[slot.gradient] = self._adapter.branch(tensors[slot.name])
                self._numbers.assign(branch, slot.tensor)
                self._origins[slot.gradient] = self._id(call.path, call.number, slot.name, CaptureKind.INPUT)
                self._watch_gradient(slot.gradient, branch)
        return {slot.name: branches[slot.gradient] for slot in slots if slot.gradient}

    def _synchronise(self, claims: Mapping[str, tuple[int, Any, Claim]]) -> dict[str, Any]:
        """Overrides what was claimed, after its own values were captured; returns new tensors by slot."""
        replaced = {}
        for name, (number, tensor, claim) in claims.items():
            made = self._lockstep.synchronise(claim, number, tensor) if self._lockstep else tensor
            if made is tensor:
                continue
            replaced[name] = made
            self._numbers.assign(made, number)
            if not claim.is_anew:
                # Whoever still holds the original holds the candidate's own value, to be judged anew.
                self._numbers.forget(tensor)
        return replaced

    def _id(self, path: str, call: int, slot: str, kind: CaptureKind) -> CaptureId:
        return CaptureId(step=self._wanted.step, path=path, call=call, slot=slot, kind=kind)

    def _send_new(self, tensor: Any, capture_id: CaptureId, gradient_of: int = 0) -> None:
        # Several devices have several autograd threads; numbers must leave in order.
        with self._lock:
            self._send(self._numbers.fresh(), tensor, capture_id, gradient_of)

    def _send(self, number: int, tensor: Any, capture_id: CaptureId, gradient_of: int = 0) -> None:
        if self._only and place_of(capture_id) not in self._only:
            return
        packing = self._packed.of(gradient_of or number)
        spec = self._adapter.spec(tensor)
        sketcher = self._wanted.sketcher
        is_sketched = sketcher is not None and sketcher.takes(capture_id, spec)
        if packing is None and not is_sketched:
            laid = self._adapter.laid_copy(tensor, self._wanted.room(byte_count(spec)))
        else:
            copy = self._adapter.host_copy(tensor)
            laid = LaidTensor(tensor=copy if packing is None else packing.padded(copy))
        capture = Capture(
            id=capture_id,
            number=number,
            tensor=laid.tensor,
            gradient_of=gradient_of,
            place=laid.place,
        )
        sketched = sketcher.made(capture_id, laid.tensor) if sketcher is not None and is_sketched else None
        if sketched is not None:
            capture = dataclasses.replace(
                capture,
                tensor=sketched.tensor,
                sum_squares=sketched.sum_squares,
                is_transposed=sketched.is_transposed,
            )
        self._sink.capture(capture)

    def _watch_gradient(self, number: int, tensor: Any) -> None:
        if self._wanted.gradients and self._adapter.requires_gradient(tensor):
            self._watched.add(number)
            hook = functools.partial(self._gradient_came, number)
            self._removes.append(self._adapter.watch_gradient(tensor, hook))

    def _tell(self, tensor: Any, take: Callable[[Any], None]) -> bool:
        """Has `take` called with a tensor's gradient if it is watched here already; returns whether it is."""
        number = self._numbers.known(tensor)
        if number is None or number not in self._watched:
            return False
        self._told[number].append(take)
        return True

    def _watch_replayed(self, number: Optional[int], tensor: Any) -> None:
        # A tensor that had a graph in the forward pass gets its total gradient there; the replay's copy
        # of a segment's input would see this segment's share only.
        if number is not None and number not in self._watched:
            self._watch_gradient(number, tensor)

    def _gradient_came(self, number: int, gradient: Any) -> Optional[Any]:
        if gradient is None:
            return None
        with self._lock:
            if number in self._arrived:
                return None
            self._arrived.add(number)
            origin = self._origins[number]
            for take in self._told.pop(number, ()):
                take(gradient)
        kind = CaptureKind.INPUT_GRADIENT if origin.kind is CaptureKind.INPUT else CaptureKind.OUTPUT_GRADIENT
        capture_id = self._id(origin.path, origin.call, origin.slot, kind)
        own = self._times(gradient, 1.0 / self._wanted.loss_scale)
        self._send_new(own, capture_id, gradient_of=number)
        replaced = (
            self._lockstep.gradient(number, own, self._packed.of(number))
            if self._lockstep is not None
            else None
        )
        return None if replaced is None else self._times(replaced, self._wanted.loss_scale)

    def _times(self, gradient: Any, factor: float) -> Any:
        if factor == 1.0:
            return gradient
        with self._adapter.gradient_mode(False):
            return gradient * factor
