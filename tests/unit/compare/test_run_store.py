"""Kept runs: what is written comes back, whatever ended the writing; and how long they stay."""

from __future__ import annotations

import dataclasses
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from padiff_compare.report.builder import ReportBuilder
from padiff_compare.report.finished import FinishedReport, concluded, finished
from padiff_compare.report.kept_run import DATABASE, GONE, RUNNING, KeptRun, RunHead, RunWriter
from padiff_compare.report.run_store import RunStore, StoreRoom
from padiff_compare.report.so_far import Teller, joined
from padiff_rpc.errors import InvalidRequestError, NotFoundError, PaDiffError, ProtocolError, StateError
from padiff_rpc.v1.records import (
    Coverage,
    Figures,
    Measurement,
    Note,
    Options,
    PeakMemory,
    Place,
    PlanPair,
    ReportSoFar,
    ReportSummary,
    Row,
    StepResult,
)
from padiff_rpc.v1.words import CaptureKind, NoteKind, PairedBy, Phase, Side, Verdict

DAY = 86_400.0


def head(name: str = "abc1", **changes: Any) -> RunHead:
    given = {"started_at": time.time(), "reference": "torch a:b", "candidate": "paddle a:b", **changes}
    return RunHead(id=name, options=Options(rtol=0.5), **given)


def rows(step: int, count: int = 3) -> tuple[Row, ...]:
    place = Place(path="fc", class_name="Linear")
    return tuple(
        Row(
            step=step,
            phase=Phase.FORWARD,
            kind=CaptureKind.OUTPUT,
            order=order,
            verdict=Verdict.MISMATCH if order else Verdict.MATCH,
            reference=place,
            candidate=place,
            figures=Figures(
                elements=2, bitwise_equal=False, max_abs=0.1 * order, cosine=float("-inf"), scale=1.0
            ),
        )
        for order in range(count)
    )


def summary(**changes: Any) -> ReportSummary:
    return ReportSummary(**{"session": "abc1", "passed": False, "coverage": Coverage(), **changes})


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "data" / "runs", StoreRoom())


def keep(store: RunStore, name: str, **changes: Any) -> None:
    with store.begin(head(name, **changes)) as writer:
        writer.add_rows(rows(0))
        writer.end(FinishedReport(rows=rows(0), summary=summary(session=name)))
    os.utime(store.folder / name / "lock", (writer.head.started_at,) * 2)


def test_a_whole_run_comes_back_as_it_was_written(store: RunStore) -> None:
    whole = summary(
        steps=(StepResult(step=0, passed=True, loss_reference=1.0, loss_candidate=2.0),),
        notes=(Note(kind=NoteKind.LOW_CONFIDENCE),),
    )
    with store.begin(head()) as writer:
        for step in range(3):
            writer.add_rows(rows(step))
        writer.end(FinishedReport(rows=(*rows(0), *rows(1), *rows(2)), summary=whole))
    run = store.find("abc1")
    assert run.report.rows == (*rows(0), *rows(1), *rows(2))
    assert run.report.summary == run.summary == whole
    assert run.head.options == Options(rtol=0.5)
    assert not run.is_running


def test_nobody_else_can_read_it(store: RunStore) -> None:
    with store.begin(head()) as writer:
        writer.add_rows(rows(0))
        files = list(writer.folder.iterdir())
        assert len(files) > 2  # the log among them
        for file in files:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        for folder in (writer.folder, store.folder):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_run_that_is_written_can_be_read_and_says_so(store: RunStore) -> None:
    with store.begin(head()) as writer:
        writer.add_rows(rows(0))
        run = store.find("abc1")
        assert run.is_running
        assert run.report.rows == rows(0)
        assert run.summary.troubles[0].text == RUNNING
        with pytest.raises(InvalidRequestError, match="still running"):
            store.remove(run)


