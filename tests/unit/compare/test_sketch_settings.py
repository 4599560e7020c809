"""Level stats: what it decides of a request, and what it is refused with."""

from __future__ import annotations

from typing import Any

import pytest

from padiff_compare.sketch_settings import as_sketched
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CompareStart, Model, Options, Party, WorkerAddress, WorkerInfo
from padiff_rpc.v1.words import Detail, Floor, Level, Side

ABLE = (WorkerInfo.KEPT_STATE, WorkerInfo.SKETCHES)


def start(*, train_step: str = "", **options: Any) -> CompareStart:
    parties = {
        str(side): Party(
            model=Model(model="m:f", train_step=train_step), worker=WorkerAddress(address=f"unix:/{side}")
        )
        for side in Side
    }
    return CompareStart(protocol_version=1, options=Options(**options), **parties)


def worker(**given: Any) -> WorkerInfo:
    said = dict.fromkeys(("framework", "framework_version", "python_version", "numpy_version", "host"), "x")
    fields = {"protocol_version": 1, "package_version": "0.1", "pid": 1, "capabilities": ABLE, **given}
    return WorkerInfo(**said, **fields)


def test_full_leaves_a_request_as_it_is() -> None:
    asked = start(single_step=True)
    assert asked.options.level is Level.FULL
    assert as_sketched(asked) is asked


def test_stats_is_a_free_run_judged_by_the_table_that_looks_into_no_functions() -> None:
    options = as_sketched(start(level="stats"), dict.fromkeys(Side, worker())).options
    assert (options.local_error, options.floor, options.detail) == (False, Floor.TABLE, Detail.LAYERS)
    again = as_sketched(start(level="stats", local_error=False, floor="table", detail="layers"))
    assert again.options == options


@pytest.mark.parametrize("field", ["single_step", "local_error", "oracle"])
def test_what_needs_whole_tensors_on_the_other_side_is_refused(field: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=rf"options\.{field}: true is not allowed with level: stats"
    ):
        as_sketched(start(level="stats", **{field: True}))


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("compare_mode", "mean", "strict"),
        ("trace", "first_step", "before"),
        ("floor", "measured", "auto, table"),
        ("detail", "functions", "auto, layers"),
    ],
)
def test_other_words_are_refused_with_those_that_are_allowed(field: str, value: str, allowed: str) -> None:
    said = rf"options\.{field}: {value} is not allowed with level: stats; allowed: {allowed}, or level: full"
    with pytest.raises(InvalidRequestError, match=said):
        as_sketched(start(level="stats", **{field: value}))


def test_a_train_step_of_the_users_own_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"options\.level: .*train step of your own.*allowed: full"):
        as_sketched(start(train_step="m:t", level="stats"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"capabilities": (WorkerInfo.KEPT_STATE,)}, "has padiff-rpc 0.1, which makes no sketches"),
        ({"capabilities": (WorkerInfo.SKETCHES,)}, "has padiff-rpc 0.1, which makes no sketches"),
        ({"watches_script": True}, "is a script"),
    ],
)
def test_a_worker_that_cannot_send_sketches_and_then_tensors_is_refused(
    given: dict[str, Any], said: str
) -> None:
    workers = {Side.REFERENCE: worker(), Side.CANDIDATE: worker(**given)}
    with pytest.raises(
        InvalidRequestError, match=f"options.level: stats is not possible: the candidate {said}"
    ):
        as_sketched(start(level="stats"), workers)
