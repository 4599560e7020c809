"""Clients by the names in their certificates: what each may do at a coordinator; real processes."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import Running, running, running_worker
from prometheus_client.parser import text_string_to_metric_families

from padiff_client import cli
from padiff_client.certs import make_certificates, make_client_certificate
from padiff_client.keeping import Keeping
from padiff_client.link import Batches, CoordinatorLink, connect
from padiff_client.report import Report
from padiff_compare.report.run_store import RunStore, StoreRoom
from padiff_rpc import trees
from padiff_rpc.errors import NotFoundError, PermissionDeniedError
from padiff_rpc.v1.records import AttachRequest, CompareStart, Model, Party, Tls, WorkerAddress
from padiff_rpc.version import PROTOCOL_VERSION

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
PATIENCE = 60.0
CLIENTS = {
    "ada": "compare",
    "bob": ["compare"],
    "eve": ["read"],
    "ops": ["administer"],
}


@dataclass(frozen=True)
class Listed:
    """A coordinator with a list of clients, and the folder of its file, its log and all certificates."""

    folder: Path
    running: Running

    def connected(self, name: str) -> Any:
        return connect(self.running.address, tls=tls_of(self.folder, name))


def tls_of(folder: Path, name: str) -> Tls:
    certs = folder / "certs"
    return Tls.from_files(
        ca=certs / "ca.pem", certificate=certs / f"{name}.pem", key=certs / f"{name}-key.pem"
    )


def write_file(folder: Path, workers: dict[str, str], clients: Any, **more: Any) -> Path:
    """Writes the coordinator's file, whole at once. JSON is YAML."""
    tls = {"certificate": "certs/server.pem", "key": "certs/server-key.pem", "ca": "certs/ca.pem"}
    content = {
        "tls": tls,
        "clients": clients,
        "workers": {name: {"address": address} for name, address in workers.items()},
        **more,
    }
    new = folder / "new.yaml"
    new.write_text(json.dumps(content))
    return new.replace(folder / "server.yaml")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("workers")
    with running_worker(folder, "one") as one, running_worker(folder, "two") as two:
        yield {"one": one.address, "two": two.address}


def make_all_certificates(folder: Path) -> None:
    make_certificates(str(folder / "certs"), [], days=90, force=False)
    for name in (*CLIENTS, "stranger"):
        make_client_certificate(str(folder / "certs"), name, days=90, force=False)


@pytest.fixture(scope="module")
def listed(workers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listed]:
    folder = tmp_path_factory.mktemp("listed")
    make_all_certificates(folder)
    file = write_file(folder, workers, CLIENTS, audit_log="audit.jsonl", metrics_listen="127.0.0.1:0")
    with running("-m", "padiff_server", "--config", str(file), log=folder / "c.log") as coordinator:
        yield Listed(folder=folder, running=coordinator)


def compare_start(**given: Any) -> CompareStart:
    model = Model(
        framework="fake",
        model="fake_models:net",
        kwargs=trees.pack({}),
        optimizer="coordinator_models:plain_optimizer",
    )
    return CompareStart(
        protocol_version=PROTOCOL_VERSION,
        reference=Party(model=model, worker=WorkerAddress(name="one")),
        candidate=Party(model=model, worker=WorkerAddress(name="two")),
        **given,
    )


def compare(connection: CoordinatorLink, **given: Any) -> Report:
    return connection.compare(compare_start(**given), Batches(({"x": X}, {"x": X})))


def test_a_client_compares_and_reads_its_own_reports(listed: Listed) -> None:
    with listed.connected("ada") as ada:
        report = compare(ada)
        assert report
        assert ada.attach(AttachRequest(session=report.session)).to_json() == report.to_json()


def test_reports_of_others_take_the_right_to_read(listed: Listed) -> None:
    with listed.connected("ada") as ada:
        session = compare(ada).session
    with listed.connected("bob") as bob:
        with pytest.raises(PermissionDeniedError, match="another client's, which takes the right to read"):
            bob.attach(AttachRequest(session=session))
    for name in ("eve", "ops"):
        with listed.connected(name) as other:
            assert other.attach(AttachRequest(session=session)).session == session


def audited(listed: Listed, session: str) -> dict[str, Any]:
    """Returns the line of a session in the audit log."""
    file = listed.folder / "audit.jsonl"
    found: list[dict[str, Any]] = []

    def is_written() -> bool:
        found[:] = [
            entry for entry in map(json.loads, file.read_text().splitlines()) if entry["session"] == session
        ]
        return bool(found)

    wait_for(is_written)
    (entry,) = found
    return entry


