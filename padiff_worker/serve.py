"""A worker process: a server over the model's thread."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FrameType
from typing import Any, Optional, Union

from padiff_rpc.child import check_not_inside_worker
from padiff_rpc.errors import InvalidRequestError, WorkerLostError
from padiff_rpc.health import WORKER_SERVICE, Health
from padiff_rpc.names import not_allowed
from padiff_rpc.records import record
from padiff_rpc.serving import Serving
from padiff_rpc.tls_files import TlsFiles
from padiff_rpc.v1.records import Tls
from padiff_rpc.v1.words import WorkerState
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.loading import check_optimizer
from padiff_worker.model_thread import ModelThread, ScriptInterrupted
from padiff_worker.served_model import ServedModel
from padiff_worker.servicer import register
from padiff_worker.settings import STREAMS, WorkerSettings
from padiff_worker.turn import Turn
from padiff_worker.worker import Worker

logger = logging.getLogger(__name__)


_NOT_READ_AGAIN = (
    "padiff: the model is this script's own object, and its code is not read again: after an edit, start the "
    "script again"
)


@record
class OpenWorker:
    """A worker that serves.

    Attributes:
        address: where.
        worker: what callers reach there.
        health: what probes hear of it.
    """

    address: str
    worker: Worker
    health: Health


@contextlib.contextmanager
def open_worker(
    adapter: FrameworkAdapter,
    settings: WorkerSettings,
    model_thread: ModelThread,
    serving: Serving,
    *,
    device: str,
    served: Optional[ServedModel] = None,
    turn: Optional[Turn] = None,
) -> Iterator[OpenWorker]:
    """Serves a worker for the length of the context.

    Inside, the caller's thread must run `model_thread.serve_forever()`. The worker is ready when a tensor
    was put on `device`; with a `turn`, which has begun, it is as ready as the process before it until then.
    """
    worker = Worker(adapter, settings, model_thread, served, turn)
    health = Health(WORKER_SERVICE, worker.is_moving)
    if turn is not None and turn.before.was_ready:
        worker.leases.is_ready = True
        health.set_serving(True)
    with serving.open(partial(register, worker), health, streams=STREAMS) as address:
        try:
            threading.Thread(
                target=_make_ready, args=(worker, health, device), name="readiness", daemon=True
            ).start()
            yield OpenWorker(address=address, worker=worker, health=health)
        finally:
            model_thread.close()


def _make_ready(worker: Worker, health: Health, device: str) -> None:
    try:
        worker.try_device(device)
    except WorkerLostError:
        return  # it is stopping
    except Exception as error:  # whatever a framework raises that has no such device
        logger.error("not ready: %s", error, exc_info=not isinstance(error, InvalidRequestError))
        health.set_serving(False)
        return
    if worker.state() is not WorkerState.DRAINING:
        health.set_serving(True)


@contextlib.contextmanager
def open_model(
    adapter: FrameworkAdapter,
    model: Any,
    model_thread: ModelThread,
    serving: Serving,
    *,
    loss: Optional[Callable[..., Any]] = None,
    optimizer: Optional[Any] = None,
    roots: tuple[str, ...] = (),
    save_root: Optional[str] = None,
) -> Iterator[OpenWorker]:
    """Serves a live model for the length of the context; see `serve` for the arguments.

    Inside, the caller's thread must run `model_thread.serve_forever()`.
    """
    check_not_inside_worker("serves a model")
    if not adapter.is_model(model):
        raise InvalidRequestError(
            f"a {type(model).__module__}.{type(model).__qualname__} is not a {adapter.name} model",
            field="model",
        )
    if loss is not None and not callable(loss):
        raise not_allowed(loss, "a function of (output) or (output, target)", field="loss")
    if optimizer is not None:
        check_optimizer(adapter, model, optimizer)
    served = ServedModel(model=model, loss=loss, optimizer=optimizer)
    settings = WorkerSettings(roots=roots, save_root=save_root)
    device = adapter.device_of(model)
    with open_worker(adapter, settings, model_thread, serving, device=device, served=served) as opened:
        yield opened


def serve(
    adapter: FrameworkAdapter,
    model: Any,
    *,
    address: str = "127.0.0.1:0",
    loss: Optional[Callable[..., Any]] = None,
    optimizer: Optional[Any] = None,
    token: str = "",
    tls: Union[Tls, TlsFiles, None] = None,
    insecure: bool = False,
    roots: Sequence[str] = (),
    save_root: Optional[str] = None,
    on_ready: Optional[Callable[[str], None]] = None,
) -> None:
    """Serves `model` as a worker until interrupted (Ctrl-C); blocks the calling thread.

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
        tls: needed off this machine, with a CA that callers' certificates are of, or with a token. TlsFiles
            are read again when they change.
        insecure: serve other machines without that; warns.
        roots: folders whose modules a comparison may name (losses, optimizers, loaders, rules).
        save_root: the folder under which the model's state may be saved; None: it may not.
        on_ready: takes the bound address.

    Raises:
        InvalidRequestError: the model or the optimizer is none of the framework's, the optimizer is over
            another model, the address cannot be used, or a worker imports the script that calls this.
    """
    if threading.current_thread() is not threading.main_thread():
        logger.warning("serve() runs the model on %s, not the main thread", threading.current_thread().name)
    thread = ModelThread()
    serving = Serving(listen=address, token=token, tls=tls, insecure=insecure)
    with open_model(
        adapter,
        model,
        thread,
        serving,
        loss=loss,
        optimizer=optimizer,
        roots=tuple(roots),
        save_root=save_root,
    ) as opened:
        print(_NOT_READ_AGAIN, file=sys.stderr, flush=True)
        (on_ready or (lambda ready: print(f"listening on {ready}", flush=True)))(opened.address)
        with _interruptible():
            thread.serve_forever()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the block, whatever runs in it; a handler of the script's own is left to do its work."""

    def interrupt(number: int, frame: Optional[FrameType]) -> None:
        raise ScriptInterrupted

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    takes_over = is_main and before is signal.default_int_handler
    if takes_over:
        signal.signal(signal.SIGINT, interrupt)
    try:
        with contextlib.suppress(ScriptInterrupted, KeyboardInterrupt):
            yield
    finally:
        if takes_over:
            signal.signal(signal.SIGINT, before)
