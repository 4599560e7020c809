"""The process's main thread as the place where the model runs."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import Any, Optional, TypeVar

from padiff_rpc.errors import WorkerLostError
from padiff_worker.pulse import Pulse

try:
    import resource
except ImportError:  # there is none on Windows
    resource = None  # type: ignore[assignment]

T = TypeVar("T")


# The kernel keeps 128 MiB free for the stack of a main thread, whatever its limit was at the start.
_STACK_BYTES = 120 << 20


@contextmanager
def deep_stack() -> Iterator[None]:
    """Lets the main thread's stack grow to 120 MiB for the length of the block, where the system lets it.

    A framework frees the graph of a deep model by recursion, one call within another for each operation: the
    usual 8 MiB are too few for 20,000 layers.
    """
    if resource is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = _STACK_BYTES if hard == resource.RLIM_INFINITY else min(_STACK_BYTES, hard)
    is_raised = soft != resource.RLIM_INFINITY and soft < wanted
    with suppress(ValueError, OSError):
        if is_raised:
            resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            if is_raised:
                resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


class ScriptInterrupted(BaseException):
    """Ctrl-C in a script that serves its own model. A KeyboardInterrupt is the model's."""


class ModelThread:
    """Runs functions, one at a time, on the thread that called `serve_forever`.

    Grad mode, autocast, default device and function modes are thread-local in both frameworks, so
    everything that touches the model goes through here.

    Attributes:
        pulse: where the thread is.
    """

    def __init__(self) -> None:
        self.pulse = Pulse()
        # SimpleQueue.put is reentrant: a signal handler may call stop().
        self._jobs: queue.SimpleQueue[Optional[tuple[Callable[[], Any], Future[Any]]]] = queue.SimpleQueue()
        self._running: Optional[Future[Any]] = None
        self._stopped = False

    def serve_forever(self) -> None:
        """Runs jobs until `stop`; what is still queued then fails with WorkerLostError."""
        try:
            with deep_stack():
                self.serve_until(lambda: False)
        finally:
            self.close()

    def serve_until(self, is_enough: Callable[[], bool]) -> None:
        """Runs jobs until `is_enough`, which is asked before each, or until `stop`; what waits then goes on
        waiting.
        """
        self.pulse.lives_here()
        while not (self._stopped or is_enough()):
            job = self._jobs.get()
            if job is None:
                break
            function, future = job
            self._running = future
            try:
                with self.pulse.working():
                    _settle(future.set_result, function())
            except ScriptInterrupted:
                _settle(future.set_exception, WorkerLostError("the worker was interrupted"))
                raise
            except BaseException as error:
                _settle(future.set_exception, error)
            finally:
                self._running = None
            del job, function, future  # a finished job must not keep the model alive

    def _refuse_waiting(self) -> None:
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None:
                job[1].set_exception(WorkerLostError("the worker is stopping"))
        self._jobs.put(None)  # it may have been taken from under a serve_forever that waits for it

    def stop(self) -> None:
        """Ends `serve_forever` after the running job; from any thread, or a signal handler."""
        self._stopped = True
        self._jobs.put(None)

    def close(self) -> None:
        """Stops, and refuses what waits even where nobody serves; may be called twice.

        Who waits for a job that runs on is refused too.
        """
        self.stop()
        running = self._running
        if running is not None:
            _settle(running.set_exception, WorkerLostError("the worker is stopping"))
        self._refuse_waiting()

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Queues `function`; the future gives its result or what it raised."""
        if self._stopped:
            raise WorkerLostError("the worker is stopping")
        future: Future[T] = Future()
        self._jobs.put((function, future))
        if self._stopped:  # it may have come after the last look into the queue
            self._refuse_waiting()
        return future

    def call(self, function: Callable[[], T]) -> T:
        """Runs `function` on the model's thread and returns its result."""
        return self.submit(function).result()


def _settle(settle: Callable[[Any], None], outcome: Any) -> None:
    """Settles a job's future, unless `close` did before."""
    with suppress(InvalidStateError):
        settle(outcome)
