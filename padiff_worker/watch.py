"""Watching a model of the user's own training script, as `padiff run` has started it."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from typing import Any, Optional

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.serving import Serving
from padiff_rpc.tls_files import TlsFiles
from padiff_rpc.watch_orders import WatchOrders, given_orders
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.loading import check_optimizer
from padiff_worker.model_calls import is_of_class, watch_calls
from padiff_worker.serve import open_worker
from padiff_worker.served_model import ServedModel
from padiff_worker.settings import WorkerSettings
from padiff_worker.watched_script import WatchedScript, makes_step

_SILENT_SECONDS = 3.0


def watch(adapter: FrameworkAdapter, model: Any, optimizer: Optional[Any] = None) -> None:
    """Has the steps that this script makes with `model` compared, where `padiff run` has started the script.

    Else it does nothing. Call it once, before the first step, on the thread that trains. The script waits at
    its first step until the other script has come to its own, and behind each step until that is compared.

    Args:
        adapter: the framework's.
        model: the live model; its forward in train mode, with gradients recorded, begins a step.
        optimizer: the optimizer over its parameters, whose step ends one; None: it is looked for.

    Raises:
        InvalidRequestError: the model or the optimizer is none of the framework's, or the optimizer is over
            another model.
    """
    orders = given_orders(os.environ)
    if orders is None:
        return
    if not adapter.is_model(model):
        raise InvalidRequestError(
            f"a {type(model).__module__}.{type(model).__qualname__} is not a {adapter.name} model",
            field="model",
        )
    if optimizer is not None:
        check_optimizer(adapter, model, optimizer)
        if not adapter.is_optimizer(optimizer):
            raise InvalidRequestError(
                "a function is not allowed; allowed: the optimizer itself, or nothing", field="optimizer"
            )
    _await_first_step(adapter, orders, type(model), lambda called: called is model, optimizer)


def watch_class(adapter: FrameworkAdapter, orders: WatchOrders) -> None:
    """As `watch`, for the first object of the class that the orders name; no line of the script says so."""
    name = orders.watched_class
    _await_first_step(adapter, orders, adapter.reader.base, lambda called: is_of_class(called, name), None)


def _await_first_step(
    adapter: FrameworkAdapter,
    orders: WatchOrders,
    owner: type,
    is_meant: Callable[[Any], bool],
    optimizer: Optional[Any],
) -> None:
    def before(called: Any) -> None:
        if not (is_meant(called) and makes_step(adapter, called)):
            return
        remove()
        if orders.claim():
            steps_with = optimizer if optimizer is not None else found_optimizer(adapter, called)
            script = WatchedScript(adapter, called, steps_with, orders.afterwards)
            script.attach(_serving(adapter, orders, script))
            script.before_call(called)

    remove = watch_calls(owner, before, adapter.is_compiling)


def found_optimizer(adapter: FrameworkAdapter, model: Any) -> Optional[Any]:
    """Returns the optimizer, of all that this process has, over the most weights of the model; None: none."""
    weights, most, found = adapter.weights(model), 0, None
    for one in gc.get_objects():
        # Some objects do things when they are asked for their class.
        if issubclass(type(one), adapter.optimizer_reader.classes):
            steps = len(adapter.view_optimizer(one, weights).settings)
            if steps > most:
                most, found = steps, one
    return found


@contextlib.contextmanager
def _serving(adapter: FrameworkAdapter, orders: WatchOrders, script: WatchedScript) -> Iterator[None]:
    """Serves the script's model for the length of the context, and tells where."""
    tls = None
    if orders.tls_certificate:
        tls = TlsFiles(certificate=orders.tls_certificate, key=orders.tls_key, ca=orders.tls_ca)
    serving = Serving(listen=orders.listen, token=orders.token, tls=tls, insecure=orders.insecure)
    served = ServedModel(model=script.model, optimizer=script.optimizer, script=script)
    device = adapter.device_of(script.model)
    with open_worker(
        adapter, WorkerSettings(), script.thread, serving, device=device, served=served
    ) as opened:
        orders.tell_address(opened.address)
        yield
