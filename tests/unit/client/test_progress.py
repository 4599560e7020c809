"""Progress: what is foretold of a run, and which lines say so."""

from __future__ import annotations

from typing import Any

import pytest

from padiff_client import wording
from padiff_client.progress import Course
from padiff_client.progress_lines import PlainLines, amounts, calls, where
from padiff_rpc.v1.records import Progress, SideProgress
from padiff_rpc.v1.words import Phase, Side


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def at(phase: Phase, step: int = 0, **rest: Any) -> Progress:
    return Progress(session="s", phase=phase, step=step, **{"steps": 10, **rest})


def sides(reference: int, candidate: int, known: int = 20_000, size: int = 0) -> tuple[SideProgress, ...]:
    return tuple(
        SideProgress(side=side, calls_done=done, calls_known=known, bytes=size)
        for side, done in ((Side.REFERENCE, reference), (Side.CANDIDATE, candidate))
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def course(clock: Clock) -> Course:
    return Course(clock.now, clock)


def test_what_is_started_is_named_until_it_serves(course: Course) -> None:
    assert where(course.standing()) == "beginning"
    course.starting(["reference worker", "candidate worker", "coordinator"])
    course.serves("coordinator")
    assert where(course.standing()) == "starting the reference worker and candidate worker"
    course.serves("reference worker")
    course.serves("candidate worker")
    assert where(course.standing()) == "connecting to the coordinator"


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (at(Phase.CONNECT), "connecting to the workers"),
        (at(Phase.CONNECT, text="waiting for a worker"), "waiting for a worker"),
        (at(Phase.LOAD), "building the models"),
        (at(Phase.FORWARD, 3), "forward, step 3 (4 of 10)"),
        (at(Phase.FORWARD, 0, steps=1), "forward, step 0"),
        (at(Phase.BACKWARD, 0, text="in lockstep"), "backward, step 0 (1 of 10), in lockstep"),
    ],
)
def test_a_phase_is_named_with_its_step(course: Course, progress: Progress, said: str) -> None:
    course.at(progress)
    assert where(course.standing()) == said


def test_calls_are_counted_on_both_sides(course: Course, clock: Clock) -> None:
    course.at(at(Phase.FORWARD))
    clock.now += 10
    course.at(at(Phase.FORWARD, sides=sides(12_000, 5_000, size=100 << 20)))
    standing = course.standing()
    assert calls(standing.sides) == "reference 12,000 of 20,000 calls, candidate 5,000"
    assert standing.share == 0.25
    assert standing.phase_left == pytest.approx(30.0)
    assert amounts(standing) == "200 MiB at 20 MiB/s, about 30 s left of this phase"


def test_what_is_left_is_told_by_the_steps_that_are_over(course: Course, clock: Clock) -> None:
    course.at(at(Phase.LOAD))
    clock.now += 50  # loading is no part of a step
    course.at(at(Phase.FORWARD, 0))
    assert course.standing().left is None
    clock.now += 10
    course.at(at(Phase.INPUTS, 1))
    clock.now += 4
    assert course.standing().left == pytest.approx(86.0)
    assert amounts(course.standing()) == "about 1:26 left"


def test_bytes_of_passes_add_up(course: Course, clock: Clock) -> None:
    course.at(at(Phase.FORWARD, sides=sides(1, 1, size=500)))
    course.at(at(Phase.BACKWARD))  # a phase that has just begun says nothing of bytes
    course.at(at(Phase.BACKWARD, sides=sides(1, 1, size=600)))
    course.at(at(Phase.FORWARD, text="the reference in float64", sides=sides(1, 1, size=1000)))
    assert course.standing().bytes == 3200


def test_few_calls_foretell_nothing(course: Course, clock: Clock) -> None:
    course.at(at(Phase.FORWARD, sides=sides(3, 3, known=9)))
    clock.now += 30
    assert course.standing().phase_left is None


def test_only_what_lasts_gets_a_line_and_then_a_sign_of_life(course: Course, clock: Clock) -> None:
    lines = PlainLines(course)
    course.at(at(Phase.LOAD))
    clock.now += 0.5
    assert lines.line() is None
    clock.now += 0.5
    assert lines.line() == "padiff: 1 s: building the models"
    course.at(at(Phase.FORWARD))
    clock.now += 0.4
    course.at(at(Phase.BACKWARD))
    clock.now += 1
    assert lines.line() == "padiff: 2 s: backward, step 0 (1 of 10)"
    assert lines.line() is None
    clock.now += 10
    course.at(at(Phase.BACKWARD, sides=sides(9, 9)))
    assert (
        lines.line() == "padiff: 12 s: backward, step 0 (1 of 10): reference 9 of 20,000 calls, candidate 9"
    )


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (35 << 20, "35 MiB")]
)
def test_sizes_have_a_unit_that_suits_them(number: float, said: str) -> None:
    assert wording.size(number) == said


@pytest.mark.parametrize(("seconds", "said"), [(12.4, "12 s"), (70, "1:10"), (7400, "2:03:20")])
def test_times_are_told_as_clocks_do(seconds: float, said: str) -> None:
    assert wording.clock(seconds) == said
