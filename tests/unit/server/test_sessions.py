"""Sessions: how many run, how they end, what is remembered."""

from __future__ import annotations

import threading

import pytest

from padiff_compare.capture.store import TensorStore
from padiff_compare.report.finished import finished
from padiff_compare.run import Storage
from padiff_rpc.errors import BusyError, CancelledError, NotFoundError, PaDiffError
from padiff_rpc.v1.words import Phase
from padiff_server.sessions import REMEMBERED_REPORTS, SESSIONS_AT_ONCE, Sessions
from padiff_server.worker_directory import DialRule, WorkerDirectory


class Job:
    """Says one thing, then waits until it may end."""

    def __init__(self, report, error=None, wait=False):
        self.report, self.error = report, error
        self.cancelled = threading.Event()
        if not wait:
            self.cancelled.set()

    def run(self):
        self.report.progress(Phase.CONNECT)
        self.cancelled.wait()
        if self.error is not None:
            raise self.error
        return finished(self.report)

    def cancel(self):
        self.cancelled.set()


@pytest.fixture
def sessions():
    with TensorStore(1) as store:
        yield Sessions(Storage(tensors=store), WorkerDirectory(DialRule()))


def run(sessions, when_gone=lambda cancel: True, **given):
    return sessions._run(lambda report: Job(report, **given), when_gone)


def test_the_summary_comes_last_and_is_remembered(sessions):
    progress, summary = run(sessions)
    assert sessions.report(summary.session).summary is summary
    assert progress.session == summary.session


def test_only_the_last_reports_are_remembered(sessions):
    names = [list(run(sessions))[-1].session for _ in range(REMEMBERED_REPORTS + 1)]
    with pytest.raises(NotFoundError):
        sessions.report(names[0])
    assert sessions.report(names[1])


def test_an_error_of_the_job_is_the_callers(sessions):
    with pytest.raises(PaDiffError, match="wrong"):
        list(run(sessions, error=PaDiffError("wrong")))


def test_there_is_room_for_so_many_and_no_more(sessions):
    running = [run(sessions, wait=True) for _ in range(SESSIONS_AT_ONCE)]
    for messages in running:
        next(messages)
    with pytest.raises(BusyError, match=str(SESSIONS_AT_ONCE)):
        next(run(sessions))
    running.pop().close()
    assert list(run(sessions))
    for messages in running:
        messages.close()


def test_a_client_that_leaves_cancels_the_job(sessions):
    leaving = []
    messages = run(sessions, when_gone=lambda cancel: leaving.append(cancel) or True, wait=True)
    next(messages)
    leaving[0]()
    assert list(messages)[-1].session


def test_a_client_that_has_left_starts_nothing(sessions):
    with pytest.raises(CancelledError):
        list(run(sessions, when_gone=lambda cancel: False))
