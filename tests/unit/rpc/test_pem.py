"""Certificates and keys are refused in one line before gRPC's core aborts on them."""

from pathlib import Path

import pytest

from padiff_client.certs import make_certificates
from padiff_rpc.convert import from_proto
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1 import coordinator_pb2
from padiff_rpc.v1.records import Tls

NEITHER = "a certificate and its key go together: give both, or neither"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    make_certificates(str(folder), [], days=2, force=False)
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "ca", "field", "said"),
    [
        ("client.pem", "", "", "tls.key", NEITHER),
        ("", "client-key.pem", "", "tls.certificate", NEITHER),
        ("client.pem", "worker-key.pem", "", "tls.certificate", "values mismatch"),
        ("client-key.pem", "client-key.pem", "", "tls.certificate", "no PEM certificate"),
        ("client.pem", "client.pem", "", "tls.certificate", "no PEM certificate with its unencrypted key"),
        ("", "", "client-key.pem", "tls.ca", "no CA certificate"),
        ("garbage", "garbage", "", "tls.certificate", "no PEM certificate"),
        ("", "", "garbage", "tls.ca", "no CA certificate"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_its_field(
    folder: Path, certificate: str, key: str, ca: str, field: str, said: str
) -> None:
    (folder / "garbage").write_bytes(b"\xff\x00 no PEM")
    parts = {"certificate": certificate, "key": key, "ca": ca}
    with pytest.raises(InvalidRequestError, match=said) as caught:
        Tls.from_files(**{part: folder / name for part, name in parts.items() if name})
    assert caught.value.field == field
    assert "\n" not in str(caught.value)
    # A message of any client makes the same record.
    content = {part: (folder / name).read_bytes() for part, name in parts.items() if name}
    with pytest.raises(InvalidRequestError, match=said):
        from_proto(coordinator_pb2.Tls(**content), Tls)


def test_what_fits_together_is_taken(folder: Path) -> None:
    names = {"certificate": "worker.pem", "key": "worker-key.pem", "ca": "ca.pem"}
    tls = Tls.from_files(**{part: folder / name for part, name in names.items()})
    assert tls.certificate == (folder / "worker.pem").read_bytes()
    assert Tls.from_files(ca=folder / "ca.pem").certificate == b""
    assert Tls() == Tls(ca=b"")
