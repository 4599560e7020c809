"""Runs that are kept while they are made, across real processes, over the NumPy fake."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import Service, running, running_worker

from padiff_client import InvalidRequestError, NotFoundError, PaDiffError, Report, kept_report, wording
from padiff_client.comparison import Comparison
from padiff_client.gathering import Interrupted
from padiff_client.session import Server
from padiff_client.spec import ModelSpec
from padiff_client.verbs import compare
from padiff_compare.report.kept_run import GONE, RunWriter
from padiff_compare.report.run_store import RunStore, StoreRoom
from padiff_rpc.v1.records import Options, OwnBounds, Row
from padiff_rpc.v1.words import CaptureKind, KeptTensors, Omission, Phase

# Longer than anything here takes.
PATIENCE = 120.0
X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs", StoreRoom())


def asked(service: Service, store: RunStore, *, batches: Any = None, **given: Any) -> Comparison:
    """Returns a comparison of two of the fake's nets, the candidate with what is given."""
    steps = given.pop("steps", 1)
    batch = ({"x": X}, {"x": X}) if batches is None else (batches, batches)
    stepping = ("fake_models:sgd",) * 2 if steps > 1 else ("", "")
    return Comparison(
        candidate=spec(service.candidate, **given),
        reference=spec(service.reference),
        example_inp=batch,
        steps=steps,
        optimizers=(stepping[0], stepping[1]),
        options=Options(keep_going=True),
        server=Server(address=service.coordinator),
        store=store,
    )


def spec(address: str, **kwargs: Any) -> ModelSpec:
    return ModelSpec("", "fake_models:net", kwargs=kwargs, worker=address)


def same(one: Report, other: Report) -> bool:
    return (str(one), one.to_json()) == (str(other), other.to_json())


def test_what_is_kept_is_the_report(service: Service, store: RunStore, tmp_path: Path) -> None:
    report = compare(asked(service, store, epsilon=0.1, steps=3))
    assert not report
    assert report.kept is not None
    again = report_of(store, report.session[:6])
    assert same(again, report)
    assert again.all_rows == tuple(again.all_rows)
    assert again.kept is not None
    assert again.kept.head.candidate == "fake_models:net"
    # And what `save` writes is read again, in every part.
    report.save(tmp_path / "report.full.json")
    loaded = Report.load(tmp_path / "report.full.json")
    assert same(loaded, report)
    assert loaded.reasons == report.reasons
    # A file has no tensors, so its page has no maps of them.
    assert loaded.to_html() == Report(report.summary, report.all_rows).to_html() != report.to_html()


def report_of(store: RunStore, name: str) -> Report:
    return kept_report(name, store.folder)


def batches_until(step: int, happens: Callable[[], object]) -> Iterator[dict[str, Any]]:
    """Yields batches; `happens` in place of that of `step`."""
    for number in itertools.count():
        if number == step:
            happens()
        yield {"x": X}


def steps_of(report: Report) -> list[int]:
    return sorted({row.step for row in report.all_rows if row.phase is Phase.FORWARD})


@contextmanager
def own_service(folder: Path, service: Service) -> Iterator[tuple[Service, int]]:
    """Provides a coordinator of the test's own, for the shared workers, and its process id."""
    with running("-m", "padiff_server", "--allow-any-worker", log=folder / "own.log") as coordinator:
        yield replace(service, coordinator=coordinator.address), coordinator.process.pid


def test_a_coordinator_that_is_killed_leaves_every_finished_step(
    service: Service, store: RunStore, tmp_path: Path
) -> None:
    with own_service(tmp_path, service) as (own, pid):
        batches = batches_until(3, lambda: os.kill(pid, signal.SIGKILL))
        report = compare(asked(own, store, batches=batches, epsilon=0.1, steps=5))
    assert report.exit_code == 2
    assert steps_of(report) == [0, 1, 2]
    assert [step.step for step in report.steps] == [0, 1, 2]
    assert report.plan
    assert len(report.environments) == 2
    assert report.first_divergence is not None
    assert report.coverage.tensors_compared > 0
    (trouble,) = report.troubles
    assert f"the coordinator at {own.coordinator} is gone" in trouble.text
    assert "cut short" in str(report).splitlines()[0]
    assert same(report_of(store, "last"), report)


