"""A user's script between the steps that it makes itself: where it waits, and where it goes on.

```
 first forward        optimizer has stepped            comparison over
      |                     |                                |
 script --- waits --- step --- waits --- ... --- step --- waits --- goes on, or ends
              ^                  ^                           ^
              +- jobs of the contract run here, on the script's own thread
```
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Optional

from padiff_rpc.watch_orders import Afterwards
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.model_calls import watch_calls
from padiff_worker.model_thread import ModelThread
from padiff_worker.script_step import ScriptStep

_GOES_ON = "padiff: the comparison is over; the script goes on unwatched"
_ENDS = "padiff: the comparison is over, and the script ends here (padiff run --then continue lets it go on)"


def makes_step(adapter: FrameworkAdapter, model: Any) -> bool:
    """Whether a forward of the model, made now, is one of a step: in train mode, with gradients recorded."""
    return bool(getattr(model, "training", True)) and adapter.records_gradients()


class WatchedScript:
    """One model of a script, and the steps that the script makes with it.

    All but `open_step` and `release` is called on the script's thread. A step ends when the optimizer has
    stepped; without an optimizer, at the first forward behind a backward, or with the script.
    """

    def __init__(
        self, adapter: FrameworkAdapter, model: Any, optimizer: Optional[Any], afterwards: Afterwards
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.thread = ModelThread()
        self._adapter = adapter
        self._afterwards = afterwards
        # Of data loaders' processes, which are copies of this one, none is watched.
        self._pid = os.getpid()
        self._exits = ExitStack()
        # Holds while the script has to come to a step, or to the end of one.
        self._at_work = ExitStack()
        self._opened: Optional[ScriptStep] = None
        self._running: Optional[ScriptStep] = None
        self._steps = 0
        self._is_over = False
        # Why no further step will come; empty: one may.
        self._ended_because = ""

    def attach(self, serving: AbstractContextManager[Any]) -> None:
        """Watches from here on; `serving` is the context in which the model is served."""
        exits, adapter = self._exits, self._adapter
        exits.enter_context(serving)
        exits.callback(adapter.watch_backward(self._around_backward))
        if self.optimizer is not None:
            exits.callback(adapter.watch_step(self.optimizer, self._before_step, self._after_step))
        exits.callback(watch_calls(type(self.model), self.before_call, adapter.is_compiling))
        plain = sys.excepthook

        def raised(kind: Any, error: Any, trace: Any) -> None:
            self._raised(error)
            plain(kind, error, trace)

        sys.excepthook = raised
        # Before threads are joined, those of the connection among them.
        threading._register_atexit(self._script_ended)  # type: ignore[attr-defined]

    # From any thread.

    def open_step(self, step: ScriptStep) -> Future[None]:
        """Lets the script make its next step, which `step` watches; the future tells when it is over."""
        self.thread.submit(lambda: self._take(step))
        return step.told

    def release(self, close: Callable[[], None]) -> None:
        """Ends the watching, once the script waits; `close` lets go of the model."""

        def over() -> None:
            self._is_over = True
            close()

        self.thread.call(over)

    # On the script's thread.

    def before_call(self, called: Any) -> None:
        """An object of the model's class is about to be called."""
        if called is not self.model or os.getpid() != self._pid or not makes_step(self._adapter, called):
            return
        if self._is_over:
            # Not inside a hook, since no framework takes it off there.
            self._exits.close()
        elif self._running is None:
            self._begin_step()
        elif self._ends_here(self._running):
            self._end_step()
            self._begin_step()

    def _ends_here(self, step: ScriptStep) -> bool:
        return self.optimizer is None and step.has_gone_backward and not step.is_inside

    def _begin_step(self) -> None:
        self._wait()
        step, self._opened = self._opened, None
        if step is not None:
            self._running = step
            step.begin()

    def _end_step(self) -> None:
        step, self._running = self._running, None
        if step is not None:
            self._steps += 1
            step.end()
            self._at_work.close()

    def _take(self, step: ScriptStep) -> None:
        if self._ended_because:
            step.lack(self._ended_because)
        else:
            self._opened = step

    def _wait(self) -> None:
        """Runs jobs until the next step is opened, or the comparison is over.

        Raises SystemExit where the script is to end then.
        """
        try:
            self.thread.serve_until(self._goes_on)
        except KeyboardInterrupt:
            self._is_over = True
            self._exits.close()
            raise
        if self._is_over:
            self._leave()
        self._at_work.enter_context(self.thread.pulse.working())

    def _goes_on(self) -> bool:
        if self._opened is not None and self._opened.is_cancelled:
            self._opened.lack("nobody waits for the step any more")
            self._opened = None
        return self._is_over or self._opened is not None

    def _leave(self) -> None:
        # What waits is refused, as whoever might ask is gone.
        self.thread.close()
        stops = self._afterwards is Afterwards.STOP
        print(_ENDS if stops else _GOES_ON, file=sys.stderr, flush=True)
        if stops:
            raise SystemExit(0)

    @contextmanager
    def _around_backward(self, roots: tuple[Any, ...]) -> Iterator[None]:
        if self._running is None:
            yield
            return
        with self._running.around_backward(roots):
            yield

    def _before_step(self) -> None:
        if self._running is not None:
            self._running.before_step()

    def _after_step(self) -> None:
        if self._running is not None:
            self._end_step()
            self._wait()

    # The script's end.

    def _raised(self, error: BaseException) -> None:
        step = self._running or self._opened
        self._running = self._opened = None
        self._at_work.close()
        if step is None or self._is_over:
            return
        if isinstance(error, KeyboardInterrupt):
            step.lack("the script was interrupted")
        else:
            step.fail(error)

    def _script_ended(self) -> None:
        if os.getpid() != self._pid or self._is_over:
            self._exits.close()
            return
        if self.optimizer is None:
            self._end_step()
        steps = "1 step" if self._steps == 1 else f"{self._steps} steps"
        self._ended_because = f"the script ended after {steps}"
        for step in (self._running, self._opened):
            if step is not None:
                step.lack(self._ended_because)
        self._running = self._opened = None
        self._at_work.close()
        try:
            self.thread.serve_until(lambda: self._is_over)
        finally:
            self._exits.close()
