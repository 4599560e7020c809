"""The functions that users call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional, Union

from padiff_client import verbs
from padiff_client.arguments import as_server, checked_save, chosen_options, references, specs
from padiff_client.comparison import Comparison
from padiff_client.habits import candidate_first, instead_of_argument
from padiff_client.keeping import known_store, store_of
from padiff_client.layer_map import LayerMap, as_layer_map
from padiff_client.progress import Echo
from padiff_client.recording import RecordingAsked
from padiff_client.report import Report
from padiff_client.spec import ModelSpec, PathLike
from padiff_client.specfile import read_comparison
from padiff_compare.report.run_store import LAST
from padiff_rpc.names import arguments_checked
from padiff_rpc.records import word
from padiff_rpc.v1.records import Options, Selection, Tls
from padiff_rpc.v1.words import KeptTensors

DEFAULT_BATCHES = 10
DEFAULT_KEEP_MIB = Comparison.keep_mib
EVERYTHING = Selection()

LayerMapLike = Union[LayerMap, Mapping[str, str], None]


@candidate_first()
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
    store: Optional[PathLike] = None,
    keep: str = "failing",
    keep_mib: int = DEFAULT_KEEP_MIB,
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
        store: the folder in which the run is kept as it is made (docs/runs.md), or "none"; default: that of
            PADIFF_STORE, else the user's data folder.
        keep: which tensors are kept with it, `keep_mib` MiB at most: "none", "failing" (both of each place
            that fails, and of what its call was given), "all". `Report.tensors` gives them.

    Raises:
        InvalidRequestError: the request cannot be; nothing was compared.
        WorkerLostError: a process could not be started or reached. One that is lost on the way ends the
            comparison with a report instead, as does a model that raises.
        Interrupted: in place of KeyboardInterrupt, whose kind it is; its `report` has what was found so far.
    """
    candidate, reference = specs(layer, module)
    chosen, steps = chosen_options(options, steps)
    return verbs.compare(
        Comparison(
            candidate=candidate,
            reference=reference,
            example_inp=example_inp,
            auto_weights=auto_weights,
            steps=steps,
            options=chosen,
            layer_map=as_layer_map(layer_map).to_record(),
            losses=references(loss_fn, "loss_fn"),
            optimizers=references(optimizer, "optimizer"),
            server=as_server(server, token, tls, insecure),
            store=store_of(store, os.environ),
            keep=word(KeptTensors, keep, field="keep"),
            keep_mib=keep_mib,
        )
    )


@arguments_checked("compare_spec")
def compare_spec(
    spec: PathLike,
    store: Optional[PathLike] = None,
    keep: str = "failing",
    keep_mib: int = DEFAULT_KEEP_MIB,
) -> Report:
    """Returns what the comparison of a YAML file found (docs/spec.md), as `padiff compare` prints it.

    `store`, `keep`, `keep_mib`: as for `auto_diff`. Raises what that raises; InvalidRequestError names file,
    line and key.
    """
    asked_store, kept = store_of(store, os.environ), word(KeptTensors, keep, field="keep")
    read = read_comparison(os.fspath(spec))
    with read.pointing():
        return verbs.compare(replace(read.comparison, store=asked_store, keep=kept, keep_mib=keep_mib))


def kept_report(run: str = LAST, store: Optional[PathLike] = None) -> Report:
    """Returns the report of a run that was kept: by its id, the beginning of one, or "last".

    `store`: as for `auto_diff`. Raises NotFoundError, InvalidRequestError where several begin so, and
    PaDiffError where its files are damaged.
    """
    found = known_store(store, os.environ).find(run)
    return Report(found.report.summary, found.report.rows, found)


@candidate_first()
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
    candidate, reference = specs(layer, module)
    asked = Comparison(
        candidate=candidate,
        reference=reference,
        layer_map=as_layer_map(layer_map).to_record(),
        server=as_server(server, token, tls, insecure),
    )
    return verbs.assign_weights(asked, "" if save is None else checked_save(save))


@arguments_checked("check_inputs", instead_of_argument)
def check_inputs(
    layer: ModelSpec,
    module: ModelSpec,
    batches: int = DEFAULT_BATCHES,
    options: Union[Options, Mapping[str, Any], None] = None,
    loss_fn: Optional[tuple[Optional[str], Optional[str]]] = None,
    server: Optional[str] = None,
    token: Optional[str] = None,
    tls: Optional[Tls] = None,
    insecure: bool = False,
    verbose: bool = False,
) -> Report:
    """Returns what the comparison of two loaders found; true exactly if their batches agree.

    Both models are built, since loaders may need what that does, and not run. Batch after batch is read
    on both sides; fields pair by name, then by order. The report has a row for each field of each batch,
    whose `step` is the number of the batch from 0; a loader that ends before the other is a difference.

    Args:
        layer, module: the candidate and the reference; each names a loader.
        batches: how many to compare, if there are so many. Without `options.keep_going` the first batch
            that differs is the last.
        options: of these `atol`, `rtol`, `check_dtype` and `keep_going` matter. By default floating values
            may differ by a rounding or two, all others not at all.
        loss_fn: as for `auto_diff`; tells what of a batch is the target.
        server, token, tls, insecure: as for `auto_diff`.
        verbose: lets the started processes write to stderr.

    Raises:
        InvalidRequestError, WorkerLostError: as for `auto_diff`.
    """
    candidate, reference = specs(layer, module)
    chosen, _ = chosen_options(options, 1)
    asked = Comparison(
        candidate=candidate,
        reference=reference,
        options=chosen,
        losses=references(loss_fn, "loss_fn"),
        server=as_server(server, token, tls, insecure),
        onlooker=Echo() if verbose else None,
    )
    return verbs.check_inputs(asked, batches)


@arguments_checked("record", instead_of_argument)
def record(
    model: ModelSpec,
    inputs: Any,
    output: PathLike,
    steps: int = 1,
    options: Union[Options, Mapping[str, Any], None] = None,
    loss_fn: Optional[str] = None,
    optimizer: Optional[str] = None,
    selection: Selection = EVERYTHING,
    server: Optional[str] = None,
    token: Optional[str] = None,
    tls: Optional[Tls] = None,
    insecure: bool = False,
    verbose: bool = False,
) -> Report:
    """Runs one model alone and writes all that it computes into the file `output` (docs/recordings.md).

    Returns a report without rows, true exactly if all steps are in the file; it says what was in the way. The
    steps before that are in the file, if there were any; else what has its name is as it was.

    Args:
        model: what to record; `ModelSpec(recording=output)` takes its place in comparisons.
        inputs: a Batch or a dict of keyword arguments, used at every step, or an iterable of these, one a
            step; None where the spec names a loader.
        output: the file.
        steps, options, server, token, tls, insecure: as for `auto_diff`.
        loss_fn, optimizer: as of one model of `auto_diff`: "package.module:function".
        selection: which layers, and whether floors and functions.
        verbose: lets the started processes write to stderr.

    Raises:
        InvalidRequestError, WorkerLostError, Interrupted: as `auto_diff`.
    """
    chosen, steps = chosen_options(options, steps)
    asked = RecordingAsked(
        model=model,
        inputs=inputs,
        steps=steps,
        options=chosen,
        selection=selection,
        loss=loss_fn or "",
        optimizer=optimizer or "",
        server=as_server(server, token, tls, insecure),
        onlooker=Echo() if verbose else None,
    )
    return verbs.record(asked, os.path.abspath(os.path.expanduser(os.fspath(output))))[0]
