"""`padiff doctor` at addresses: who answers there, by which certificate, and what mends what does not."""

from __future__ import annotations

import datetime
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import make_elsewhere, make_ended
from processes import Service, running, running_worker

from padiff_client import cli
from padiff_client.certs import make_certificates

TOKEN = "the right token"


@dataclass(frozen=True)
class Secured:
    """A coordinator and a worker under mutual TLS, and a worker that asks for a token."""

    folder: Path
    coordinator: str
    worker: str
    with_token: str


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("doctor")
    for name in ("certs", "others"):
        make_certificates(str(folder / name), [], days=90, force=False)
    make_ended(folder / "certs")
    make_elsewhere(folder / "certs")
    flags = (
        *("--tls-cert", str(folder / "certs/worker.pem"), "--tls-key", str(folder / "certs/worker-key.pem")),
        *("--tls-ca", str(folder / "certs/ca.pem")),
    )
    with (
        running_worker(folder, "worker", *flags) as worker,
        running_worker(folder, "tokened", environment={"PADIFF_TOKEN": TOKEN}) as with_token,
    ):
        config = folder / "server.yaml"
        tls = {"certificate": "certs/server.pem", "key": "certs/server-key.pem", "ca": "certs/ca.pem"}
        workers = {
            "one": {
                "address": worker.address,
                "framework": "fake",
                "labels": {"cuda": "12.6"},
                "tls": tls,
            },
            "gone": {"address": "127.0.0.1:1"},
        }
        config.write_text(json.dumps({"workers": workers, "tls": tls}))
        with running("-m", "padiff_server", "--config", str(config), log=folder / "c.log") as coordinator:
            yield Secured(
                folder=folder,
                coordinator=coordinator.address,
                worker=worker.address,
                with_token=with_token.address,
            )


