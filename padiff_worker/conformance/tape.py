"""A recorder's captures as lines that a test can state."""

from __future__ import annotations

from typing import Any, Optional

from padiff_rpc.v1.records import CallEvent, CaptureId
from padiff_rpc.v1.words import CallMoment
from padiff_worker.captures import Capture, Wanted
from padiff_worker.conformance.case import AdapterCase
from padiff_worker.recorder import Recorder
from padiff_worker.sketching import Sketcher


class Tape:
    """A recorder's sink that keeps everything."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.values: dict[str, Any] = {}
        self.events: list[CallEvent] = []
        self.captures: list[Capture] = []
        # Numbers of what calls alone send back.
        self._own: set[int] = set()

    def call(self, event: CallEvent) -> None:
        slots = " ".join(f"{slot.name}={slot.tensor}" for slot in event.slots)
        sign = ">" if event.moment is CallMoment.ENTRY else "<"
        replay = " replay" if event.replay else ""
        self.lines.append(f"{sign} {event.path}#{event.call} {slots}{replay}".replace("  ", " ").rstrip())
        self.events.append(event)
        self._own.update(slot.gradient for slot in event.slots if slot.gradient)

    def capture(self, capture: Capture) -> None:
        where = f"{capture.id.path}#{capture.id.call}.{capture.id.slot}"
        own = "own_" if capture.gradient_of in self._own else ""
        name = f"{own}{capture.id.kind} {where}"
        assert name not in self.values, f"{name} was captured twice"
        self.lines.append(f"{capture.number}: {name}")
        self.values[name] = capture.tensor.array.tolist()
        self.captures.append(capture)

    @property
    def calls(self) -> list[str]:
        return [line for line in self.lines if line[0] in "<>"]

    @property
    def gradients(self) -> dict[str, Any]:
        return {name: value for name, value in self.values.items() if "_gradient" in name}


class Taped:
    """Runs a case's models under the recorder."""

    case: AdapterCase

    def run(
        self,
        model: Any,
        *args: Any,
        backward: bool = True,
        only: tuple[CaptureId, ...] = (),
        marks: Optional[frozenset[str]] = frozenset(),
        sketcher: Optional[Sketcher] = None,
        **kwargs: Any,
    ) -> Tape:
        """Runs one step; the loss has gradient 1 at the output's tensors."""
        tape, adapter = Tape(), self.case.adapter
        wanted = Wanted(gradients=backward, only_captures=only, marks=marks, sketcher=sketcher)
        with Recorder(adapter, adapter.layers(model), tape, wanted) as recorder:
            with adapter.gradient_mode(backward):
                output = model(*args, **kwargs)
                if backward:
                    outputs = output if isinstance(output, (tuple, list)) else (output,)
                    loss = self.case.total(*outputs)
                    recorder.begin_backward()
                    adapter.backward(loss)
        return tape

    def leaf(self, *values: float) -> Any:
        return self.case.tensor(values, requires_grad=True)
