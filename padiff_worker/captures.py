"""Captures of a step: tensors on their way out, who takes them, and what is wanted of them."""

from __future__ import annotations

from typing import Optional, Protocol

from padiff_rpc.arena import NOT_SHARED, TakeRoom
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import ArenaPlace, CallEvent, CallInput, CaptureId
from padiff_worker.functions.recorder import FunctionRecorder
from padiff_worker.sketching import Sketcher
from padiff_worker.takers import Takers


@record
class Capture:
    """One tensor on its way out. `gradient_of` is the number of what it is the gradient of (see Slot).

    `place`: where its bytes are in the arena; None: they travel. `sum_squares`, `is_transposed`: as
    `Sketched` has them, of a sketch; None: the sum is to be computed.
    """

    id: CaptureId
    number: int
    tensor: HostTensor
    gradient_of: int = 0
    place: Optional[ArenaPlace] = None
    sum_squares: Optional[float] = None
    is_transposed: bool = False


class Sink(Protocol):
    """Takes what the recorder sees, in order. May block, and may raise to stop the step."""

    def call(self, event: CallEvent) -> None: ...

    def capture(self, capture: Capture) -> None: ...


@record
class Wanted:
    """What of a step is to be recorded.

    Attributes:
        values, gradients: whether their bytes travel.
        skip_paths: layers of which nothing is.
        own_gradients: inputs whose calls get a tensor of their own, over the same memory, so that what the
            call alone sends back is seen.
        only_captures: whose bytes travel alone; none: all do.
        takers: is shown every tensor.
        marks: the names whose marks are recorded, as calls of layers; None: all, as they come.
        functions: is shown the tensors of every call, before and after they are overridden.
        room: where captures are copied to.
        sketcher: makes what travels in place of large tensors; None: all elements do.
        loss_scale: gradients are those of a loss that was multiplied by it; captures are without it.
    """

    step: int = 0
    values: bool = True
    gradients: bool = True
    skip_paths: tuple[str, ...] = ()
    own_gradients: tuple[CallInput, ...] = ()
    only_captures: tuple[CaptureId, ...] = ()
    takers: Optional[Takers] = None
    marks: Optional[frozenset[str]] = frozenset()
    functions: Optional[FunctionRecorder] = None
    room: TakeRoom = NOT_SHARED.room
    sketcher: Optional[Sketcher] = None
    loss_scale: float = 1.0


EVERYTHING = Wanted()