def credentials(
    secured: Secured, name: str = "client", *, certs: str = "certs", ca: str = "certs"
) -> list[str]:
    place = secured.folder / certs
    return [
        *("--tls-ca", str(secured.folder / ca / "ca.pem")),
        *("--tls-cert", str(place / f"{name}.pem"), "--tls-key", str(place / f"{name}-key.pem")),
    ]


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Returns the exit code and the lines, that of this Python left out."""
    code = cli.main(["doctor", *arguments])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("ok       client: ")
    return code, lines


def the_problem(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """Returns the one problem, and what mends it."""
    code, (text, mend) = doctor(capsys, *arguments)
    assert code == 2
    assert text.startswith("problem  ")
    assert mend.startswith("         ")
    return text, mend


def test_a_coordinator_under_mutual_tls_is_looked_at_with_its_workers(
    secured: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = doctor(capsys, "--server", secured.coordinator, *credentials(secured))
    assert code == 2
    ends = datetime.datetime.now(tz=datetime.timezone.utc) + datetime.timedelta(days=90)
    assert lines[0].startswith(
        f"ok       {secured.coordinator}: TLS; its certificate is for 127.0.0.1 and ends"
    )
    assert lines[0].endswith(f"{ends:%Y-%m}-{lines[0][-2:]}")
    assert lines[1] == f"ok       server: {secured.coordinator} answers, and speaks our protocol version"
    assert lines[2].startswith(f"ok       worker one: {secured.worker}: fake ")
    assert lines[3].startswith("problem  worker gone: ")
    assert lines[4].strip().startswith("start it with --listen 127.0.0.1:1")


CLIENT_SIDE = [
    ("wrong ca", {"ca": "others"}, "not accepted here", "give the ca.pem that was made together with"),
    (
        "wrong certificate",
        {"certs": "others"},
        "another CA than the given one made it",
        "give the client.pem",
    ),
    (
        "ended",
        {"name": "ended"},
        "does not accept our certificate: it ended on",
        "padiff certs init --force",
    ),
]


@pytest.mark.parametrize(
    ("case", "given", "text", "mend"), CLIENT_SIDE, ids=[case for case, *_ in CLIENT_SIDE]
)
def test_credentials_that_do_not_fit_are_told_apart(
    secured: Secured,
    capsys: pytest.CaptureFixture[str],
    case: str,
    given: dict[str, str],
    text: str,
    mend: str,
) -> None:
    said, mending = the_problem(capsys, "--server", secured.coordinator, *credentials(secured, **given))
    assert text in said
    assert mend in mending


def test_no_certificate_and_no_tls_are_told_apart(
    secured: Secured, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    ca = ["--tls-ca", str(secured.folder / "certs/ca.pem")]
    said, mending = the_problem(capsys, "--server", secured.coordinator, *ca)
    assert "asks for a certificate of ours" in said
    assert "client.pem of padiff certs init" in mending
    said, mending = the_problem(capsys, "--server", secured.coordinator)
    assert "speaks TLS, and is called in plain text" in said
    assert "--tls-ca" in mending
    said, mending = the_problem(capsys, "--server", service.coordinator, *ca)
    assert "speaks plain text, and is called with TLS" in said
    assert "leave tls out" in mending


def test_a_certificate_for_another_host_names_the_line_that_makes_one(
    secured: Secured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        *("--tls-cert", str(secured.folder / "certs/elsewhere.pem")),
        *("--tls-key", str(secured.folder / "certs/elsewhere-key.pem")),
        *("--tls-ca", str(secured.folder / "certs/ca.pem")),
    ]
    with running("-m", "padiff_server", *flags, log=tmp_path / "c.log") as coordinator:
        said, mending = the_problem(capsys, "--server", coordinator.address, *credentials(secured))
    assert "its certificate is not accepted here: IP address mismatch" in said
    assert mending.strip().endswith("padiff certs init --force --host 127.0.0.1")


def test_an_address_where_nobody_listens_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        said, mending = the_problem(capsys, "--server", address)
    assert f"{address}: nobody answers" in said
    assert "start it there" in mending
    said, _ = the_problem(capsys, "--server", "no-such-host.invalid:1", "--insecure")
    assert "knows no host no-such-host.invalid" in said


def spec_of(tmp_path: Path, reference: str, candidate: str, **more: object) -> str:
    spec = tmp_path / "spec.yaml"
    sides = {"reference": {"worker": reference}, "candidate": {"worker": candidate, **more}}
    spec.write_text(json.dumps({**sides, "inputs": {"table": {"x": {"shape": [1]}}}}))
    return str(spec)


def test_running_workers_of_a_spec_are_asked(
    service: Service, secured: Secured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = doctor(capsys, spec_of(tmp_path, service.reference, service.candidate))
    assert code == 0
    assert [line.split()[:2] for line in lines[2:]] == [
        *[["ok", "reference:"]] * 2,
        *[["ok", "candidate:"]] * 2,
    ]
    assert lines[3] == "ok       reference: tensors are compressed where the connection is slow"
    code, lines = doctor(capsys, spec_of(tmp_path, service.reference, secured.with_token))
    assert code == 2
    assert lines[-2].startswith("problem  no token or a wrong one")
    assert "give the token" in lines[-1]
    code, lines = doctor(capsys, spec_of(tmp_path, service.reference, secured.with_token, token=TOKEN))
    assert code == 0


def test_a_worker_of_another_framework_is_said(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = doctor(capsys, spec_of(tmp_path, service.reference, service.candidate, framework="torch"))
    assert code == 2
    assert lines[-2] == f"problem  candidate.framework: {service.candidate} runs fake, not torch"


def test_workers_that_a_spec_names_are_looked_for_at_the_coordinator(
    secured: Secured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.yaml"
    sides = {
        "reference": {"worker": "one", "model": "a:b"},
        "candidate": {"worker": {"cuda": "11.8"}, "model": "a:b"},
    }
    spec.write_text(json.dumps({**sides, "inputs": {"table": {"x": {"shape": [1]}}}}))
    _, lines = doctor(capsys, str(spec), "--server", secured.coordinator, *credentials(secured))
    assert "ok       reference.worker: one is one" in lines
    assert lines[-2].startswith("problem  candidate.worker: the coordinator has no worker")
    assert lines[-1].strip() == "name one of its workers: padiff workers lists them"


def test_names_without_a_coordinator_are_a_problem(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = doctor(capsys, spec_of(tmp_path, service.reference, "one"))
    assert code == 2
    assert "candidate.worker: 'one' is no address" in lines[-2]
