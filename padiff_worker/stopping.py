"""The end of a worker: running work gets its time, then is cut short in a way that its caller can read."""

from __future__ import annotations

import logging
import os
import threading

from padiff_rpc.health import Health
from padiff_rpc.stopping import StopSignals
from padiff_rpc.v1.words import WorkerState
from padiff_worker.model_thread import ModelThread
from padiff_worker.worker import Worker

logger = logging.getLogger(__name__)

# From the end of the last work to the end of the process; a model deep in a kernel would take its time.
_LAST_SECONDS = 5.0
_LAST_SECONDS_IN_A_HURRY = 1.0


def stop_when_told(
    signals: StopSignals, worker: Worker, health: Health, thread: ModelThread, *, drain_seconds: float
) -> None:
    """Returns at once; from the first signal on, the worker drains, and at its end `thread` is stopped.

    A second signal cuts the draining short.
    """

    def wait() -> None:
        signals.wait()
        worker.leases.close()
        if worker.state() is WorkerState.DRAINING:  # and not a process whose successor serves
            health.set_serving(False)
        if not worker.leases.is_free():
            logger.warning(
                "told to stop: the running comparison gets %g s; a second signal ends it at once",
                drain_seconds,
            )
        hurry = signals.drain(worker.leases.is_free, drain_seconds)
        if not worker.leases.is_free():
            worker.end(
                "the worker was told to stop by a second signal"
                if hurry
                else f"the worker was told to stop, and the {drain_seconds:g} s for what was running are over"
            )
        thread.stop()
        signals.wait(_LAST_SECONDS_IN_A_HURRY if hurry else _LAST_SECONDS)
        os._exit(1)

    threading.Thread(target=wait, name="stopping", daemon=True).start()