def test_a_run_without_an_end_says_where_it_was(store: RunStore) -> None:
    so_far = summary(
        steps=(StepResult(step=0, passed=False, loss_reference=1.0, loss_candidate=2.0),),
        plan=(PlanPair(how=PairedBy.ROOT),),
    )
    with store.begin(head()) as writer:
        writer.add_rows(rows(0))
        writer.add_so_far(ReportSoFar(summary=so_far))
        writer.add_rows(rows(1, 2))
    report = store.find("abc").report
    assert report.rows == (*rows(0), *rows(1, 2))
    assert report.summary.steps == so_far.steps
    assert report.summary.plan == so_far.plan
    (trouble,) = report.summary.troubles
    assert (trouble.text, trouble.phase, trouble.step) == (GONE, Phase.FORWARD, 1)
    assert not report.summary.passed
    assert report.summary.coverage.tensors_total == 5
    first = report.summary.first_divergence
    assert first is not None
    assert first.row == rows(0)[1]


def test_a_reader_goes_on_from_the_rows_that_it_has(store: RunStore) -> None:
    with store.begin(head()) as writer:
        run = store.find("abc")
        assert run.is_running
        assert run.last_row() is None
        writer.add_rows(rows(0))
        assert run.last_row() == (2, rows(0)[2])
        writer.add_rows(rows(1, 2))
        assert run.rows_from(3) == rows(1, 2)
        assert run.report_of([*rows(0), *run.rows_from(3)]) == run.report


def test_a_run_that_ends_between_two_looks_of_a_reader_was_running_or_has_its_end(store: RunStore) -> None:
    writer = store.begin(head())
    stop = threading.Event()
    seen = set()

    def look() -> None:
        while not stop.is_set():
            run = KeptRun(writer.folder)
            seen.add((run.is_running, run.report_of(()).summary.troubles == ()))

    reader = threading.Thread(target=look)
    reader.start()
    with writer:
        writer.end(FinishedReport(rows=(), summary=summary()))
    stop.set()
    reader.join()
    # Never one that its client left without an end.
    assert (False, False) not in seen


def test_rows_that_an_interruption_kept_from_being_written_come_with_the_end(store: RunStore) -> None:
    with store.begin(head()) as writer:
        writer.add_rows(rows(0))
        writer.end(FinishedReport(rows=(*rows(0), *rows(1)), summary=summary()))
    assert store.find("abc1").report.rows == (*rows(0), *rows(1))


@pytest.mark.parametrize("name", ["", "../abc", "a/b", ".", "ab\n", "a" * 65])
def test_no_session_names_a_folder_elsewhere(name: str) -> None:
    with pytest.raises(ProtocolError):
        head(name)


def test_runs_are_found_by_the_beginning_of_a_name_and_by_age(store: RunStore) -> None:
    keep(store, "abc1", started_at=2.0)
    keep(store, "abd2", started_at=3.0)
    keep(store, "e", started_at=1.0)
    assert [run.head.id for run in store.runs()] == ["abd2", "abc1", "e"]
    assert store.find("last").head.id == "abd2"
    assert store.find("abc").head.id == "abc1"
    assert store.find("e").head.id == "e"
    with pytest.raises(InvalidRequestError, match="abc1, abd2"):
        store.find("ab")
    for wrong in ("abc2", "", ".."):
        with pytest.raises(NotFoundError):
            store.find(wrong)
    store.remove(store.find("e"))
    assert not (store.folder / "e").exists()


def test_an_empty_store_has_no_last_run(store: RunStore) -> None:
    assert store.runs() == []
    with pytest.raises(NotFoundError, match="no run is kept"):
        store.find("last")


def test_old_runs_go_and_the_one_just_made_stays(tmp_path: Path) -> None:
    store = RunStore(tmp_path, StoreRoom(days=2))
    now = time.time()
    for name, age in (("old", 3), ("older", 4), ("new", 1), ("made", 5)):
        keep(store, name, started_at=now - age * DAY)
    store.tidy(keeping="made")
    assert {run.head.id for run in store.runs()} == {"new", "made"}


def test_the_oldest_runs_make_room_and_running_ones_stay(tmp_path: Path) -> None:
    store = RunStore(tmp_path, StoreRoom(mib=1))
    now = time.time()
    with store.begin(head("running", started_at=now - 9)) as running:
        os.utime(running.folder / "lock", (now - 9, now - 9))
        for number, name in enumerate(("made", "second", "third", "fourth")):
            keep(store, name, started_at=now - number)
            (tmp_path / name / "tensors").write_bytes(bytes(400 << 10))
        store.tidy(keeping="made")
        assert [run.head.id for run in store.runs()] == ["made", "second", "running"]


