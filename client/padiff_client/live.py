"""Live models of both frameworks in one script: each is served from a thread of its own, and compared.

This module alone is client and worker in one process, as the older tool is; both frameworks have to be
importable there. What is lost with that: a model that crashes takes the script along, and the code of the
models counts as it was when the script was started.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Optional, Union

from padiff_client import api
from padiff_client.arguments import checked_save
from padiff_client.frameworks import FRAMEWORKS, framework_of
from padiff_client.habits import candidate_first, instead_of_live_argument, kind_of
from padiff_client.layer_map import LayerMap
from padiff_client.private_folder import private_folder
from padiff_client.report import Report
from padiff_client.spec import ModelSpec, PathLike
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import arguments_checked
from padiff_rpc.serving import Serving
from padiff_rpc.v1.records import Options

if TYPE_CHECKING:
    from padiff_worker.adapter import FrameworkAdapter

logger = logging.getLogger("padiff_client")

# From the end of a comparison to that of a model's thread.
_LAST_SECONDS = 5.0
# As many as there are models: (candidate's, reference's).
_Pair = Optional[tuple[Optional[Any], Optional[Any]]]


@candidate_first(framework_of)
@arguments_checked("auto_diff", instead_of_live_argument)
def auto_diff(
    layer: Any,
    module: Any,
    example_inp: Any,
    auto_weights: bool = True,
    steps: int = 1,
    options: Union[Options, Mapping[str, Any], None] = None,
    layer_map: Union[LayerMap, Mapping[str, str], None] = None,
    loss_fn: _Pair = None,
    optimizer: _Pair = None,
    store: Optional[PathLike] = None,
    keep: str = "failing",
    keep_mib: int = api.DEFAULT_KEEP_MIB,
) -> Report:
    """Returns what the comparison of two live models found; true exactly if they agree.

    As `padiff_client.auto_diff`, with objects in place of names: models, loss functions, and optimizers or
    functions without arguments that step and clear. Each model is compared in the mode (train or eval) in
    which it is given, and keeps what the comparison does to it: copied weights, optimizer steps.

    Raises:
        InvalidRequestError: the request cannot be; nothing was compared.
    """
    with served(layer, module, loss_fn=loss_fn, optimizer=optimizer) as (candidate, reference):
        return api.auto_diff(
            layer=candidate,
            module=reference,
            example_inp=example_inp,
            auto_weights=auto_weights,
            steps=steps,
            options=options,
            layer_map=layer_map,
            store=store,
            keep=keep,
            keep_mib=keep_mib,
        )


@candidate_first(framework_of)
@arguments_checked("assign_weight", instead_of_live_argument)
def assign_weight(
    layer: Any,
    module: Any,
    layer_map: Union[LayerMap, Mapping[str, str], None] = None,
    save: Optional[PathLike] = None,
) -> Report:
    """Copies the weights and buffers of one live model, `module`, into another, `layer`.

    As `padiff_client.assign_weight`; `save` names a file for the state of `layer`.
    """
    place = None if save is None else os.path.abspath(os.path.expanduser(checked_save(save)))
    folder = None if place is None else os.path.dirname(place)
    if folder is not None and not os.path.isdir(folder):
        raise InvalidRequestError(f"the folder {folder} does not exist; make it first", field="save")
    with served(layer, module, save_root=folder) as (candidate, reference):
        return api.assign_weight(layer=candidate, module=reference, layer_map=layer_map, save=place)


@arguments_checked("served", instead_of_live_argument)
@contextmanager
def served(
    layer: Any,
    module: Any,
    *,
    loss_fn: _Pair = None,
    optimizer: _Pair = None,
    save_root: Optional[str] = None,
) -> Iterator[tuple[ModelSpec, ModelSpec]]:
    """Serves two live models for the length of the context; yields their specs.

    Any function of the client takes them. `save_root` is the folder under which the state of `layer` may be
    saved. Raises InvalidRequestError for what is no model of either framework, and for two that share a part.
    """
    losses, optimizers = _objects(loss_fn, "loss_fn"), _objects(optimizer, "optimizer")
    adapters = _adapter(layer, "layer"), _adapter(module, "module")
    _check_apart((adapters[0], layer), (adapters[1], module))
    with ExitStack() as exits:
        folder = exits.enter_context(private_folder())
        specs = []
        for field, adapter, model, loss, stepping, root in (
            ("layer", adapters[0], layer, losses[0], optimizers[0], save_root),
            ("module", adapters[1], module, losses[1], optimizers[1], None),
        ):
            token = secrets.token_hex(16)
            serving = Serving(listen=folder.socket_address(field), token=token)
            exits.enter_context(
                _thread(adapter, model, serving, loss=loss, optimizer=stepping, save_root=root)
            )
            specs.append(ModelSpec(adapter.name, worker=serving.listen, token=token, train=model.training))
        yield specs[0], specs[1]


@contextmanager
def _thread(adapter: FrameworkAdapter, model: Any, serving: Serving, **more: Any) -> Iterator[None]:
    """Serves a model from a thread, where it also runs, for the length of the context."""
    from padiff_worker.model_thread import ModelThread
    from padiff_worker.serve import open_model

    model_thread = ModelThread()
    is_open: Future[None] = Future()

    def serve() -> None:
        try:
            with open_model(adapter, model, model_thread, serving, **more):
                is_open.set_result(None)
                model_thread.serve_forever()
        except BaseException as error:
            if is_open.done():
                raise
            is_open.set_exception(error)

    thread = threading.Thread(target=serve, name=f"model of {adapter.name}", daemon=True)
    thread.start()
    try:
        is_open.result()
        yield
    finally:
        model_thread.stop()
        thread.join(_LAST_SECONDS)
        if thread.is_alive():
            logger.warning("the %s model still runs, and no program can end a thread", adapter.name)
            model_thread.close()


def _check_apart(*models: tuple[FrameworkAdapter, Any]) -> None:
    """Raises InvalidRequestError where two models have a layer or a weight in common.

    What one side's run does to it, gradients, steps, copied weights, the other side would show as its own.
    """
    layers = [{id(one.layer): one.paths[0] for one in adapter.layers(model)} for adapter, model in models]
    weights = [
        {id(weight): name for name, weight in adapter.weights(model).items()} for adapter, model in models
    ]
    for what, (one, other) in (("layer", layers), ("weight", weights)):
        common = [name for number, name in one.items() if number in other]
        if common:
            shared = f"have the {what} {common[0]!r} in common" if common[0] else "are one object"
            raise InvalidRequestError(
                f"it and layer {shared}; give each its own, as copy.deepcopy makes it",
                field="module",
            )


def _objects(pair: Any, field: str) -> tuple[Optional[Any], Optional[Any]]:
    """Returns (candidate's, reference's). Raises InvalidRequestError for names, and for no pair."""
    if pair is None:
        return None, None
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or any(isinstance(one, str) for one in pair):
        raise InvalidRequestError(
            f"{pair!r} is not allowed; allowed: a pair (candidate's, reference's) of the objects themselves",
            field=field,
        )
    return pair[0], pair[1]


def _adapter(model: Any, field: str) -> FrameworkAdapter:
    """Returns the adapter of a model's framework. Raises InvalidRequestError for what is no model."""
    framework = framework_of(model)
    adapter: Optional[FrameworkAdapter] = None
    if framework is not None:
        module, name = FRAMEWORKS[framework].adapter
        adapter = getattr(importlib.import_module(module), name)()
    if adapter is None or not adapter.is_model(model):
        raise InvalidRequestError(
            f"{kind_of(model)} is not allowed; allowed: a "
            f"{', a '.join(known.model for known in FRAMEWORKS.values())} "
            "(models by reference go to padiff_client.auto_diff)",
            field=field,
        )
    return adapter
