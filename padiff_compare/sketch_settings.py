"""Settings of comparisons by sketches: what level stats decides of a request, and what it cannot be with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import Word
from padiff_rpc.v1.records import CompareStart, Options, WorkerInfo
from padiff_rpc.v1.words import CompareMode, Detail, Floor, Level, Side, TraceMode

# What sketches do for, of options that are words.
_ALLOWED: Mapping[str, tuple[Word, ...]] = {
    "compare_mode": (CompareMode.STRICT,),
    "trace": (TraceMode.BEFORE,),
    "floor": (Floor.AUTO, Floor.TABLE),
    "detail": (Detail.AUTO, Detail.LAYERS),
}
# What needs whole tensors of both sides, all of them.
_NEED_TENSORS = ("single_step", "local_error", "oracle")


def as_sketched(
    start: CompareStart, workers: Mapping[Side, WorkerInfo] = MappingProxyType({})
) -> CompareStart:
    """Returns the request with what level stats decides: free runs, judged by the table of tolerances.

    `workers` are what the workers say of themselves, once they do. Raises InvalidRequestError for what it
    cannot be combined with, and for workers that make no sketches.
    """
    options = start.options
    if options.level is not Level.STATS:
        return start
    _check_options(options)
    if start.reference.model.train_step or start.candidate.model.train_step:
        raise InvalidRequestError(
            "stats is not allowed with a train step of your own, which cannot be run again to fetch tensors; "
            "allowed: full",
            field="options.level",
        )
    for side, worker in workers.items():
        _check_worker(side, worker)
    judged = dataclasses.replace(options, local_error=False, floor=Floor.TABLE, detail=Detail.LAYERS)
    return dataclasses.replace(start, options=judged)


def _check_options(options: Options) -> None:
    for field in _NEED_TENSORS:
        if getattr(options, field):
            raise InvalidRequestError(
                "true is not allowed with level: stats, which sends no whole tensors to the other side; "
                "allowed: false, or level: full",
                field=f"options.{field}",
            )
    for field, allowed in _ALLOWED.items():
        if getattr(options, field) not in allowed:
            raise InvalidRequestError(
                f"{getattr(options, field)} is not allowed with level: stats; allowed: "
                f"{', '.join(map(str, allowed))}, or level: full",
                field=f"options.{field}",
            )


def _check_worker(side: Side, worker: WorkerInfo) -> None:
    """Raises InvalidRequestError for a worker that cannot send sketches, and tensors of the same step."""
    if worker.recording is not None:
        why = "is a recording; record it with --statistics-only and leave level at full"
    elif worker.watches_script:
        why = "is a script, whose steps cannot be run again to fetch tensors; allowed: full"
    elif not (worker.has_sketches and worker.has_kept_state):
        why = f"has padiff-rpc {worker.package_version}, which makes no sketches; install this version there"
    else:
        return
    raise InvalidRequestError(f"stats is not possible: the {side} {why}", field="options.level")
