"""A worker process: a server over the model's thread."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Optional

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.transport import open_server
from padiff_rpc.types import Tls
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.model_thread import ModelThread
from padiff_worker.servicer import register
from padiff_worker.session import ServedModel
from padiff_worker.worker import Worker, WorkerSettings

logger = logging.getLogger(__name__)

# A lease, a step, a weights stream, look-ups; and room for callers that are told to wait.
STREAMS = 16


@contextlib.contextmanager
def open_worker(
    adapter: FrameworkAdapter,
    settings: WorkerSettings,
    model_thread: ModelThread,
    *,
    address: str,
    token: str = "",
    tls: Optional[Tls] = None,
    served: Optional[ServedModel] = None,
) -> Iterator[str]:
    """Serves a worker for the length of the context; yields the bound address.

    Inside, the caller's thread must run `model_thread.serve_forever()`.
    """
    worker = Worker(adapter, settings, model_thread, served)
    with open_server(address, partial(register, worker), token=token, tls=tls, streams=STREAMS) as bound:
        try:
            yield bound
        finally:
            model_thread.close()


def serve(
    adapter: FrameworkAdapter,
    model: Any,
    *,
    address: str = "127.0.0.1:0",
    loss: Optional[Callable[..., Any]] = None,
    optimizer: Optional[Any] = None,
    token: str = "",
    tls: Optional[Tls] = None,
    roots: tuple[str, ...] = (),
    on_ready: Optional[Callable[[str], None]] = None,
) -> None:
    """Serves `model` as a worker until interrupted (Ctrl-C) or closed; blocks the calling thread.

    Call it from the main thread: the model runs there. `on_ready` is called with the bound address
    (default: it is printed). The model keeps what comparisons do to it: copied weights, optimizer steps.

    Args:
        adapter: the framework's.
        model: the live model; its train/eval mode is the spec's during a comparison, then put back.
        address: "unix:/path" or "host:port"; port 0 takes a free one.
        loss: called with (output) or (output, target); None: the default loss.
        optimizer: an optimizer of the framework over this model, or a function without arguments that
            steps and clears.
        token: what callers must present; empty: nothing.
        tls: needed off this machine.
        roots: folders whose modules a comparison may name (rules).
        on_ready: takes the bound address.

    Raises:
        InvalidRequestError: the model is none of the framework's, or the address cannot be used.
    """
    if not adapter.is_model(model):
        raise InvalidRequestError(
            f"model: a {type(model).__module__}.{type(model).__qualname__} is not a {adapter.name} model"
        )
    if threading.current_thread() is not threading.main_thread():
        logger.warning("serve() runs the model on %s, not the main thread", threading.current_thread().name)
    thread = ModelThread()
    served = ServedModel(model=model, loss=loss, optimizer=optimizer)
    settings = WorkerSettings(roots=roots)
    with open_worker(
        adapter, settings, thread, address=address, token=token, tls=tls, served=served
    ) as bound:
        (on_ready or (lambda ready: print(f"listening on {ready}", flush=True)))(bound)
        with contextlib.suppress(KeyboardInterrupt):
            thread.serve_forever()
