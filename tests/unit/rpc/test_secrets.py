"""Secrets stand in no log, traceback or error."""

import pytest

from padiff_rpc.serving import Serving
from padiff_rpc.v1.records import Tls, WorkerAddress


@pytest.mark.parametrize(
    "holder",
    [
        WorkerAddress(address="host:1", token="hush"),
        WorkerAddress(address="host:1", tls=Tls(key=b"hush")),
        Serving(token="hush"),
        Serving(tls=Tls(key=b"hush")),
    ],
    ids=["worker token", "worker key", "own token", "own key"],
)
def test_what_holds_a_token_or_a_key_does_not_show_it(holder: object) -> None:
    assert "hush" not in f"{holder!r} {holder}"
