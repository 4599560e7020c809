"""Comparing what two loaders give, without running the models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

from padiff_client.arguments import as_server, caller_process, chosen_options, contestants, references
from padiff_client.habits import instead_of_argument
from padiff_client.report import Report
from padiff_client.session import check_whereabouts, open_session
from padiff_client.spec import ModelSpec
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import arguments_checked, shown
from padiff_rpc.v1.records import CheckInputsRequest, Options, Tls
from padiff_rpc.version import PROTOCOL_VERSION

DEFAULT_BATCHES = 10


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
    candidate, reference = contestants(layer, module, references(loss_fn, "loss_fn"))
    for contestant in (candidate, reference):
        if not contestant.spec.loader:
            raise InvalidRequestError(
                'missing; name the function that returns the batches, as in "my_data:train_loader"',
                field=f"{contestant.field}.loader",
            )
    chosen, _ = chosen_options(options, 1)
    if isinstance(batches, bool) or not isinstance(batches, int) or not 1 <= batches < 2**32:
        raise InvalidRequestError(
            f"{shown(batches)} is not allowed; allowed: a whole number of at least 1", field="batches"
        )
    coordinator = as_server(server, token, tls, insecure)
    check_whereabouts(candidate, reference, coordinator)
    with open_session(candidate, reference, coordinator, caller_process(verbose)) as session:
        return session.explained(
            session.connection.check_inputs(
                CheckInputsRequest(
                    protocol_version=PROTOCOL_VERSION,
                    candidate=session.candidate,
                    reference=session.reference,
                    batches=batches,
                    options=chosen,
                )
            )
        )
