"""Sessions: how many run, how they end, what is remembered."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import sample_reports as samples

from padiff_compare.capture.store import TensorStore
from padiff_compare.report.builder import KeptTensor
from padiff_compare.report.finished import finished
from padiff_compare.run import Storage
from padiff_rpc.errors import BusyError, CancelledError, NotFoundError, PaDiffError, ProtocolError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import AttachRequest, CompareStart, Model, Party, WorkerAddress
from padiff_rpc.v1.words import Phase
from padiff_rpc.version import PROTOCOL_VERSION
from padiff_server.audit import audit_line
from padiff_server.clients import ClientCall, Principal
from padiff_server.rights import Right
from padiff_server.sessions import REMEMBERED_REPORTS, SESSIONS_AT_ONCE, Sessions, _lasting
from padiff_server.worker_directory import DialRule, WorkerDirectory


class Asked:
    """What a job was asked."""

    party = Party(
        model=Model(framework="fake", model="net", kwargs=b""), worker=WorkerAddress(name="one", token="hush")
    )
    asked = CompareStart(protocol_version=PROTOCOL_VERSION, candidate=party, reference=party)


class Job(Asked):
    """Says one thing, then waits until it may end."""

    def __init__(self, report, error=None, wait=False, rows=0):
        self.report, self.error, self.rows = report, error, rows
        self.cancelled = threading.Event()
        if not wait:
            self.cancelled.set()

    def run(self):
        self.report.progress(Phase.CONNECT)
        self.report.add_rows([samples.row()] * self.rows)
        self.cancelled.wait()
        if self.error is not None:
            raise self.error
        return finished(self.report)

    def cancel(self):
        self.cancelled.set()


@pytest.fixture
def sessions():
    with TensorStore(1) as store:
        yield Sessions(Storage(tensors=store), WorkerDirectory(DialRule()), bookkeepers=[BOOKS.append])


@pytest.fixture(autouse=True)
def books():
    BOOKS.clear()
    return BOOKS


def call_of(name="", *rights, when_gone=lambda cancel: True):
    return ClientCall(caller=Principal(name=name, rights=frozenset(rights)), when_gone=when_gone)


CALL = call_of()
# Of sessions that have ended.
BOOKS = []


def run(sessions, when_gone=lambda cancel: True, call=None, **given):
    return sessions._run(call or call_of(when_gone=when_gone), lambda report: Job(report, **given))


def test_the_summary_comes_last_and_is_remembered(sessions):
    progress, summary = run(sessions)
    assert sessions.report(CALL, summary.session).summary is summary
    assert progress.session == summary.session


def test_only_the_last_reports_are_remembered(sessions):
    names = [list(run(sessions))[-1].session for _ in range(REMEMBERED_REPORTS + 1)]
    with pytest.raises(NotFoundError):
        sessions.report(CALL, names[0])
    assert sessions.report(CALL, names[1])


def test_long_reports_make_room_for_each_other_and_the_last_one_stays(sessions, monkeypatch):
    monkeypatch.setattr("padiff_server.sessions.REMEMBERED_ROWS", 25)
    names = [list(run(sessions, rows=count))[-1].session for count in (10, 10, 10, 30)]
    for name in names[:-1]:
        with pytest.raises(NotFoundError):
            sessions.report(CALL, name)
    assert len(sessions.report(CALL, names[-1]).rows) == 30
    short = [list(run(sessions, rows=count))[-1].session for count in (10, 10, 10)]
    assert [name in sessions._finished for name in short] == [False, True, True]


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


def detached(sessions, when_gone=lambda leave: True, **given):
    return sessions._run_detached(call_of(when_gone=when_gone), lambda report: Job(report, **given))


def attached(sessions, session, when_gone=lambda leave: True, **more):
    return sessions.attach(call_of(when_gone=when_gone), AttachRequest(session=session, **more))


def test_a_detached_session_outlives_its_client_and_tells_another_all(sessions):
    leaving = []
    messages = detached(sessions, when_gone=lambda leave: leaving.append(leave) or True, wait=True)
    progress = next(messages)
    leaving[0]()
    assert list(messages) == []
    assert not sessions.is_idle()
    other = attached(sessions, progress.session)
    assert next(other) == progress
    (job,) = sessions._sessions.values()
    job._job.cancelled.set()
    assert [one.session for one in other] == [progress.session]
    # And whoever comes later hears it all.
    first, last = attached(sessions, progress.session)
    assert (first, last.session) == (progress, progress.session)


def test_a_detached_session_is_ended_by_who_attaches(sessions):
    progress = next(detached(sessions, wait=True, error=CancelledError("its sources were closed")))
    *_, summary = attached(sessions, progress.session, end=True)
    assert [trouble.text for trouble in summary.troubles] == ["ended by a client that attached to it"]


def test_a_detached_sessions_error_is_told_to_who_attaches(sessions):
    messages = detached(sessions, error=PaDiffError("wrong"))
    session = next(messages).session
    for told in (messages, attached(sessions, session)):
        with pytest.raises(PaDiffError, match="wrong"):
            list(told)


def test_a_detached_session_takes_a_place_until_it_ends(sessions):
    running = [next(detached(sessions, wait=True)) for _ in range(SESSIONS_AT_ONCE)]
    with pytest.raises(BusyError):
        next(detached(sessions))
    for progress in running:
        assert list(attached(sessions, progress.session, end=True))
    while not sessions.is_idle():
        threading.Event().wait(0.01)
    assert list(detached(sessions))


def test_a_finished_report_can_be_attached_to_and_an_unknown_one_not(sessions):
    *_, summary = run(sessions)
    assert list(attached(sessions, summary.session)) == [summary]
    with pytest.raises(NotFoundError):
        list(attached(sessions, "nobody"))


def test_only_the_last_transcripts_are_kept(sessions):
    names = [list(detached(sessions))[-1].session for _ in range(REMEMBERED_REPORTS + 2)]
    assert set(sessions._transcripts) <= set(names[-REMEMBERED_REPORTS - 1 :])


def test_batches_end_with_their_client():
    def broken():
        yield 1
        raise ProtocolError("gone")

    assert [getattr(one, "text", one) for one in _lasting(broken())] == [1, "it is gone"]


class Teller(Asked):
    """Says tensors, one behind the other, as many as it is let."""

    def __init__(self, report):
        self.report, self.said = report, []
        self.cancelled = threading.Event()

    def run(self):
        for number in range(8):
            tensor = HostTensor.from_array(np.zeros(16 << 20, np.uint8))
            self.report.emit(KeptTensor(number=number, tensor=tensor))
            self.said.append(number)
        return finished(self.report)

    def cancel(self):
        self.cancelled.set()


def test_a_client_that_takes_no_tensors_keeps_none_in_memory(sessions):
    jobs = []
    messages = sessions._run(CALL, lambda report: jobs.append(Teller(report)) or jobs[0])
    for number in range(8):
        assert next(messages).number == number
        # What the client has, and the two for which there is room.
        assert len(jobs[0].said) <= number + 3
    assert len(list(messages)) == 1


def test_a_job_that_waits_for_its_client_ends_with_it(sessions):
    jobs = []
    messages = sessions._run(CALL, lambda report: jobs.append(Teller(report)) or jobs[0])
    next(messages)
    messages.close()
    assert jobs[0].said == list(range(8))
    assert sessions.is_idle()


def test_the_books_have_each_session_once_with_how_it_ended(sessions, books):
    list(run(sessions))
    for error in (NotFoundError("no"), CancelledError("gone"), PaDiffError("ours"), KeyError("ours")):
        with pytest.raises(type(error)):
            list(run(sessions, error=error))
    left = run(sessions, wait=True)
    next(left)
    left.close()
    assert [ended.outcome for ended in books] == [
        *("failed", "refused", "cancelled", "broken", "broken"),
        "cancelled",
    ]


def test_a_session_that_was_ended_is_cut_short_in_the_books_for_a_reason(sessions, books):
    messages = run(sessions, error=CancelledError("told"), wait=True)
    next(messages)
    sessions.end("we close")
    list(messages)
    (ended,) = books
    assert (ended.outcome, ended.because) == ("cut_short", "we close")


def test_a_line_of_the_audit_log_names_who_and_what_and_no_secret(sessions, books):
    list(run(sessions, call=call_of("a\nb\u2028", Right.COMPARE)))
    line = audit_line(books[0])
    assert line.isascii()
    assert line.isprintable()
    assert "hush" not in line
    entry = json.loads(line)
    assert entry["client"] == "a\nb\u2028"
    assert entry["what"] == "compare"
    assert entry["reference"] == {"framework": "fake", "model": "net", "worker": "one", "address": ""}
    assert entry["outcome"] == "failed"  # it has compared nothing


def test_what_a_client_wrote_is_cut_in_the_audit_log(sessions, books):
    list(run(sessions))
    party = replace(Asked.party, model=replace(Asked.party.model, model="x" * 1_000_000))
    ended = replace(books[0], asked=replace(books[0].asked, candidate=party))
    assert len(audit_line(ended)) < 2000
