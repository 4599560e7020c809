"""The address for scrapes: what is told there, and what strangers may hold of it."""

from __future__ import annotations

import contextlib
import socket
import urllib.request
from collections.abc import Iterator

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from padiff_compare.capture.store import TensorStore
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import KnownWorker
from padiff_rpc.v1.words import WorkerState
from padiff_server import metrics as metrics_module
from padiff_server.metrics import Metrics, serving_metrics

PATIENCE = 30.0


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    with TensorStore(1) as store:
        yield Metrics(lambda: 3, store)


def scraped(address: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_and_the_processes_memory_are_told(metrics: Metrics) -> None:
    metrics.count_refused(grpc.StatusCode.PERMISSION_DENIED)
    with serving_metrics("127.0.0.1:0", metrics) as address:
        found = scraped(address)
    assert found["padiff_sessions_running"] == 3
    assert found["padiff_sessions_total passed compare"] == 0
    assert found["padiff_refused_calls_total permission_denied"] == 1
    assert found["padiff_captures_memory_bytes"] == 0
    assert found["process_resident_memory_bytes"] > 1 << 20


def test_workers_are_asked_by_the_first_scrape_and_not_by_the_next(metrics: Metrics) -> None:
    asked = []

    def ask() -> list[KnownWorker]:
        asked.append(True)
        states = (WorkerState.FREE, WorkerState.FREE, WorkerState.UNREACHABLE)
        return [KnownWorker(name="w", address="unix:/w", state=state) for state in states]

    metrics.watch_workers(ask)
    assert not asked
    with serving_metrics("127.0.0.1:0", metrics) as address:
        found = scraped(address)
        assert scraped(address)["padiff_workers free"] == 2
    assert (found["padiff_workers free"], found["padiff_workers unreachable"]) == (2, 1)
    assert found["padiff_workers busy"] == 0
    assert asked == [True]


def test_who_says_nothing_holds_a_few_threads_and_these_not_for_long(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_metrics("127.0.0.1:0", metrics) as address, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connected(address)) for _ in range(metrics_module._SCRAPERS)]
        for stranger in silent:
            stranger.sendall(b"G")
        late = stack.enter_context(connected(address))
        assert late.recv(1) == b""
    monkeypatch.setattr(metrics_module, "_SCRAPE_SECONDS", 0.1)
    with serving_metrics("127.0.0.1:0", metrics) as address, connected(address) as stranger:
        assert stranger.recv(1) == b""


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("unix:/tmp/metrics", r"'unix:/tmp/metrics' is not allowed; allowed: host:port"),
        ("9090", "'9090' is neither unix:/path nor host:port"),
        ("192.0.2.1:9090", r"cannot listen on 192\.0\.2\.1:9090: cannot assign requested address"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line(metrics: Metrics, address: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        with serving_metrics(address, metrics):
            pass
    assert caught.value.field == "metrics_listen"


def test_other_machines_are_warned_of(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    with serving_metrics("0.0.0.0:0", metrics):
        assert "everybody who reaches 0.0.0.0:0 can read what the coordinator counts" in caplog.text