def test_what_never_became_a_run_is_swept_and_damage_is_not(store: RunStore) -> None:
    keep(store, "whole")
    for name in ("empty", "unborn", "young"):
        (store.folder / name).mkdir()
    (store.folder / "unborn" / DATABASE).touch()
    keep(store, "damaged")
    (store.folder / "damaged" / DATABASE).write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    for name in ("empty", "unborn", "damaged"):
        os.utime(store.folder / name, (1, 1))
    store.tidy(keeping="")
    assert {folder.name for folder in store.folder.iterdir()} == {"whole", "young", "damaged"}
    assert [run.head.id for run in store.runs()] == ["whole"]
    with pytest.raises(PaDiffError, match="cannot be read as a run"):
        store.find("damaged")


def test_a_run_of_a_later_version_says_so(store: RunStore) -> None:
    keep(store, "abc1")
    import sqlite3

    with sqlite3.connect(store.folder / "abc1" / DATABASE) as database:
        database.execute("UPDATE run SET schema = 99")
    database.close()
    with pytest.raises(StateError, match="newer padiff"):
        store.find("abc1")


def test_a_folder_that_is_there_is_nobody_elses_run(store: RunStore) -> None:
    keep(store, "abc1")
    with pytest.raises(OSError, match="abc1"):
        RunWriter(store.folder / "abc1", head())
    assert KeptRun(store.folder / "abc1").report.rows == rows(0)


def test_what_is_told_bit_by_bit_joins_to_the_whole() -> None:
    told: list[Any] = []
    report = ReportBuilder("abc1", told.append)
    teller = Teller(report)
    plan = (PlanPair(how=PairedBy.ROOT), PlanPair(how=PairedBy.PINNED))
    report.set_plan(plan[:1])
    report.note_peak(Side.REFERENCE, 5)
    teller.tell()
    report.add_rows(rows(0))
    report.end_step(StepResult(step=0, passed=True))
    report.note(Note(kind=NoteKind.LOW_CONFIDENCE))
    teller.tell()
    assert told[-1].summary.plan == ()
    report.end_step(StepResult(step=1, passed=True))
    report.note_peak(Side.REFERENCE, 7)
    teller.tell()
    assert [one.anew for one in told if isinstance(one, ReportSoFar)] == [False] * 3
    assert _settled(told) == _settled_whole(report)
    # A plan made anew takes the place of what was told before.
    report.set_plan(plan[1:])
    teller.tell()
    assert told[-1].anew
    assert _settled(told) == _settled_whole(report)
    assert joined([]) is None


def _settled(told: list[Any]) -> ReportSummary:
    whole = joined(one for one in told if isinstance(one, ReportSoFar))
    assert whole is not None
    assert whole.measurement == Measurement(peaks=whole.measurement.peaks)
    return dataclasses.replace(concluded(whole, rows(0)), seconds=0.0)


def _settled_whole(report: ReportBuilder) -> ReportSummary:
    whole = finished(report).summary
    assert whole.measurement.peaks == (
        PeakMemory(side=Side.REFERENCE, bytes=whole.measurement.peaks[0].bytes),
    )
    return dataclasses.replace(whole, seconds=0.0)


def test_a_run_that_is_written_anew_takes_over_its_head_and_the_part_before_goes(store: RunStore) -> None:
    with store.begin(head(reference="torch mine:net")) as writer:
        writer.add_rows(rows(0))
        with pytest.raises(StateError, match="another client"):
            store.begin_again("abc1")
    with store.begin_again("abc1") as writer:
        assert writer.head.reference == "torch mine:net"
        # Until the end both are there.
        assert len(list(store.folder.iterdir())) == 2
        assert store.find("abc1").is_running
        writer.end(FinishedReport(rows=rows(1), summary=summary()))
    store.tidy(keeping="abc1")
    (run,) = store.runs()
    assert run.report.rows == rows(1)
    assert len(list(store.folder.iterdir())) == 1
    with store.begin_again("fff2") as writer:
        assert writer.head.reference == "?"
    with pytest.raises(ProtocolError):
        store.begin_again("../abc1")
