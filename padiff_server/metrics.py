"""Metrics for Prometheus, in plain text on an address of their own.

`prometheus_client` comes with the extra padiff-rpc[server]; this module alone imports it, when metrics are
asked for.
"""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc
import prometheus_client
from prometheus_client.core import GaugeMetricFamily

from padiff_compare.capture.store import TensorStore
from padiff_rpc.addresses import is_local
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason
from padiff_rpc.v1.records import KnownWorker
from padiff_rpc.v1.words import WorkerState
from padiff_server.asked import ERRANDS
from padiff_server.ended_session import EndedSession, SessionOutcome

logger = logging.getLogger(__name__)

_FIELD = "metrics_listen"
# Scrapes in between tell what the last asking of the workers has found.
_ASKED_SECONDS = 10.0
# Of those who scrape: so many at once, each for so long.
_SCRAPERS, _SCRAPE_SECONDS = 4, 10.0


class Metrics:
    """What a coordinator counts. Thread-safe."""

    def __init__(self, running: Callable[[], int], store: TensorStore) -> None:
        """`running` returns how many sessions run at the moment."""
        self.registry = prometheus_client.CollectorRegistry()
        gauge = prometheus_client.Gauge
        gauge("padiff_sessions_running", "Sessions that run", registry=self.registry).set_function(running)
        for name, held in (
            ("memory", lambda: store.in_memory_bytes),
            ("disk", lambda: store.spilled_bytes),
        ):
            gauge(
                f"padiff_captures_{name}_bytes", f"Captured tensors held, in {name}", registry=self.registry
            ).set_function(held)
        self._ended = prometheus_client.Counter(
            "padiff_sessions", "Sessions that have ended", ["what", "outcome"], registry=self.registry
        )
        for what in ERRANDS.values():
            for outcome in SessionOutcome:
                self._ended.labels(what, str(outcome))
        self._seconds = prometheus_client.Summary(
            "padiff_session_seconds", "How long sessions took", ["what"], registry=self.registry
        )
        self._bytes = prometheus_client.Counter(
            "padiff_tensor_bytes",
            "Bytes of tensors that crossed between coordinator and workers, of sessions that have ended",
            registry=self.registry,
        )
        self._refused = prometheus_client.Counter(
            "padiff_refused_calls", "Calls that ended with an error", ["status"], registry=self.registry
        )
        # Of this process: memory, processor time, open files.
        prometheus_client.ProcessCollector(registry=self.registry)

    def watch_workers(self, ask: Callable[[], Sequence[KnownWorker]]) -> None:
        """Tells the states of the workers that `ask` returns."""
        self.registry.register(_Workers(ask))

    def count(self, ended: EndedSession) -> None:
        """Counts a session that has ended."""
        what = ERRANDS[type(ended.asked)]
        self._ended.labels(what, str(ended.outcome)).inc()
        self._seconds.labels(what).observe(ended.seconds)
        self._bytes.inc(ended.tensor_bytes)

    def count_refused(self, status: grpc.StatusCode) -> None:
        """Counts a call that ended with an error of this status."""
        self._refused.labels(status.name.lower()).inc()


class _Workers:
    """Asks the workers when a scrape asks, and not more often than every few seconds."""

    def __init__(self, ask: Callable[[], Sequence[KnownWorker]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asked_at = -_ASKED_SECONDS
        self._states: Mapping[WorkerState, int] = {}

    def describe(self) -> Iterable[Any]:
        return [self._family()]  # so that nobody is asked when this is registered

    def collect(self) -> Iterable[Any]:
        with self._lock:
            if time.monotonic() - self._asked_at >= _ASKED_SECONDS:
                self._states = Counter(worker.state for worker in self._ask())
                self._asked_at = time.monotonic()
            family = self._family()
            for state in WorkerState:
                family.add_metric([str(state)], self._states.get(state, 0))
            return [family]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily("padiff_workers", "Workers of the configuration, by state", labels=["state"])


@contextlib.contextmanager
def serving_metrics(address: str, metrics: Metrics) -> Iterator[str]:
    """Answers scrapes at `address` ("host:port"), to whoever reaches it; yields the bound address.

    Raises InvalidRequestError for an address that cannot be used.
    """
    if address.startswith("unix:"):
        raise InvalidRequestError(f"{address!r} is not allowed; allowed: host:port", field=_FIELD)
    if not is_local(address, field=_FIELD):
        logger.warning("metrics: everybody who reaches %s can read what the coordinator counts", address)
    host, _, port = address.rpartition(":")
    try:
        server = _Server(host.strip("[]"), int(port), metrics)
    except OSError as error:
        raise InvalidRequestError(f"cannot listen on {address}: {reason(error)}", field=_FIELD) from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    bound = f"{host}:{server.server_address[1]}"
    logger.info("metrics at http://%s/metrics", bound)
    try:
        yield bound
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(http.server.HTTPServer):
    """Has a thread for each of a few connections; what comes beyond these is closed."""

    def __init__(self, host: str, port: int, metrics: Metrics) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.Semaphore(_SCRAPERS)
        super().__init__((host, port), prometheus_client.MetricsHandler.factory(metrics.registry))

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        threading.Thread(
            target=self._answer, args=(request, client_address), name="scrape", daemon=True
        ).start()

    def _answer(self, request: Any, client_address: Any) -> None:
        # A timeout of the socket alone would let a caller that sends a byte now and then stay for good.
        late = threading.Timer(_SCRAPE_SECONDS, _cut, [request])
        late.daemon = True
        late.start()
        try:
            self.finish_request(request, client_address)
        except OSError as gone:
            logger.debug("a scrape broke off: %s", gone)
        finally:
            late.cancel()
            self.shutdown_request(request)
            self._free.release()


def _cut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
