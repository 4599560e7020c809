"""The sessions of a soak: healthy and faulty pairs, compared over and over, and what comes of each."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soak.standing import House, Seat
from padiff_client import ModelSpec, Report, auto_diff
from padiff_compare.judge.judged_row import fails
from padiff_rpc.errors import PaDiffError

logger = logging.getLogger(__name__)

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
# Of those that fail before they begin: a coordinator that was killed is not back at once.
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Subject:
    """One pair of models: what its candidate is made with, and whether that is a fault."""

    name: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 1

    @property
    def is_healthy(self) -> bool:
        return not self.kwargs


_HEALTHY = (Subject("healthy"), Subject("healthy, 4 steps", steps=4))
_FAKE = (*_HEALTHY, Subject("faulty", {"epsilon": 0.1}), Subject("faulty, 4 steps", {"momentum": 0.5}, 4))
_REAL = (*_HEALTHY, Subject("faulty", {"factor": 1.5}))


def subjects_of(seat: Seat) -> tuple[Subject, ...]:
    """Returns what is compared there."""
    return _FAKE if seat.is_fake else _REAL


@dataclass(frozen=True)
class Answer:
    """What an undisturbed comparison comes to."""

    passed: bool
    first: str
    rows: int
    failing: frozenset[tuple[Any, ...]]


def answer_of(report: Report) -> Answer:
    first = report.first_divergence
    return Answer(
        passed=bool(report),
        first="" if first is None else str(first.path),
        rows=len(report.all_rows),
        failing=frozenset(_place(row) for row in report.all_rows if fails(row)),
    )


def _place(row: Any) -> tuple[Any, ...]:
    half = row.candidate or row.reference
    return (row.step, row.phase, row.kind, row.pass_kind, half.path, half.slot)


class Soak:
    """Compares on every seat at the same time; counts what comes of it. Thread-safe."""

    def __init__(self, house: House, folder: Path) -> None:
        self.store = folder / "runs"
        self.reports = folder / "reports"
        self.reports.mkdir()
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.begun: set[str] = set()
        self._house = house
        self._expected: dict[tuple[bool, str], Answer] = {}
        self._lock = threading.Lock()

    def learn(self) -> None:
        """Compares everything once, while nothing is killed. Raises AssertionError for a wrong verdict."""
        for seat in self._house.seats:
            for subject in subjects_of(seat):
                answer = answer_of(self._compared(seat, subject))
                assert answer.passed is subject.is_healthy, (subject.name, answer)
                known = self._expected.setdefault((seat.is_fake, subject.name), answer)
                assert known == answer, (subject.name, known, answer)

    def run(self, seconds: float, seed: int) -> None:
        """Compares for so long; returns when the last comparison has ended."""
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._run_on, args=(seat, until, random.Random(f"{seed} {number}")))
            for number, seat in enumerate(self._house.seats)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def check_calm(self) -> None:
        """Compares everything once more, as nothing is killed now; what does not come out right is wrong."""
        for seat in self._house.seats:
            for subject in subjects_of(seat):
                try:
                    report = self._compared(seat, subject)
                except PaDiffError as error:
                    self._note_wrong(f"{subject.name}, when all was calm again: {error}")
                else:
                    self._judge(seat, subject, report)
                    for trouble in report.troubles:
                        self._note_wrong(f"{subject.name}, when all was calm again: {trouble.text}")

    def _run_on(self, seat: Seat, until: float, chance: random.Random) -> None:
        while time.monotonic() < until:
            subject = chance.choice(subjects_of(seat))
            try:
                report = self._compared(seat, subject)
            except PaDiffError as error:
                if type(error) is PaDiffError:
                    self._note_wrong(f"{subject.name}: our bug: {error}")
                self._count(f"not begun ({type(error).__name__})")
                logger.info("%s: %s", type(error).__name__, error)
                time.sleep(_PAUSE_SECONDS)
            except BaseException as error:
                self._note_wrong(f"{subject.name}: the client raised {type(error).__name__}: {error}")
            else:
                self._judge(seat, subject, report)

    def _compared(self, seat: Seat, subject: Subject) -> Report:
        reference, candidate = (
            ModelSpec(
                worker=getattr(seat, side).name,
                model=f"{seat.modules[side]}:net",
                kwargs=dict(subject.kwargs) if side == "candidate" else {},
                train=True,
            )
            for side in ("reference", "candidate")
        )
        optimizers = tuple(f"{seat.modules[side]}:sgd" for side in ("candidate", "reference"))
        report = auto_diff(
            layer=candidate,
            module=reference,
            example_inp=({"x": X}, {"x": X}),
            steps=subject.steps,
            optimizer=optimizers if subject.steps > 1 else None,  # type: ignore[arg-type]
            options={"keep_going": True},
            server=self._house.coordinator.address,
            store=self.store,
        )
        self._keep(report)
        return report

    def _keep(self, report: Report) -> None:
        file = self.reports / f"{report.session}.full.json"
        report.save(file)
        if Report.load(file).to_json(full=True) != report.to_json(full=True):
            self._note_wrong(f"{file.name} does not say what was saved")
        with self._lock:
            self.begun.add(report.session)

    def _judge(self, seat: Seat, subject: Subject, report: Report) -> None:
        expected, found = self._expected[seat.is_fake, subject.name], answer_of(report)
        if not report.troubles:
            self._count("whole, passed" if found.passed else "whole, failed")
            if found != expected:
                self._note_wrong(f"{report.session}, {subject.name}: {_difference(expected, found)}")
            return
        self._count("cut short")
        if found.passed:
            self._note_wrong(f"{report.session}, {subject.name}: passed, though it was cut short")
        for strange in found.failing - expected.failing:
            self._note_wrong(f"{report.session}, {subject.name}, cut short: fails at {strange}")

    def _count(self, outcome: str) -> None:
        with self._lock:
            self.outcomes[outcome] += 1

    def _note_wrong(self, text: str) -> None:
        with self._lock:
            self.wrong.append(" ".join(text.split()))


def _difference(expected: Answer, found: Answer) -> str:
    return (
        f"passed {found.passed} for {expected.passed}, first {found.first!r} for {expected.first!r}, "
        f"{found.rows} rows for {expected.rows}, {len(found.failing ^ expected.failing)} rows fail otherwise"
    )
