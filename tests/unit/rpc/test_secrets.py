"""Secrets stand in no log, traceback or error."""

from pathlib import Path

import pytest

from padiff_client.certs import make_certificates
from padiff_rpc.serving import Serving
from padiff_rpc.v1.records import Tls, WorkerAddress


@pytest.mark.parametrize("holder", [WorkerAddress(address="host:1", token="hush"), Serving(token="hush")])
def test_what_holds_a_token_does_not_show_it(holder: object) -> None:
    assert "hush" not in f"{holder!r} {holder}"


def test_what_holds_a_key_does_not_show_it(tmp_path: Path) -> None:
    make_certificates(str(tmp_path), [], days=2, force=False)
    key = (tmp_path / "client-key.pem").read_text().splitlines()[1]
    tls = Tls.from_files(certificate=tmp_path / "client.pem", key=tmp_path / "client-key.pem")
    for holder in (WorkerAddress(address="host:1", tls=tls), Serving(tls=tls)):
        assert key not in f"{holder!r} {holder}"