def test_each_session_is_a_line_in_the_audit_log_that_its_owner_alone_reads(
    listed: Listed, workers: dict[str, str]
) -> None:
    with listed.connected("ada") as ada:
        report = compare(ada)
    entry = audited(listed, report.session)
    assert entry["client"] == "ada"
    assert entry["peer"].startswith("ipv4:127.0.0.1:")
    assert entry["what"] == "compare"
    assert entry["outcome"] == "passed"
    assert entry["reference"]["worker"] == "one"
    assert entry["candidate"]["address"] == workers["two"]
    assert entry["candidate"]["model"] == "fake_models:net"
    assert entry["rows"] == len(report.all_rows)
    assert entry["tensor_bytes"] == sum(part.bytes for part in report.traffic)
    assert (listed.folder / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    # Where there is a file, the log has no such line.
    assert report.session not in (listed.folder / "c.log").read_text()


def scraped(listed: Listed) -> Counter[str]:
    """Returns the coordinator's metrics by name and labels."""
    (where,) = re.findall(r"metrics at (\S+)", (listed.folder / "c.log").read_text())
    with urllib.request.urlopen(where, timeout=PATIENCE) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return Counter(
        {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in families
            for sample in family.samples
        }
    )


def test_sessions_bytes_refusals_and_workers_are_counted(listed: Listed) -> None:
    before = scraped(listed)
    with listed.connected("ada") as ada:
        report = compare(ada)
    with pytest.raises(PermissionDeniedError), listed.connected("stranger"):
        pass
    audited(listed, report.session)
    wait_for(lambda: scraped(listed)["padiff_sessions_running"] == 0)
    found = scraped(listed)
    found.subtract(before)
    assert found["padiff_sessions_total passed compare"] == 1
    assert found["padiff_session_seconds_count compare"] == 1
    assert found["padiff_tensor_bytes_total"] == sum(part.bytes for part in report.traffic)
    assert found["padiff_refused_calls_total permission_denied"] == 1
    assert before["padiff_workers free"] + before["padiff_workers busy"] == 2


def test_an_audit_log_that_was_moved_away_is_made_anew(listed: Listed) -> None:
    with listed.connected("ada") as ada:
        audited(listed, compare(ada).session)
        (listed.folder / "audit.jsonl").rename(listed.folder / "audit.1")
        session = compare(ada).session
        wait_for((listed.folder / "audit.jsonl").exists)
    assert audited(listed, session)["client"] == "ada"
    assert (listed.folder / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_who_may_only_read_makes_no_comparison(listed: Listed) -> None:
    with listed.connected("eve") as eve:
        assert [worker.name for worker in eve.workers()] == ["one", "two"]
        with pytest.raises(
            PermissionDeniedError, match=r"'eve' has the right to read .* compare or administer"
        ):
            compare(eve)


@pytest.mark.parametrize("name", ["stranger", "client", "server"])
def test_a_certificate_of_the_ca_that_the_list_lacks_opens_nothing(listed: Listed, name: str) -> None:
    with pytest.raises(PermissionDeniedError, match="this coordinator knows no client '"):
        with listed.connected(name):
            pass


def test_who_administers_does_all(listed: Listed) -> None:
    with listed.connected("ops") as ops:
        assert compare(ops)


class Held:
    """A comparison of three steps whose client keeps the second batch back until its end."""

    def __init__(self, listed: Listed, name: str, store: Path, *, detached: bool) -> None:
        self._listed, self._name, self._detached = listed, name, detached
        self._store = RunStore(store, StoreRoom())
        self._may_go_on, self._is_running = threading.Event(), threading.Event()
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._compare)

    def _compare(self) -> None:
        try:
            batches = self._batches()
            start = compare_start(steps=3, detached=self._detached, tell_so_far=True)
            with self._listed.connected(self._name) as connection, Keeping(self._store, start) as keeping:
                self.outcome = connection.compare(start, Batches((batches, batches)), keeping)
        except Exception as error:
            self.outcome = error
        self._is_running.set()

    def _batches(self) -> Iterator[dict[str, Any]]:
        yield {"x": X}
        self._is_running.set()
        self._may_go_on.wait(PATIENCE)
        yield {"x": X}
        yield {"x": X}

    def __enter__(self) -> Held:
        self._thread.start()
        assert self._is_running.wait(PATIENCE)
        assert self.outcome is None
        return self

    def go_on(self) -> None:
        self._may_go_on.set()

    @property
    def session(self) -> str:
        (run,) = self._store.runs()
        return run.head.id

    def wait(self) -> Any:
        """Goes on; returns the report, or what was raised in its place."""
        self.go_on()
        self._thread.join(PATIENCE)
        return self.outcome

    def __exit__(self, *_: object) -> None:
        self.go_on()
        self._thread.join(PATIENCE)


def test_a_comparison_of_another_is_ended_by_who_administers_alone(listed: Listed, tmp_path: Path) -> None:
    with Held(listed, "ada", tmp_path, detached=True) as held:
        session = held.session
        for name in ("bob", "eve"):
            with listed.connected(name) as other:
                with pytest.raises(PermissionDeniedError):
                    other.attach(AttachRequest(session=session, end=True))
        with listed.connected("ops") as ops:
            ended = ops.attach(AttachRequest(session=session, end=True))
        assert "ended by 'ops' that attached to it" in ended.troubles[0].text
        assert held.wait().troubles == ended.troubles
    entry = audited(listed, session)
    assert (entry["outcome"], entry["because"]) == ("cut_short", "ended by 'ops' that attached to it")


def test_the_command_says_in_one_line_what_is_missing(
    listed: Listed, capsys: pytest.CaptureFixture[str]
) -> None:
    certs = listed.folder / "certs"
    credentials = ["--tls-ca", str(certs / "ca.pem"), "--tls-cert", str(certs / "stranger.pem")]
    where = ["--server", listed.running.address, *credentials, "--tls-key", str(certs / "stranger-key.pem")]
    assert cli.main(["workers", *where]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("padiff: this coordinator knows no client 'stranger'")
    assert cli.main(["doctor", *where]) == 2
    assert "add the name to clients in its server.yaml" in capsys.readouterr().out


@pytest.fixture
def changing(workers: dict[str, str], tmp_path: Path) -> Iterator[Listed]:
    """A coordinator whose file a test may write again."""
    make_all_certificates(tmp_path)
    file = write_file(tmp_path, workers, CLIENTS)
    with running("-m", "padiff_server", "--config", str(file), log=tmp_path / "c.log") as coordinator:
        yield Listed(folder=tmp_path, running=coordinator)


@pytest.mark.parametrize("detached", [False, True], ids=["attached", "detached"])
def test_a_removed_name_is_refused_at_its_next_call_and_its_comparison_ends(
    changing: Listed, workers: dict[str, str], detached: bool
) -> None:
    with (
        changing.connected("ada") as ada,
        Held(changing, "ada", changing.folder / "runs", detached=detached) as held,
    ):
        assert ada.workers()
        session = held.session
        write_file(changing.folder, workers, {name: of for name, of in CLIENTS.items() if name != "ada"})
        with pytest.raises(PermissionDeniedError, match="knows no client 'ada'"):
            ada.workers()
        with changing.connected("ops") as ops:
            kept = remembered(ops, session)
            assert kept.troubles[0].text == "the right of 'ada' to compare here was taken away"
            # The workers are free again.
            assert compare(ops)
        # What had come is in the client's hands, and that is all.
        report = held.wait()
        assert "knows no client 'ada'" in report.troubles[0].text
        assert report.all_rows
        assert report.session == session


def remembered(connection: CoordinatorLink, session: str) -> Report:
    """Returns the report of a session, as soon as it has ended."""
    found: list[Report] = []

    def has_ended() -> bool:
        with contextlib.suppress(NotFoundError):
            found.append(connection.attach(AttachRequest(session=session)))
        return bool(found)

    wait_for(has_ended)
    return found[0]


def test_who_may_no_longer_read_hears_no_more_of_what_it_follows(
    changing: Listed, workers: dict[str, str]
) -> None:
    runs, followed = (changing.folder / name for name in ("runs", "followed"))

    def follow(session: str) -> Report:
        with changing.connected("eve") as eve, Keeping(RunStore(followed, StoreRoom())) as keeping:
            return eve.attach(AttachRequest(session=session), keeping)

    with Held(changing, "ada", runs, detached=True) as held, ThreadPoolExecutor(1) as pool:
        follower = pool.submit(follow, held.session)
        wait_for(lambda: any(run.report.rows for run in RunStore(followed, StoreRoom()).runs()))
        write_file(changing.folder, workers, {name: of for name, of in CLIENTS.items() if name != "eve"})
        assert held.wait()
        assert "knows no client 'eve'" in follower.result(PATIENCE).troubles[0].text


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not happen")


def test_a_list_that_became_unreadable_stays_in_use(changing: Listed, workers: dict[str, str]) -> None:
    write_file(changing.folder, workers, {"ada": "everything"})
    with changing.connected("bob") as bob:
        assert bob.workers()
    log = (changing.folder / "c.log").read_text()
    assert "the list of clients in use stays: " in log
    assert "clients.ada: 'everything' is not allowed; allowed: compare, read, administer" in log