def test_ctrl_c_leaves_every_finished_step(service: Service, store: RunStore) -> None:
    batches = batches_until(2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted) as caught:
        compare(asked(service, store, batches=batches, steps=5))
    report = caught.value.report
    assert isinstance(caught.value, KeyboardInterrupt)
    assert [step.step for step in report.steps] == steps_of(report) == [0, 1]
    assert report.troubles[0].text == "interrupted by Ctrl-C"
    assert same(report_of(store, "last"), report)


def test_a_worker_that_is_lost_leaves_every_finished_step(
    service: Service, store: RunStore, tmp_path: Path
) -> None:
    with running_worker(tmp_path, "own") as worker:
        own = replace(service, candidate=worker.address)
        batches = batches_until(2, worker.process.kill)
        report = compare(asked(own, store, batches=batches, steps=5))
    assert report.exit_code == 2
    assert steps_of(report) == [0, 1]
    assert "was lost in the middle" in report.troubles[0].text
    assert same(report_of(store, "last"), report)


def test_a_store_that_cannot_be_written_is_a_warning(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    store = RunStore(tmp_path / "file" / "runs", StoreRoom())
    assert compare(asked(service, store)).kept is None
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith(f"this run is not kept from here on: {store.folder} cannot be written: not a dir")
    assert "PADIFF_STORE" in said


def test_a_disk_that_fills_up_is_a_warning_and_what_was_written_stays(
    service: Service, store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = RunWriter.add_rows

    def add_rows(self: RunWriter, rows: Sequence[Row]) -> None:
        if rows[0].step == 2:
            raise sqlite3.OperationalError("database or disk is full")
        written(self, rows)

    monkeypatch.setattr(RunWriter, "add_rows", add_rows)
    report = compare(asked(service, store, steps=4))
    assert steps_of(report) == [0, 1, 2, 3]
    assert report.kept is None
    assert "database or disk is full" in caplog.text
    assert caplog.text.count("not kept from here on") == 1
    kept = report_of(store, "last")
    assert steps_of(kept) == [0, 1]
    assert kept.exit_code == 2


def test_a_request_that_is_refused_is_no_run(service: Service, store: RunStore) -> None:
    wrong = replace(
        asked(service, store), candidate=ModelSpec(model="fake_models:nothing", worker="127.0.0.1:1")
    )
    with pytest.raises(PaDiffError):
        compare(replace(wrong, candidate=replace(wrong.candidate, worker=service.candidate)))
    assert store.runs() == []


def test_tensors_of_failing_places_and_their_inputs_are_kept(service: Service, store: RunStore) -> None:
    report = compare(asked(service, store, epsilon=0.1, steps=2))
    kept = {number for number in range(len(report.all_rows)) if is_kept(report, number)}
    failing = {number for number, row in enumerate(report.all_rows) if row.counts and is_failing(row)}
    assert failing
    assert failing <= kept
    norms = [row for row in report.all_rows if row.reference is not None and row.reference.path == "norm"]
    output = next(row for row in norms if row.kind is CaptureKind.OUTPUT and is_failing(row))
    (given,) = (
        row
        for row in norms
        if row.kind is CaptureKind.INPUT and (row.step, row.pass_kind) == (output.step, output.pass_kind)
    )
    assert not is_failing(given)
    x, y = report.tensors(given)[0], report.tensors(output)
    # A norm in eval mode scales by its epsilon.
    np.testing.assert_allclose(y[0] / y[1], np.full(x.shape, np.sqrt(1.1 / 1.00001)), rtol=1e-4)
    np.testing.assert_allclose(y[0] / x, np.broadcast_to((y[0] / x)[0], x.shape), rtol=1e-4)
    assert output.figures is not None
    assert np.abs(y[0] - y[1]).max() == pytest.approx(output.figures.max_abs)
    # What agrees and was given to nothing that fails is not kept, and says so.
    other = next(
        row for number, row in enumerate(report.all_rows) if row.figures is not None and number not in kept
    )
    with pytest.raises(NotFoundError, match="were not kept: keep='failing'"):
        report.tensors(other)
    # A run that is read again has the same.
    again = report_of(store, "last")
    one = min(failing)
    np.testing.assert_array_equal(
        again.tensors(again.all_rows[one])[1], report.tensors(report.all_rows[one])[1]
    )
    with pytest.raises(InvalidRequestError, match="another report"):
        again.tensors(output)


def is_kept(report: Report, number: int) -> bool:
    assert report.kept is not None
    return report.kept.tensors(number) is not None


def is_failing(row: Row) -> bool:
    return row.verdict in wording.FAILING


@pytest.mark.parametrize("keep", list(KeptTensors))
def test_what_is_kept_is_said_by_a_policy(service: Service, store: RunStore, keep: KeptTensors) -> None:
    report = compare(replace(asked(service, store), keep=keep))
    assert report
    with_figures = {number for number, row in enumerate(report.all_rows) if row.figures is not None}
    kept = {number for number in range(len(report.all_rows)) if is_kept(report, number)}
    assert kept == (with_figures if keep is KeptTensors.ALL else set())


def test_no_more_is_kept_than_was_asked_for(service: Service, store: RunStore) -> None:
    wide = {"width": 200_000}  # a layer's output of 0.8 MB
    batch = [{"x": X[:1]}]
    report = compare(
        replace(
            asked(service, store, batches=batch, epsilon=0.1, **wide),
            reference=spec(service.reference, **wide),
            keep_mib=4,
        )
    )
    failing = [number for number, row in enumerate(report.all_rows) if row.counts and is_failing(row)]
    kept = [number for number in failing if is_kept(report, number)]
    assert kept
    assert len(kept) < len(failing)
    assert report.kept is not None
    files = list(report.kept.folder.glob("*.safetensors"))
    assert 0 < sum(file.stat().st_size for file in files) < 5 << 20


def test_a_kept_run_is_judged_again_as_a_comparison_under_these_bounds_is(
    service: Service, store: RunStore
) -> None:
    faulty = replace(asked(service, store, epsilon=0.1), keep=KeptTensors.ALL)
    kept = compare(faulty)
    assert not kept
    for bounds in ({"atol": 1.0, "rtol": 1.0}, {"rtol": 1e-3}, {"atol": 0.0}):
        again = kept_report("last", store.folder).rejudged(**bounds)
        fresh = compare(replace(faulty, options=replace(faulty.options, **bounds), store=None))
        assert bool(again) is bool(fresh)
        # Which of two places that show one tensor is judged depends on whether it differs.
        both = [
            (one.verdict, other.verdict)
            for one, other in zip(again.all_rows, fresh.all_rows)
            if Omission.JUDGED_ELSEWHERE not in (one.omission, other.omission)
        ]
        assert len(both) > 10
        assert [one for one, _ in both] == [other for _, other in both], bounds
        assert again.bounds == OwnBounds(
            **{"atol": None, "rtol": None, **bounds}, places=again.bounds.places if again.bounds else 0
        )
        assert "judged again" in str(again)
    with pytest.raises(InvalidRequestError, match="rtol: missing"):
        kept.rejudged()


def test_tensors_that_cannot_be_written_are_a_warning_and_the_rows_are_kept(
    service: Service, store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    report = compare(asked(service, store, epsilon=0.1, steps=3))
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith(
        "no tensors of this run are kept from here on: tensors of kept runs need a package"
    )
    assert said.endswith("-m pip install safetensors")
    assert same(report_of(store, "last"), report)
    with pytest.raises(NotFoundError):
        report.tensors(report.faults[0])


SPEC = """
reference: {{model: 'fake_models:net', worker: '{reference}', optimizer: 'fake_models:sgd'}}
candidate:
  {{model: 'fake_models:net', worker: '{candidate}', optimizer: 'fake_models:sgd', kwargs: {{epsilon: 0.1}}}}
inputs: kept_inputs:batches
steps: 5
options: {{keep_going: true}}
server: {{address: '{coordinator}'}}
"""
INPUTS = """
import os, signal
import numpy as np

def batches():
    for step in range(5):
        if step == 3 and "SIGNAL" in os.environ:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
        yield {"x": np.full((5, 4), step, np.float32)}
"""


def padiff(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command, with the store in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "padiff_client.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PADIFF_STORE": str(folder / "runs"), "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.fixture
def folder(service: Service, tmp_path: Path) -> Path:
    """A folder with a spec of five steps, whose inputs send this process a signal before the fourth."""
    (tmp_path / "spec.yaml").write_text(SPEC.format(**vars(service)))
    (tmp_path / "kept_inputs.py").write_text(INPUTS)
    return tmp_path


def test_the_command_keeps_lists_shows_and_removes_runs(folder: Path) -> None:
    made = padiff(folder, "compare", "spec.yaml", "--json", "first.json", "--html", "first.html")
    assert made.returncode == 1
    (run,) = (folder / "runs").iterdir()
    *screen, rest = made.stdout.splitlines()
    assert rest.split() == ["the", "rest", "padiff", "show", run.name[:8], "--all"]
    assert max(map(len, screen)) <= 80

    shown = padiff(folder, "show", "last", "--json", "again.json", "--html", "again.html")
    assert (shown.returncode, shown.stdout, shown.stderr) == (1, made.stdout, "")
    whole = padiff(folder, *rest.split()[3:])
    assert (whole.returncode, whole.stderr) == (1, "")
    assert len(whole.stdout.splitlines()) > len(screen)
    for first, again in (("first.json", "again.json"), ("first.html", "again.html")):
        assert (folder / first).read_bytes() == (folder / again).read_bytes()

    listed = padiff(folder, "runs").stdout.splitlines()
    assert listed[0].split()[:3] == ["RUN", "WHEN", "REFERENCE"]
    assert listed[1].startswith(run.name[:8])
    assert " fail " in listed[1]
    assert "fake_models:net" in listed[1]

    again = padiff(folder, "rejudge", "last", "--atol", "10")
    assert "judged again" in again.stdout
    assert "--format text" in again.stdout.splitlines()[-2]  # it is not kept
    assert again.returncode in (0, 1)
    refused = padiff(folder, "rejudge", "last")
    assert (refused.returncode, refused.stderr) == (2, "padiff: rtol: missing; give atol, rtol, or both\n")

    assert padiff(folder, "rm", run.name[:5]).returncode == 0
    assert padiff(folder, "runs").stdout == f"no run is kept in {folder}/runs\n"
    gone = padiff(folder, "show", "last")
    assert (gone.returncode, gone.stderr) == (2, f"padiff: no run is kept in {folder}/runs\n")


def test_nothing_is_kept_where_nothing_is_to_be(folder: Path) -> None:
    made = padiff(folder, "compare", "spec.yaml", "--store", "none")
    assert made.returncode == 1
    assert "kept" not in made.stderr
    assert not (folder / "runs").exists()


def test_ctrl_c_prints_the_report_so_far_and_writes_its_files(folder: Path) -> None:
    made = padiff(folder, "compare", "spec.yaml", "--json", "report.json", SIGNAL=str(int(signal.SIGINT)))
    assert made.returncode == 130
    assert "cut short" in made.stdout.splitlines()[0]
    assert made.stderr.splitlines()[-1] == "padiff: interrupted"
    report = Report.load(folder / "report.json")
    assert steps_of(report) == [0, 1, 2]
    assert report.exit_code == 2
    shown = padiff(folder, "show", "last", "--all").stdout
    assert shown.startswith("FAIL: cut short")
    assert len(shown) > len(made.stdout)


def test_a_client_that_is_killed_leaves_every_finished_step(folder: Path) -> None:
    made = padiff(folder, "compare", "spec.yaml", SIGNAL=str(int(signal.SIGKILL)))
    assert made.returncode == -signal.SIGKILL
    report = report_of(RunStore(folder / "runs", StoreRoom()), "last")
    assert steps_of(report) == [0, 1, 2]
    assert [step.step for step in report.steps] == [0, 1, 2]
    assert report.troubles[0].text == GONE
    assert report.plan
    shown = padiff(folder, "show", "last")
    assert shown.returncode == 2
    assert GONE in shown.stdout.splitlines()[0]
    assert " cut short " in padiff(folder, "runs").stdout
