"""The functions that users call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Optional, Union

from padiff_client.arguments import (
    as_server,
    batches_of,
    caller_process,
    chosen_options,
    contestants,
    references,
)
from padiff_client.habits import candidate_first, instead_of_argument
from padiff_client.layer_map import LayerMap, as_layer_map
from padiff_client.report import Report
from padiff_client.session import Server, check_whereabouts, open_session
from padiff_client.spec import ModelSpec, PathLike
from padiff_client.spec_paths import check_folder_of
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import arguments_checked, shown
from padiff_rpc.v1.records import AssignWeightsRequest, CompareStart, Options, PlanStart, Tls
from padiff_rpc.version import PROTOCOL_VERSION

# Framework -> the state files that its worker writes; "" where only the worker knows its framework.
SAVE_SUFFIXES = {
    "torch": (".pt", ".safetensors"),
    "paddle": (".pdparams", ".safetensors"),
    "": (".pdparams", ".pt", ".safetensors"),
}
LayerMapLike = Union[LayerMap, Mapping[str, str], None]


@candidate_first
@arguments_checked("auto_diff", instead_of_argument)
def auto_diff(
    layer: ModelSpec,
    module: ModelSpec,
    example_inp: Any = None,
    auto_weights: bool = True,
    steps: int = 1,
    options: Union[Options, Mapping[str, Any], None] = None,
    layer_map: LayerMapLike = None,
    loss_fn: Optional[tuple[Optional[str], Optional[str]]] = None,
    optimizer: Optional[tuple[Optional[str], Optional[str]]] = None,
    server: Optional[str] = None,
    token: Optional[str] = None,
    tls: Optional[Tls] = None,
    insecure: bool = False,
) -> Report:
    """Returns what the comparison of two models found; true exactly if they agree.

    Args:
        layer: the candidate, whatever its framework.
        module: the reference.
        example_inp: the pair (candidate's, reference's) of a Batch or dict of keyword arguments, used at
            every step, or of an iterable of these, one a step. One iterable for both is pulled once. None
            where both specs name a loader.
        auto_weights: copy the reference's weights into the candidate first.
        steps: how many steps; more than one needs an optimizer to be of use.
        options: Options, or a dict of their names; the older tool's "steps" is taken too.
        layer_map: a LayerMap, or a dict from reference paths to candidate paths.
        loss_fn: the pair (candidate's, reference's) of "package.module:function", called with the output,
            or with (output, target) when the batch has a target. Default: see Options.loss.
        optimizer: the pair of "package.module:function", called with the model; returns an optimizer of
            its framework, or a callable without arguments that steps and clears the gradients.
        server: address of a coordinator that runs already; none: coordinator and workers are started
            here and are gone when this returns.
        token, tls: credentials for `server`.
        insecure: plain text to a `server` on another machine; warns each time.

    Raises:
        InvalidRequestError: the request cannot be; nothing was compared.
        WorkerLostError: a process could not be started or reached. One that is lost on the way ends the
            comparison with a report instead, as does a model that raises.
    """
    return compare(
        layer,
        module,
        example_inp,
        auto_weights=auto_weights,
        steps=steps,
        options=options,
        layer_map=layer_map,
        loss_fn=loss_fn,
        optimizer=optimizer,
        server=as_server(server, token, tls, insecure),
    )


@candidate_first
@arguments_checked("assign_weight", instead_of_argument)
def assign_weight(
    layer: ModelSpec,
    module: ModelSpec,
    layer_map: LayerMapLike = None,
    save: Optional[PathLike] = None,
    server: Optional[str] = None,
    token: Optional[str] = None,
    tls: Optional[Tls] = None,
    insecure: bool = False,
) -> Report:
    """Copies the weights and buffers of `module` (the reference) into `layer` (the candidate).

    Returns a report with a row for each weight, read back and compared, and with what could not be
    placed in `unmatched`. `save` names a file for the candidate's state: .pt for Torch, .pdparams for Paddle,
    .safetensors for both. It lies on the machine of the candidate's worker, under that worker's save root
    where it was not started here.

    Raises:
        InvalidRequestError, WorkerLostError: as for `auto_diff`.
    """
    candidate, reference = contestants(layer, module)
    if not isinstance(save, (str, os.PathLike, type(None))):
        raise InvalidRequestError(f"{shown(save)} is not allowed; allowed: a file's path", field="save")
    place = "" if save is None else os.fspath(save)
    suffixes = SAVE_SUFFIXES[layer.framework]
    if place and not place.endswith(suffixes):
        whose = f" for {layer.framework}" if layer.framework else ""
        raise InvalidRequestError(
            f"{place!r} is not allowed; allowed suffixes{whose}: {', '.join(suffixes)}", field="save"
        )
    save_root = None
    if place and layer.worker is None:
        place = os.path.abspath(os.path.expanduser(place))
        save_root = os.path.dirname(place)
        check_folder_of(place, field="save")
    record = as_layer_map(layer_map).to_record()
    coordinator = as_server(server, token, tls, insecure)
    check_whereabouts(candidate, reference, coordinator)
    with open_session(candidate, reference, coordinator, caller_process(), save_root=save_root) as session:
        return session.explained(
            session.connection.assign_weights(
                AssignWeightsRequest(
                    protocol_version=PROTOCOL_VERSION,
                    candidate=session.candidate,
                    reference=session.reference,
                    layer_map=record,
                    save=place,
                )
            )
        )


def plan(
    layer: ModelSpec,
    module: ModelSpec,
    example_inp: Any = None,
    layer_map: LayerMapLike = None,
    server: Optional[str] = None,
    token: Optional[str] = None,
    tls: Optional[Tls] = None,
    insecure: bool = False,
    verbose: bool = False,
    loss_fn: Optional[tuple[Optional[str], Optional[str]]] = None,
) -> Report:
    """Returns a report with nothing but the plan: which layer would be compared with which.

    The arguments are those of `auto_diff`; of the batches, the first is used. The losses tell what of a
    loader's batch is the target.

    Raises:
        InvalidRequestError: also where a model could not be built, with what it raised.
    """
    candidate, reference = contestants(layer, module, references(loss_fn, "loss_fn"))
    record = as_layer_map(layer_map).to_record()
    coordinator = as_server(server, token, tls, insecure)
    check_whereabouts(candidate, reference, coordinator)
    batches = batches_of(layer, module, example_inp)
    with open_session(candidate, reference, coordinator, caller_process(verbose)) as session:
        start = PlanStart(
            protocol_version=PROTOCOL_VERSION,
            candidate=session.candidate,
            reference=session.reference,
            layer_map=record,
        )
        report = session.explained(session.connection.plan(start, batches))
    if not report.plan:
        raise InvalidRequestError(f"the models could not be aligned: {report.reasons[0]}", field="plan")
    return report


def compare(
    layer: ModelSpec,
    module: ModelSpec,
    example_inp: Any,
    *,
    auto_weights: bool,
    steps: int,
    options: Union[Options, Mapping[str, Any], None],
    layer_map: LayerMapLike,
    loss_fn: Optional[tuple[Optional[str], Optional[str]]],
    optimizer: Optional[tuple[Optional[str], Optional[str]]],
    server: Optional[Server],
    verbose: bool = False,
) -> Report:
    """Does what `auto_diff` describes; `verbose` lets the started processes write to stderr."""
    losses, optimizers = references(loss_fn, "loss_fn"), references(optimizer, "optimizer")
    candidate, reference = contestants(layer, module, losses, optimizers)
    chosen, steps = chosen_options(options, steps)
    record = as_layer_map(layer_map).to_record()
    if not isinstance(auto_weights, bool):
        raise InvalidRequestError(
            f"{shown(auto_weights)} is not allowed; allowed: True, False", field="auto_weights"
        )
    check_whereabouts(candidate, reference, server)
    batches = batches_of(layer, module, example_inp)
    with open_session(candidate, reference, server, caller_process(verbose)) as session:
        start = CompareStart(
            protocol_version=PROTOCOL_VERSION,
            candidate=session.candidate,
            reference=session.reference,
            options=chosen,
            layer_map=record,
            steps=steps,
            auto_weights=auto_weights,
        )
        return session.explained(session.connection.compare(start, batches))
