"""Coordinators and workers as services: TLS, names, health, draining; real processes over the NumPy fake."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from processes import Running, running, running_worker

from padiff_client import cli
from padiff_client.certs import make_certificates
from padiff_client.link import Batches, CoordinatorLink, connect
from padiff_client.report import Report
from padiff_rpc import trees
from padiff_rpc.error_statuses import error_from_rpc
from padiff_rpc.errors import (
    BusyError,
    InvalidRequestError,
    NotFoundError,
    PaDiffError,
    StateError,
    UnauthenticatedError,
    WorkerLostError,
)
from padiff_rpc.health import COORDINATOR_SERVICE, WORKER_SERVICE, check_health
from padiff_rpc.transport import open_channel
from padiff_rpc.v1.records import CompareStart, Label, Model, Party, Tls, WorkerAddress
from padiff_rpc.v1.words import Transport, WorkerState
from padiff_rpc.version import PROTOCOL_VERSION

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
# Longer than anything here takes.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    make_certificates(str(folder), ["worker-host"], days=2, force=False)
    return folder


def client_tls(certs: Path) -> Tls:
    return Tls.from_files(ca=certs / "ca.pem", certificate=certs / "client.pem", key=certs / "client-key.pem")


def server_flags(certs: Path, role: str) -> tuple[str, ...]:
    return (
        *("--tls-cert", str(certs / f"{role}.pem")),
        *("--tls-key", str(certs / f"{role}-key.pem")),
        *("--tls-ca", str(certs / "ca.pem")),
    )


@dataclass(frozen=True)
class Secured:
    """A coordinator and two workers, all under mutual TLS; the coordinator knows the workers by a file."""

    coordinator: str
    workers: dict[str, str]
    certs: Path

    def connected(self) -> Any:
        return connect(self.coordinator, tls=client_tls(self.certs))

    def credentials(self) -> list[str]:
        return [
            *("--tls-ca", str(self.certs / "ca.pem")),
            *("--tls-cert", str(self.certs / "client.pem")),
            *("--tls-key", str(self.certs / "client-key.pem")),
        ]


def write_config(folder: Path, workers: dict[str, Any], **more: Any) -> Path:
    """Writes a coordinator's file. JSON is YAML."""
    file = folder / "server.yaml"
    file.write_text(json.dumps({"workers": workers, **more}))
    return file


