"""padiff certs: what is written, what may read it, and what is said of its end."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from padiff_client import certs, cli
from padiff_client.certificate_facts import read_certificates
from padiff_client.certs import make_certificates, make_client_certificate
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tls_files import TlsFiles
from padiff_rpc.v1.records import Tls


def test_init_writes_four_pairs_that_show_tells_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "certs")
    assert cli.main(["certs", "init", folder, "--host", "torch-worker", "--host", "10.0.0.5"]) == 0
    written = capsys.readouterr().out.split()
    assert {Path(file).name for file in written} == {
        f"{name}{suffix}.pem" for name in ("ca", "server", "worker", "client") for suffix in ("", "-key")
    }
    assert set(os.listdir(folder)) == {Path(file).name for file in written}
    assert cli.main(["certs", "show", folder]) == 0
    shown = capsys.readouterr().out
    hosts = "  for localhost, 127.0.0.1, ::1, torch-worker, 10.0.0.5"
    assert shown.count(hosts) == 2
    assert f"{folder}/client.pem: padiff client; ends " in shown
    ends = datetime.datetime.now(tz=datetime.timezone.utc) + datetime.timedelta(days=365)
    assert f"ends {ends:%Y-%m-}" in shown


def test_keys_are_the_owners_alone_from_the_beginning(tmp_path: Path) -> None:
    make_certificates(str(tmp_path / "certs"), [], days=2, force=False)
    for key in (tmp_path / "certs").glob("*-key.pem"):
        assert key.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "certs").stat().st_mode & 0o777 == 0o700


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    make_certificates(str(tmp_path), [], days=2, force=False)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(InvalidRequestError, match=r"ca-key\.pem exists: nothing was written; --force"):
        make_certificates(str(tmp_path), [], days=2, force=False)
    assert not (tmp_path / "ca.pem").exists()
    make_certificates(str(tmp_path), [], days=2, force=True)
    assert all(content != (tmp_path / name).read_bytes() for name, content in before.items())


def test_a_client_gets_a_certificate_of_its_own_name_from_the_ca_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path)
    assert cli.main(["certs", "client", "ada", folder]) == 2
    assert "has no CA that can sign" in capsys.readouterr().err
    make_certificates(folder, [], days=2, force=False)
    assert cli.main(["certs", "client", "ada", folder]) == 0
    assert capsys.readouterr().out.split() == [f"{folder}/ada.pem", f"{folder}/ada-key.pem"]
    (ada,) = (one for one in read_certificates(folder) if one.file == f"{folder}/ada.pem")
    assert (ada.subject, ada.hosts, ada.has_key) == ("ada", (), True)
    assert (tmp_path / "ada-key.pem").stat().st_mode & 0o777 == 0o600
    assert cli.main(["certs", "client", "ada", folder]) == 2
    assert "ada.pem exists: nothing was written; --force makes this one anew" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "a b", "../a", "ca", "client", "ada-key", "a\n", "é", "-a"])
def test_a_client_is_not_called_what_would_be_another_file(tmp_path: Path, name: str) -> None:
    make_certificates(str(tmp_path), [], days=2, force=False)
    with pytest.raises(InvalidRequestError, match="is not allowed as a client's name"):
        make_client_certificate(str(tmp_path), name, days=2, force=True)


@pytest.mark.parametrize(
    ("role", "purpose", "is_good"),
    [
        ("server", "sslserver", True),
        ("server", "sslclient", True),
        ("worker", "sslserver", True),
        ("worker", "sslclient", False),
        ("client", "sslclient", True),
        ("client", "sslserver", False),
    ],
)
def test_each_certificate_is_good_for_its_own_purpose_alone(
    tmp_path: Path, role: str, purpose: str, is_good: bool
) -> None:
    make_certificates(str(tmp_path), [], days=2, force=False)
    command = ["openssl", "verify", "-purpose", purpose, "-CAfile", f"{tmp_path}/ca.pem"]
    try:
        verified = subprocess.run([*command, f"{tmp_path}/{role}.pem"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no openssl command here")
    assert (verified.returncode == 0) is is_good, verified.stderr


def test_what_ends_soon_or_has_ended_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificates(str(tmp_path), [], days=10, force=False)
    assert cli.main(["certs", "show", str(tmp_path)]) == 2
    assert capsys.readouterr().out.count("WARNING: ends in 9 days") == 4
    later = datetime.datetime.now(tz=datetime.timezone.utc) + datetime.timedelta(days=11)
    monkeypatch.setattr(certs, "now", lambda: later)
    assert cli.main(["certs", "show", str(tmp_path)]) == 2
    assert capsys.readouterr().out.count("WARNING: has ended") == 4


def test_a_readable_key_and_a_strange_ca_are_warned_of(tmp_path: Path) -> None:
    make_certificates(str(tmp_path), [], days=100, force=False)
    (tmp_path / "worker-key.pem").chmod(0o644)
    make_certificates(str(tmp_path / "other"), [], days=100, force=False)
    (tmp_path / "other" / "client.pem").replace(tmp_path / "client.pem")
    problems = {Path(one.file).name: one.problem for one in read_certificates(str(tmp_path))}
    assert problems["worker.pem"].startswith("others may read its key: chmod 600 ")
    assert problems["client.pem"] == "made by another CA than ca.pem"
    assert problems["server.pem"] == problems["ca.pem"] == ""


@pytest.mark.parametrize("host", ["", "a b", "https://a", "a:5", "ä"])
def test_what_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"--host: .* is not allowed; allowed: a host's name or an IP"
    ):
        make_certificates(str(tmp_path), [host], days=2, force=False)


def test_wrong_folders_and_days_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"no certificate \(\*\.pem\) is here; make some: padiff certs"
    ):
        read_certificates(str(tmp_path))
    with pytest.raises(InvalidRequestError, match="--days: 0 is not allowed"):
        make_certificates(str(tmp_path), [], days=0, force=False)
    (tmp_path / "odd.pem").write_text("nothing")
    with pytest.raises(InvalidRequestError, match=r"odd\.pem: no certificate"):
        read_certificates(str(tmp_path))


def test_without_cryptography_the_pip_line_is_said(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from padiff_client import cli; sys.exit(cli.main(['certs', 'init', sys.argv[1]]))"
    )
    tried = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert tried.returncode == 2
    assert tried.stderr == (
        f"padiff: {sys.executable} has no cryptography, which makes certificates; run: {sys.executable} "
        "-m pip install 'padiff-rpc[certs]'\n"
    )


def test_tls_is_read_from_files(tmp_path: Path) -> None:
    make_certificates(str(tmp_path), [], days=2, force=False)
    tls = Tls.from_files(ca=tmp_path / "ca.pem")
    assert tls == Tls(ca=(tmp_path / "ca.pem").read_bytes())
    missing = tmp_path / "missing"
    with pytest.raises(InvalidRequestError) as caught:
        Tls.from_files(key=missing)
    assert str(caught.value) == f"tls.key: {missing} cannot be read: no such file or directory"
    for files in (
        TlsFiles(certificate=str(missing), key=str(missing)),
        TlsFiles(
            certificate=str(tmp_path / "server.pem"), key=str(tmp_path / "server-key.pem"), ca=str(missing)
        ),
    ):
        with pytest.raises(InvalidRequestError, match="missing cannot be read: no such file or directory"):
            files.read()


@pytest.mark.parametrize(("make", "called"), [(Tls, "Tls"), (Tls.from_files, "Tls.from_files")])
def test_an_unknown_part_of_tls_is_one_line_with_the_allowed_names(make: Any, called: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        make(cert=b"")
    said = f"{called}: cert: unknown argument; allowed: ca, certificate, key; nearest: certificate"
    assert str(caught.value) == said
