"""The verbs of the client: what can be done with the two models of a comparison."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Optional

from padiff_client.comparison import Comparison
from padiff_client.frameworks import save_suffixes
from padiff_client.gathering import Interrupted
from padiff_client.keeping import Keeping
from padiff_client.link import connect
from padiff_client.progress import Onlooker
from padiff_client.recording import RecordingAsked
from padiff_client.recording_file import RecordingFile
from padiff_client.report import Report
from padiff_client.session import Server
from padiff_client.spec_paths import check_folder_of
from padiff_compare.report.run_store import RunStore
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import not_allowed
from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    AttachRequest,
    CheckInputsRequest,
    CompareStart,
    PlanStart,
    RecordStart,
    Timing,
)
from padiff_rpc.v1.words import KeptTensors, Phase, Side
from padiff_rpc.version import PROTOCOL_VERSION


def compare(asked: Comparison) -> Report:
    """Does what `auto_diff` describes. Raises Interrupted, with the report so far, after Ctrl-C."""
    began = asked.onlooker.began if asked.onlooker is not None else time.monotonic()
    asked.check_whereabouts()
    batches = asked.batches()
    with asked.session() as session:
        start_up = time.monotonic() - began
        start = CompareStart(
            protocol_version=PROTOCOL_VERSION,
            candidate=session.candidate,
            reference=session.reference,
            options=asked.options,
            layer_map=asked.layer_map,
            steps=asked.steps,
            auto_weights=asked.auto_weights,
            keep=KeptTensors.NONE if asked.store is None or asked.detached else asked.keep,
            keep_mib=asked.keep_mib,
            tell_so_far=True,
            detached=asked.detached,
            recorded_batches=asked.wants_recorded_batches(batches),
        )
        with Keeping(asked.store, start) as keeping:
            return _kept(
                keeping,
                lambda: session.explained(session.connection.compare(start, batches, keeping)),
                timed=lambda report: _timed(report, began, start_up),
            )


def attach(
    server: Server,
    asked: AttachRequest,
    store: Optional[RunStore],
    onlooker: Optional[Onlooker] = None,
) -> Report:
    """Returns the report of a detached comparison, which it follows to its end. Raises as `compare`."""
    with (
        connect(
            server.address,
            token=server.token,
            tls=server.tls,
            insecure=server.insecure,
            onlooker=onlooker,
        ) as connection,
        Keeping(store) as keeping,
    ):
        return _kept(keeping, lambda: connection.attach(asked, keeping))


def _kept(
    keeping: Keeping, run: Callable[[], Report], timed: Callable[[Report], Report] = lambda report: report
) -> Report:
    """Returns the report of `run`, `timed` and kept; what is interrupted is kept as well."""
    try:
        return keeping.end(timed(run()))
    except Interrupted as interrupted:
        raise Interrupted(keeping.end(timed(interrupted.report))) from None


def _timed(report: Report, began: float, start_up: float) -> Report:
    """Returns the report with its time counted from when the command began, its start-up among it."""
    seconds = time.monotonic() - began
    summary = replace(
        report.summary,
        started_at=time.time() - seconds,
        seconds=seconds,
        timings=(Timing(step=0, phase=Phase.CONNECT, seconds=start_up), *report.timings),
    )
    return Report(summary, report.all_rows, report.kept)


def plan(asked: Comparison) -> Report:
    """Returns a report with nothing but the plan: which layer would be compared with which.

    Of the batches, the first is used; the losses tell what of a loader's batch is the target. Raises
    InvalidRequestError also where a model could not be built, with what it raised.
    """
    asked.check_whereabouts()
    batches = asked.batches()
    with asked.session() as session:
        start = PlanStart(
            protocol_version=PROTOCOL_VERSION,
            candidate=session.candidate,
            reference=session.reference,
            layer_map=asked.layer_map,
            options=asked.options,
            recorded_batches=asked.wants_recorded_batches(batches),
        )
        report = session.explained(session.connection.plan(start, batches))
    if not report.plan:
        raise InvalidRequestError(f"the models could not be aligned: {report.reasons[0]}", field="plan")
    return report


def assign_weights(asked: Comparison, save: str = "") -> Report:
    """Does what `assign_weight` describes; `save` is empty for no file."""
    suffixes = save_suffixes(asked.candidate.framework)
    if save and not save.endswith(suffixes):
        whose = f" for {asked.candidate.framework}" if asked.candidate.framework else ""
        raise InvalidRequestError(
            f"{save!r} is not allowed; allowed suffixes{whose}: {', '.join(suffixes)}", field="save"
        )
    save_root = None
    if save and asked.candidate.worker is None:
        save = os.path.abspath(os.path.expanduser(save))
        save_root = os.path.dirname(save)
        check_folder_of(save, field="save")
    asked.check_whereabouts()
    with asked.session(save_root=save_root) as session:
        request = AssignWeightsRequest(
            protocol_version=PROTOCOL_VERSION,
            candidate=session.candidate,
            reference=session.reference,
            layer_map=asked.layer_map,
            save=save,
            options=asked.options,
        )
        return session.explained(session.connection.assign_weights(request))


def check_inputs(asked: Comparison, batches: int) -> Report:
    """Does what the public `check_inputs` describes."""
    for field, spec in (("layer", asked.candidate), ("module", asked.reference)):
        if not spec.loader:
            raise InvalidRequestError(
                'missing; name the function that returns the batches, as in "my_data:train_loader"',
                field=f"{field}.loader",
            )
    if isinstance(batches, bool) or not isinstance(batches, int) or not 1 <= batches < 2**32:
        raise not_allowed(batches, "a whole number of at least 1", field="batches")
    asked.check_whereabouts()
    with asked.session() as session:
        request = CheckInputsRequest(
            protocol_version=PROTOCOL_VERSION,
            candidate=session.candidate,
            reference=session.reference,
            batches=batches,
            options=asked.options,
        )
        return session.explained(session.connection.check_inputs(request))


def record(asked: RecordingAsked, path: str) -> tuple[Report, RecordingFile]:
    """Records a model into the file at `path`; returns what was in the way, and what was written.

    Raises Interrupted after Ctrl-C; the steps before are kept then, too.
    """
    asked.check_whereabouts()
    file = RecordingFile(path, field="output")
    batches = asked.batches()
    with asked.session() as session, file:
        start = RecordStart(
            protocol_version=PROTOCOL_VERSION,
            reference=session.parties[Side.REFERENCE],
            options=asked.options,
            steps=asked.steps,
            selection=asked.selection,
        )
        report = session.explained(session.connection.record(start, batches, file))
    return report, file