@pytest.fixture(scope="module")
def secured(certs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    flags = server_flags(certs, "worker")
    with running_worker(folder, "one", *flags) as one, running_worker(folder, "two", *flags) as two:
        addresses = {"one": one.address, "two": two.address}
        tls = {name: str(certs / f"{file}.pem") for name, file in TLS_KEYS.items()}
        config = write_config(
            folder,
            {
                "one": {"framework": "fake", "address": one.address, "labels": {"cuda": "11.8"}, "tls": tls},
                "two": {"address": two.address, "labels": {"cuda": "12.6", "host": "here"}, "tls": tls},
                "gone": {"address": "127.0.0.1:1", "labels": {"cuda": "12.6"}, "framework": "paddle"},
            },
            tls=tls,
            worker_wait_seconds=PATIENCE,
        )
        with running("-m", "padiff_server", "--config", str(config), log=folder / "c.log") as coordinator:
            yield Secured(coordinator=coordinator.address, workers=addresses, certs=certs)


TLS_KEYS = {"certificate": "server", "key": "server-key", "ca": "ca"}
ONE, TWO = WorkerAddress(name="one"), WorkerAddress(name="two")


def compare_start(reference: WorkerAddress, candidate: WorkerAddress, **given: Any) -> CompareStart:
    model = Model(framework="fake", model="fake_models:net", kwargs=trees.pack({}), **given.pop("model", {}))
    return CompareStart(
        protocol_version=PROTOCOL_VERSION,
        reference=Party(model=model, worker=reference),
        candidate=Party(model=model, worker=candidate),
        **given,
    )


def compare(connection: CoordinatorLink, reference: WorkerAddress, candidate: WorkerAddress) -> Report:
    return connection.compare(compare_start(reference, candidate), Batches(({"x": X}, {"x": X})))


class SlowClient:
    """A comparison of two steps whose client keeps the second batch back: it runs until `go_on`."""

    def __init__(self, address: str, reference: WorkerAddress, candidate: WorkerAddress) -> None:
        self._may_go_on = threading.Event()
        self.is_running = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.report: Future[Report] = self._pool.submit(self._compare, address, reference, candidate)

    def _compare(self, address: str, reference: WorkerAddress, candidate: WorkerAddress) -> Report:
        start = compare_start(
            reference, candidate, steps=2, model={"optimizer": "coordinator_models:plain_optimizer"}
        )
        with connect(address) as connection:
            batches = self._batches()
            return connection.compare(start, Batches((batches, batches)))

    def _batches(self) -> Iterator[dict[str, Any]]:
        yield {"x": X}
        self.is_running.set()
        self._may_go_on.wait(PATIENCE)
        yield {"x": X}

    def wait_until_running(self) -> None:
        """Waits until the second batch is wanted. Raises what ended the comparison before."""
        self.report.add_done_callback(lambda _: self.is_running.set())
        assert self.is_running.wait(PATIENCE)
        if self.report.done():
            raise AssertionError(self.report.result())

    def go_on(self) -> None:
        self._may_go_on.set()

    def __enter__(self) -> SlowClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()
        self._pool.shutdown()


@contextmanager
def plain_service(
    folder: Path, *flags: str, worker_flags: tuple[str, ...] = ()
) -> Iterator[dict[str, Running]]:
    """Provides a coordinator and two workers on loopback, the coordinator with `flags`."""
    with (
        running_worker(folder, "one", *worker_flags) as one,
        running_worker(folder, "two", *worker_flags) as two,
    ):
        config = write_config(folder, {"one": {"address": one.address}, "two": {"address": two.address}})
        arguments = ("-m", "padiff_server", "--config", str(config), *flags)
        with running(*arguments, log=folder / "coordinator.log") as coordinator:
            yield {"coordinator": coordinator, "one": one, "two": two}


def is_serving(address: str, *, tls: Optional[Tls] = None) -> bool:
    with open_channel(address, tls=tls) as channel:
        return check_health(channel, "", timeout=PATIENCE)


def wait_for(condition: Any) -> None:
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not happen")


# TLS, names, dialling


def test_a_comparison_under_mutual_tls_finds_its_workers_by_name_and_by_labels(secured: Secured) -> None:
    with secured.connected() as connection:
        assert compare(connection, ONE, TWO)
        by_labels = WorkerAddress(labels=(Label(name="cuda", value="12.6"), Label(name="host", value="here")))
        report = compare(connection, WorkerAddress(address=secured.workers["one"]), by_labels)
    assert report
    assert report.summary.coverage.tensors_compared == 35
    # Which takes nothing from shared memory, and is not needed for it.
    assert {one.transport for one in report.summary.environments} == {Transport.SHM}


def test_what_no_worker_is_called_or_labelled_is_refused_with_the_names_that_there_are(
    secured: Secured,
) -> None:
    with secured.connected() as connection:
        with pytest.raises(
            NotFoundError, match="no worker of this coordinator is called three; it knows: one, tw"
        ):
            compare(connection, WorkerAddress(name="three"), TWO)
        with pytest.raises(NotFoundError, match=r"reference\.worker: .* has the labels \{cuda: 13\}"):
            compare(connection, WorkerAddress(labels=(Label(name="cuda", value="13"),)), TWO)
        with pytest.raises(NotFoundError, match="is called gone and runs fake"):
            compare(connection, WorkerAddress(name="gone"), TWO)
        with pytest.raises(InvalidRequestError, match="each side needs a worker of its own"):
            compare(connection, ONE, ONE)
        with pytest.raises(InvalidRequestError, match="give one of an address, a name or labels"):
            compare(connection, WorkerAddress(), TWO)


def test_an_address_outside_the_configuration_is_not_dialled(secured: Secured) -> None:
    with secured.connected() as connection:
        with pytest.raises(InvalidRequestError, match=r"'127\.0\.0\.1:9' is not in .* --allow-any-worker"):
            compare(connection, WorkerAddress(address="127.0.0.1:9"), TWO)


def test_a_coordinator_without_a_configuration_dials_nobody(tmp_path: Path) -> None:
    with running("-m", "padiff_server", log=tmp_path / "c.log") as coordinator:
        with connect(coordinator.address) as connection:
            with pytest.raises(InvalidRequestError, match="is not in this coordinator's configuration"):
                compare(
                    connection, WorkerAddress(address="127.0.0.1:9"), WorkerAddress(address="127.0.0.1:8")
                )


def test_callers_without_a_certificate_of_the_ca_do_not_get_through(secured: Secured, certs: Path) -> None:
    for tls in (None, Tls.from_files(ca=certs / "ca.pem")):
        with open_channel(secured.coordinator, tls=tls) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                check_health(channel, "", timeout=PATIENCE)
            error = error_from_rpc(caught.value, peer="it")
            assert isinstance(error, WorkerLostError)
            assert "it may want TLS, or a certificate of its CA" in str(error)


def test_a_worker_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    with plain_service(tmp_path, "--allow-any-worker") as service:
        with connect(service["coordinator"].address) as connection:
            with pytest.raises(WorkerLostError, match="nothing answered within") as caught:
                compare(connection, ONE, WorkerAddress(address="127.0.0.1:1"))
    assert "Connection refused" in str(caught.value)
    assert str(caught.value).count("cannot be reached") == 1


def test_replaced_certificates_are_shown_to_new_connections_and_old_ones_go_on(tmp_path: Path) -> None:
    certs = tmp_path / "certs"
    make_certificates(str(certs), [], days=2, force=False)
    with running_worker(tmp_path, "w", *server_flags(certs, "worker")) as worker:
        old = shown_certificate(worker.address, certs)
        with open_channel(worker.address, tls=client_tls(certs)) as channel:
            wait_for(lambda: check_health(channel, "", timeout=PATIENCE))
            make_certificates(str(certs), [], days=2, force=True)
            new = shown_certificate(worker.address, certs)
            assert check_health(channel, "", timeout=PATIENCE)
        assert new != old
        # Half of a pair is not used.
        (certs / "worker.pem").write_text("no certificate")
        assert shown_certificate(worker.address, certs) == new
    assert "the certificate in use stays" in (tmp_path / "w.log").read_text()


def shown_certificate(address: str, certs: Path) -> bytes:
    """Returns the certificate that the server shows now; it must be of the CA in the folder."""
    context = ssl.create_default_context(cafile=str(certs / "ca.pem"))
    context.load_cert_chain(certs / "client.pem", certs / "client-key.pem")
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as plain:
        with context.wrap_socket(plain, server_hostname=host) as secure:
            certificate = secure.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "is reached from other machines and needs TLS: give a certificate and its key"),
        (
            ("--tls-cert", "worker", "--tls-key", "worker-key"),
            "has TLS, but everybody may call it: give a CA",
        ),
        (("--tls-cert", "worker"), "--tls-key: missing"),
        (
            ("--tls-cert", "worker", "--tls-key", "client-key", "--tls-ca", "ca"),
            "no PEM certificate with its unenc",
        ),
        (("--token-file", "missing"), "missing.pem cannot be read: no such file or directory"),
        (("--drain-seconds", "-1"), "--drain-seconds: -1 is not allowed"),
    ],
)
def test_a_port_that_strangers_reach_is_refused_by_what_it_lacks(
    flags: tuple[str, ...], said: str, certs: Path, tmp_path: Path
) -> None:
    located = [word if word.startswith("-") else str(certs / f"{word}.pem") for word in flags]
    with pytest.raises(AssertionError) as caught:
        with running_worker(tmp_path, "w", *located, listen="0.0.0.0:0"):
            pass
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_tls_with_a_token_serves_other_machines(certs: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    flags = server_flags(certs, "worker")[:4]
    with running_worker(tmp_path, "w", *flags, "--token-file", str(token), listen="0.0.0.0:0") as worker:
        address = worker.address.replace("0.0.0.0", "127.0.0.1")
        tls = Tls.from_files(ca=certs / "ca.pem")
        assert list_services(address, token="secret", tls=tls) >= {WORKER_SERVICE}
        for wrong in ("", "Secret"):
            with pytest.raises(UnauthenticatedError):
                list_services(address, token=wrong, tls=tls)


def test_plain_text_off_loopback_warns_on_both_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_worker(tmp_path, "w", "--insecure", listen="0.0.0.0:0"):
        assert (
            "WARNING padiff_rpc.transport: insecure: 0.0.0.0:0 is plain text"
            in (tmp_path / "w.log").read_text()
        )
    with open_channel("192.0.2.1:5", insecure=True):
        assert "insecure: the connection to 192.0.2.1:5 is plain text" in caplog.text


# Listing, health, reflection, log


def test_the_workers_of_a_coordinator_are_listed(
    secured: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["workers", "--server", secured.coordinator, *secured.credentials()]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "FRAMEWORK", "PYTHON", "DEVICES", "LABELS", "ADDRESS"]
    assert lines[1].split()[:3] == ["one", "free", "fake"]
    assert lines[2].split()[0] == "two"
    assert "cuda=12.6, host=here" in lines[2]
    assert lines[3].split()[:3] == ["gone", "unreachable", "paddle"]
    assert printed.err.startswith("gone: the worker gone is gone or cannot be reached")
    assert cli.main([*arguments, "--json"]) == 0
    one, _, gone = json.loads(capsys.readouterr().out)
    assert one["labels"] == {"cuda": "11.8"}
    assert one["devices"] == ["cpu"]
    assert one["protocol_version"] == PROTOCOL_VERSION
    assert gone["problem"]


def test_a_busy_worker_is_listed_as_busy(tmp_path: Path) -> None:
    with plain_service(tmp_path) as service:
        address = service["coordinator"].address
        with SlowClient(address, ONE, TWO) as slow, connect(address) as connection:
            slow.wait_until_running()
            assert {worker.state for worker in connection.workers()} == {WorkerState.BUSY}
            slow.go_on()
            assert slow.report.result(PATIENCE)
            wait_for(lambda: {worker.state for worker in connection.workers()} == {WorkerState.FREE})


def test_health_is_open_and_reflection_is_not(tmp_path: Path) -> None:
    with running_worker(tmp_path, "w", environment={"PADIFF_TOKEN": "secret"}) as worker:
        wait_for(lambda: is_serving(worker.address))
        with open_channel(worker.address) as channel:
            assert check_health(channel, WORKER_SERVICE, timeout=PATIENCE)
            with pytest.raises(grpc.RpcError) as caught:
                check_health(channel, "another", timeout=PATIENCE)
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(UnauthenticatedError):
            list_services(worker.address)
        services = list_services(worker.address, token="secret")
        assert services == {
            WORKER_SERVICE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }


def list_services(address: str, *, token: str = "", tls: Optional[Tls] = None) -> set[str]:
    """Returns the services that reflection tells of. Raises the project's errors."""
    with open_channel(address, token=token, tls=tls) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        try:
            (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE)
        except grpc.RpcError as failure:
            raise error_from_rpc(failure, peer=address) from None
        return {service.name for service in answer.list_services_response.service}


def test_the_health_command_exits_with_the_answer(
    secured: Secured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    health = ["health", secured.coordinator, *secured.credentials()]
    assert cli.main(health) == 0
    assert cli.main([*health, "--service", COORDINATOR_SERVICE]) == 0
    assert capsys.readouterr().out == "serving\nserving\n"
    assert cli.main(["health", "127.0.0.1:1"]) == 2
    socket = f"unix:{tmp_path}/health"
    with running_worker(tmp_path, "w", "--device", "cuda:7", "--health-listen", socket) as worker:
        assert cli.main(["health", worker.address]) == 1
        assert cli.main(["health", socket]) == 1
        wait_for(lambda: "not ready: device: 'cuda:7' is not usable here" in (tmp_path / "w.log").read_text())
        with pytest.raises(PaDiffError, match="does not know this call"):
            list_services(socket)


def test_the_log_can_be_json(tmp_path: Path) -> None:
    with running_worker(tmp_path, "w", "--log-format", "json", "--device", "none") as worker:
        log = tmp_path / "w.log"
        wait_for(lambda: log.read_text().endswith("}\n"))
        assert is_serving(worker.address) is False
    entry = json.loads(log.read_text().splitlines()[0])
    assert entry["level"] == "ERROR"
    assert entry["message"].startswith("not ready: device: 'none'")
    assert entry.keys() == {"time", "level", "logger", "message"}


# One comparison at a time


def test_a_second_comparison_waits_for_the_workers_of_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with plain_service(tmp_path) as service, caplog.at_level("INFO", logger="padiff_client"):
        address = service["coordinator"].address
        with SlowClient(address, ONE, TWO) as slow:
            slow.wait_until_running()
            with SlowClient(address, TWO, ONE) as second:
                wait_for(lambda: "one are in use by another comparison" in caplog.text)
                assert not second.is_running.is_set()
                slow.go_on()
                assert slow.report.result(PATIENCE)
                second.go_on()
                assert second.report.result(PATIENCE)


def test_a_comparison_that_may_not_wait_is_told_who_is_busy(tmp_path: Path) -> None:
    with plain_service(tmp_path, "--worker-wait-seconds", "0") as service:
        address = service["coordinator"].address
        with SlowClient(address, ONE, TWO) as slow, connect(address) as connection:
            slow.wait_until_running()
            with pytest.raises(
                BusyError, match="one, two are in use by another comparison, and 0 s were not"
            ):
                compare(connection, ONE, TWO)
            slow.go_on()
            assert slow.report.result(PATIENCE)


# The end


def test_a_coordinator_that_is_told_to_stop_lets_what_runs_end(tmp_path: Path) -> None:
    with plain_service(tmp_path) as service:
        coordinator = service["coordinator"]
        with connect(coordinator.address) as other, SlowClient(coordinator.address, ONE, TWO) as slow:
            slow.wait_until_running()
            coordinator.process.send_signal(signal.SIGTERM)
            wait_for(lambda: not is_serving(coordinator.address))
            with pytest.raises(StateError, match="was told to stop and takes no new comparison"):
                compare(other, ONE, TWO)
            slow.go_on()
            assert slow.report.result(PATIENCE)
        assert coordinator.process.wait(PATIENCE) == 0


@pytest.mark.parametrize(("drain_seconds", "signals"), [("0.1", 1), ("1000", 2)])
def test_what_a_coordinator_must_cut_short_ends_with_its_report(
    tmp_path: Path, drain_seconds: str, signals: int
) -> None:
    with plain_service(tmp_path, "--drain-seconds", drain_seconds) as service:
        coordinator = service["coordinator"]
        with SlowClient(coordinator.address, ONE, TWO) as slow:
            slow.wait_until_running()
            coordinator.process.send_signal(signal.SIGTERM)
            if signals == 2:
                wait_for(lambda: not is_serving(coordinator.address))
                coordinator.process.send_signal(signal.SIGTERM)
            assert coordinator.process.wait(PATIENCE) == 0
            slow.go_on()  # the client comes with its batch too late
            report = slow.report.result(PATIENCE)
    assert not report
    (trouble,) = report.troubles
    assert "the coordinator was told to stop" in trouble.text
    assert trouble.step == 1
    # The first step was compared whole.
    assert report.summary.coverage.tensors_compared >= 35


@pytest.mark.parametrize(("drain_seconds", "signals"), [("0.1", 1), ("1000", 2)])
def test_a_worker_that_is_told_to_stop_says_so_in_the_report(
    tmp_path: Path, drain_seconds: str, signals: int
) -> None:
    with plain_service(tmp_path, worker_flags=("--drain-seconds", drain_seconds)) as service:
        worker = service["two"]
        with SlowClient(service["coordinator"].address, ONE, TWO) as slow:
            slow.wait_until_running()
            worker.process.send_signal(signal.SIGTERM)
            if signals == 2:
                wait_for(lambda: not is_serving(worker.address))
                worker.process.send_signal(signal.SIGTERM)
            worker.process.wait(PATIENCE)
            slow.go_on()
            report = slow.report.result(PATIENCE)
    assert not report
    (trouble,) = report.troubles
    assert trouble.side == "candidate"
    assert "the worker was told to stop" in trouble.text


def test_a_worker_that_is_told_to_stop_lets_what_runs_end(tmp_path: Path) -> None:
    with plain_service(tmp_path) as service:
        worker = service["two"]
        with SlowClient(service["coordinator"].address, ONE, TWO) as slow:
            slow.wait_until_running()
            worker.process.send_signal(signal.SIGTERM)
            wait_for(lambda: not is_serving(worker.address))
            slow.go_on()
            assert slow.report.result(PATIENCE)
        assert worker.process.wait(PATIENCE) == 0


def test_the_memory_of_a_worker_returns_after_each_comparison_even_if_its_model_raised(
    tmp_path: Path,
) -> None:
    with plain_service(tmp_path) as service:
        address = service["coordinator"].address
        sizes = []
        for round_number in range(4):
            model = "service_models:Large" if round_number % 2 else "service_models:LargeAndRaising"
            big = Model(framework="fake", model=model)
            with connect(address) as connection:
                start = CompareStart(
                    protocol_version=PROTOCOL_VERSION,
                    reference=Party(model=big, worker=ONE),
                    candidate=Party(model=big, worker=TWO),
                )
                report = connection.compare(start, Batches(({"x": X}, {"x": X})))
                assert bool(report) is bool(round_number % 2), report
                wait_for(lambda: {worker.state for worker in connection.workers()} == {WorkerState.FREE})
            supervisor = service["one"].process.pid
            wait_for(lambda supervisor=supervisor: len(children(supervisor)) == 1)
            sizes.append(sum(map(resident_mib, (supervisor, *children(supervisor)))))
    # The first comparison brings in what stays: modules, thread pools.
    assert max(sizes[1:]) < sizes[0] + 25, sizes


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
