"""The coordinator's file: what it says, what flags override, and errors that point at a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from padiff_client.certs import make_certificates
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tls_files import TlsFiles
from padiff_rpc.v1.records import Label
from padiff_server.config import Capacity, Config, read_config
from padiff_server.main import _config, _parser
from padiff_server.rights import Right
from padiff_server.worker_directory import ConfiguredWorker, WorkerTls

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "deploy.md"


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    make_certificates(str(folder), [], days=2, force=False)
    return folder


def read(folder: Path, content: str) -> Config:
    file = folder / "server.yaml"
    file.write_text(content)
    return read_config(str(file))


def test_an_empty_mapping_is_all_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "{}") == Config()


def test_the_documented_file_is_read_whole(tmp_path: Path) -> None:
    text = DOCUMENT.read_text()
    example = text.split("## The coordinator's file")[1].split("```yaml\n")[1].split("```")[0]
    make_certificates(str(tmp_path / "certs"), [], days=2, force=False)
    make_certificates(str(tmp_path / "other"), [], days=2, force=False)
    for name in ("token", "paddle-token"):
        (tmp_path / name).write_text("secret\n")
    config = read(tmp_path, example)
    certs = str(tmp_path / "certs")
    own = TlsFiles(certificate=f"{certs}/server.pem", key=f"{certs}/server-key.pem", ca=f"{certs}/ca.pem")
    assert config.serving.tls == own
    assert config.serving.token == "secret"
    assert config.serving.listen == "0.0.0.0:50050"
    torch, paddle = config.dial_rule.workers
    assert torch == ConfiguredWorker(
        name="torch-cuda12",
        framework="torch",
        address="torch-worker:50051",
        labels=(Label(name="cuda", value="12.6"),),
        tls=WorkerTls(ca=own.ca, certificate=own.certificate, key=own.key),
    )
    assert paddle.tls is not None
    assert paddle.tls.ca == str(tmp_path / "other" / "ca.pem")
    assert paddle.dialled().token == "secret"
    assert config.named_clients() == {
        "ada": frozenset({Right.COMPARE}),
        "dashboard": frozenset({Right.READ}),
        "ops": frozenset({Right.ADMINISTER}),
    }
    assert config.metrics_listen == "127.0.0.1:9464"
    assert config.audit_log == "/var/log/padiff/audit.jsonl"
    assert config.limits == Capacity(spill_folder="/var/spill", floors_folder="/var/floors")


def test_flags_override_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADIFF_TOKEN", "of the environment")
    file = tmp_path / "server.yaml"
    file.write_text(
        "listen: 127.0.0.1:5\nlimits: {memory_limit_mib: 7, sessions: 2}\n"
        "drain_seconds: 3\nlog_format: json\n"
    )
    given = ["--config", str(file), "--listen", "127.0.0.1:6", "--memory-limit-mib", "9"]
    config = _config(_parser().parse_args(given))
    assert config.serving.listen == "127.0.0.1:6"
    assert config.serving.token == "of the environment"
    assert config.serving.drain_seconds == 3
    assert config.serving.log_format == "json"
    assert config.limits == Capacity(memory_limit_mib=9, sessions=2)
    assert not config.dial_rule.allows_any
    token = tmp_path / "token"
    token.write_text("of the file\n")
    more = [*given, "--token-file", str(token), "--allow-any-worker", "--worker-wait-seconds", "0"]
    config = _config(_parser().parse_args(more))
    assert config.serving.token == "of the file"
    assert config.dial_rule.allows_any
    assert config.dial_rule.wait_seconds == 0


def test_a_child_of_a_client_dials_what_that_client_names_and_does_not_drain() -> None:
    config = _config(_parser().parse_args(["--lifeline-fd", "5"]))
    assert config.dial_rule.allows_any
    assert config.serving.drain_seconds == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "clients:\n  ada: [compare, reed]\n",
            r":2: clients\.ada\[1\]: 'reed' .* compare, read, .*nearest: read",
        ),
        (
            "clients:\n  ada: []\n",
            r":2: clients\.ada: \[\] is not allowed; allowed: one or more of compare, ",
        ),
        (
            "clients:\n  ada: {compare: true}\n",
            r":2: clients\.ada: .* is not allowed; allowed: compare, read",
        ),
        ("clients: [ada]\n", r":1: clients: .*'ada'.* is not allowed; allowed: a mapping"),
        ("clients:\n  5: read\n", r":2: clients\.5: the key 5 is not a text"),
        ("lisen: x\n", r"server\.yaml:1: lisen: unknown key; allowed: listen, tls, "),
        ("workers:\n  a: {adress: x}\n", r":2: workers\.a\.adress: unknown key; allowed: framework, address"),
        ("workers:\n  a: {framework: torch}\n", r":2: workers\.a: the key 'address' is missing"),
        ("workers:\n  a:\n    address: other:5\n", r":3: workers\.a\.address: 'other:5' is not on this mach"),
        ("workers:\n  'a:b': {address: unix:/x}\n", r":2: workers\.a:b: not allowed as a name"),
        (
            "workers:\n  a:\n    address: unix:/x\n    labels: {cuda: 12.6}\n",
            r":4: workers\.a\.labels\.cuda: 12\.6 is not allowed; allowed: a text; put numbers in quotes",
        ),
        ("limits:\n  sessions: 0\n", r":2: limits\.sessions: 0 is not allowed"),
        ("drain_seconds: -1\n", r":1: drain_seconds: -1 is not allowed; allowed: seconds, at least 0"),
        ("drain_seconds: soon\n", r":1: drain_seconds: 'soon' is not allowed"),
        ("log_format: xml\n", r":1: log_format: 'xml' is not allowed; allowed: text, json"),
        ("\ntoken_file: missing\n", r":2: token_file: /.*/missing cannot be read: no such file"),
        ("tls: {key: x}\n", r":1: tls: the key 'certificate' is missing"),
        (
            "tls: {certificate: a, key: b}\n",
            r":1: tls\.certificate: .*/a cannot be read: no such file",
        ),
        ("allow_any_worker: sure\n", r":1: allow_any_worker: 'sure' is not allowed; allowed: true, false"),
    ],
)
def test_a_wrong_file_is_one_line_that_points_there(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_names_of_clients_need_certificates_to_stand_in(certs: Path, tmp_path: Path) -> None:
    clients = "clients: {ada: compare}\n"
    pair = f"certificate: {certs}/server.pem, key: {certs}/server-key.pem"
    for tls in ("", f"tls: {{{pair}}}\n"):
        with pytest.raises(InvalidRequestError, match=r"^clients: a client's name .* give tls a ca"):
            read(tmp_path, clients + tls).named_clients()
    assert read(tmp_path, f"{clients}tls: {{{pair}, ca: {certs}/ca.pem}}\n").named_clients()
    assert read(tmp_path, "{}").named_clients() is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"missing\.yaml: cannot be read"):
        read_config(str(tmp_path / "missing.yaml"))


def test_a_key_of_another_certificate_and_a_ca_that_is_none_are_refused(certs: Path, tmp_path: Path) -> None:
    pair = f"certificate: {certs}/server.pem"
    with pytest.raises(InvalidRequestError, match="no PEM certificate with its unencrypted key"):
        read(tmp_path, f"tls: {{{pair}, key: {certs}/client-key.pem}}")
    with pytest.raises(InvalidRequestError, match="holds no CA certificate"):
        read(tmp_path, f"tls: {{{pair}, key: {certs}/server-key.pem, ca: {certs}/server-key.pem}}")


def test_the_coordinators_own_certificate_is_for_workers_on_other_machines(
    certs: Path, tmp_path: Path
) -> None:
    tls = f"tls: {{certificate: {certs}/server.pem, key: {certs}/server-key.pem, ca: {certs}/ca.pem}}\n"
    workers = (
        "workers:\n  far: {address: far:1}\n  near: {address: 127.0.0.1:1}\n"
        "  trusting: {address: far:2, insecure: true}\n"
    )
    far, near, trusting = read(tmp_path, tls + workers).dial_rule.workers
    assert far.tls is not None
    assert far.dialled().tls is not None
    assert near.tls is None
    assert trusting.tls is None


def test_an_empty_token_file_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  \n")
    with pytest.raises(InvalidRequestError, match="holds no token; write one line"):
        read(tmp_path, "token_file: token\n")
