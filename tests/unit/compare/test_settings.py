"""Combinations of settings: which are forced, and which are refused."""

from __future__ import annotations

import pytest

from padiff_compare.settings import settle
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CompareStart, Model, Options, Party, WorkerAddress, WorkerInfo
from padiff_rpc.v1.words import Cause, NoteKind, Pass, Side

WITHOUT_EFFECT = {NoteKind.NOTHING_ACCUMULATED, NoteKind.NOTHING_CLIPPED, NoteKind.NOTHING_SCALED}


def party(address, **given):
    return Party(model=Model(model=given.pop("model", "m:f"), **given), worker=WorkerAddress(address=address))


def start(reference=None, candidate=None, steps=1, **options):
    return CompareStart(
        protocol_version=1,
        reference=party("unix:/r", **(reference or {})),
        candidate=party("unix:/c", **(reference or {} if candidate is None else candidate)),
        steps=steps,
        options=Options(**options),
    )


def test_one_step_of_both_phases_is_the_default():
    found = settle(start())
    assert (found.steps, found.backward, found.optimize, found.notes) == (1, True, False, ())
    assert found.passes == (Pass.LOCKSTEP, Pass.FREE)


@pytest.mark.parametrize(
    ("asked", "options", "passes"),
    [
        ({}, {"single_step": True}, (Pass.LOCKSTEP,)),
        ({}, {"local_error": True}, (Pass.LOCKSTEP, Pass.FREE)),
        ({}, {"local_error": False}, (Pass.FREE,)),
        ({"train_step": "m:t"}, {}, (Pass.LOCKSTEP, Pass.FREE)),
        ({"optimizer": "m:o"}, {"accumulate": 2}, (Pass.LOCKSTEP, Pass.FREE)),
    ],
)
def test_a_pass_alone_is_what_was_asked_for_or_what_can_be(asked, options, passes):
    found = settle(start(asked, **options))
    assert found.passes == passes
    is_told = NoteKind.JUDGED_FREELY in {note.kind for note in found.notes}
    assert is_told is (passes == (Pass.FREE,) and "local_error" not in options)


def test_a_candidates_worker_that_puts_no_state_back_is_judged_freely_and_it_is_said():
    able = {"capabilities": (WorkerInfo.KEPT_STATE,)}
    assert settle(start(), served({}, able)).passes == (Pass.LOCKSTEP, Pass.FREE)
    found = settle(start(), served(able, {}))
    assert found.passes == (Pass.FREE,)
    assert [note.kind for note in found.notes] == [NoteKind.JUDGED_FREELY]


def test_an_optimizer_on_both_sides_is_used_in_every_step():
    found = settle(start({"optimizer": "m:o"}, steps=5))
    assert (found.steps, found.optimize) == (5, True)


def test_forward_alone_makes_one_step_without_loss_and_optimizer_and_says_so():
    found = settle(start({"optimizer": "m:o", "loss": "m:l"}, steps=5, diff_phase="forward"))
    assert (found.steps, found.backward, found.optimize) == (1, False, False)
    assert len(found.notes) == 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"diff_phase": "forward"}, WITHOUT_EFFECT),
        ({"single_step": True}, {NoteKind.NOTHING_ACCUMULATED, NoteKind.NOTHING_CLIPPED}),
        ({}, set()),
    ],
)
def test_what_of_a_training_step_has_no_effect_is_said(options, told):
    given = {"accumulate": 2, "clip_norm": 1.0, "loss_scale": 8.0}
    found = settle(start({"optimizer": "m:o"}, steps=2, **given, **options))
    assert {note.kind for note in found.notes} & WITHOUT_EFFECT == told


def test_backward_alone_becomes_both_and_says_so():
    found = settle(start(diff_phase="backward", local_error=False))
    assert found.backward
    assert len(found.notes) == 1


def test_lockstep_makes_one_step_without_an_optimizer_and_says_so():
    found = settle(start({"optimizer": "m:o"}, steps=5, single_step=True))
    assert (found.steps, found.backward, found.optimize) == (1, True, False)
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"single_step": True},
        {"single_step": True, "diff_phase": "forward"},
        {"local_error": True, "diff_phase": "forward"},
    ],
)
def test_behind_a_first_step_that_is_the_trace_lockstep_makes_all_steps(options):
    found = settle(start(steps=5, trace="first_step", **options))
    assert (found.steps, found.optimize, found.notes) == (5, False, ())
    assert settle(start(steps=5, **options)).steps == 1


def test_without_lockstep_forward_alone_makes_one_step_whatever_the_trace():
    assert settle(start(steps=5, trace="first_step", diff_phase="forward", local_error=False)).steps == 1


def test_lockstep_may_judge_backward_alone():
    found = settle(start(single_step=True, diff_phase="backward"))
    assert found.backward
    assert found.notes == ()


def test_local_errors_may_judge_backward_alone_and_keep_steps_and_optimizer():
    found = settle(start({"optimizer": "m:o"}, steps=5, local_error=True, diff_phase="backward"))
    assert (found.steps, found.backward, found.optimize) == (5, True, True)
    assert found.notes == ()


@pytest.mark.parametrize("field", ["loss", "optimizer"])
@pytest.mark.parametrize(
    ("reference", "candidate", "blamed"), [("m:x", "", "candidate"), ("", "m:x", "reference")]
)
def test_a_loss_or_optimizer_on_one_side_is_refused(field, reference, candidate, blamed):
    with pytest.raises(InvalidRequestError, match=rf"{blamed}\.{field}"):
        settle(start({field: reference}, {field: candidate}))


def test_a_served_model_may_bring_its_own():
    found = settle(start({"optimizer": "m:o"}, {"model": ""}, steps=3))
    assert found.optimize


@pytest.mark.parametrize("steps", [0, 2])
def test_steps_need_an_optimizer_and_be_at_least_one(steps):
    with pytest.raises(InvalidRequestError, match="steps"):
        settle(start(steps=steps))


def test_one_worker_for_both_sides_is_refused():
    both = CompareStart(protocol_version=1, reference=party("unix:/r"), candidate=party("unix:/r"))
    with pytest.raises(InvalidRequestError, match="a worker of its own"):
        settle(both)


def serving(**given):
    return WorkerInfo(
        protocol_version=1,
        framework="fake",
        framework_version="",
        python_version="",
        numpy_version="",
        package_version="",
        host="",
        pid=1,
        served_model="m.Net",
        **given,
    )


def served(reference, candidate):
    return {Side.REFERENCE: serving(**reference), Side.CANDIDATE: serving(**candidate)}


OWN = {"model": ""}


def test_served_models_have_an_optimizer_phase_only_with_their_optimizers():
    assert settle(start(OWN)).optimize  # as far as is known before the workers are asked
    assert not settle(start(OWN), served({}, {})).optimize
    both = {"serves_optimizer": True}
    assert settle(start(OWN, steps=3), served(both, both)).optimize
    named = start({"model": "", "optimizer": "m:o"}, steps=3)
    assert settle(named, served({}, {})).optimize


def test_steps_without_an_optimizer_are_refused_of_served_models_as_by_name():
    with pytest.raises(InvalidRequestError) as by_name:
        settle(start(steps=3))
    with pytest.raises(InvalidRequestError) as of_served:
        settle(start(OWN, steps=3), served({}, {}))
    assert str(of_served.value) == str(by_name.value)


@pytest.mark.parametrize("field", ["loss", "optimizer"])
def test_what_one_served_model_has_the_other_must_have(field):
    with pytest.raises(InvalidRequestError, match=rf"candidate\.{field}: give one for both sides"):
        settle(start(OWN), served({f"serves_{field}": True}, {}))
    with pytest.raises(InvalidRequestError, match=rf"reference\.{field}: give one for both sides"):
        settle(start({}, OWN), {**served({}, {f"serves_{field}": True}), Side.REFERENCE: None})


WATCHING = {"watches_script": True, "serves_optimizer": True}


def test_two_scripts_are_judged_freely_as_they_are():
    found = settle(start(steps=3), served(WATCHING, WATCHING))
    assert (found.of_scripts, found.passes, found.steps, found.optimize) == (True, (Pass.FREE,), 3, True)
    (note,) = found.notes
    assert (note.kind, note.reasons[0].cause) == (NoteKind.JUDGED_FREELY, Cause.SCRIPTS_OWN_STEPS)


def test_scripts_without_an_optimizer_make_several_steps_too():
    without = {**WATCHING, "serves_optimizer": False}
    found = settle(start(steps=3), served(without, without))
    assert (found.steps, found.optimize) == (3, False)


def test_a_script_on_one_side_alone_is_refused():
    with pytest.raises(InvalidRequestError, match=r"reference\.worker: the other side is a script"):
        settle(start(), served({}, WATCHING))


@pytest.mark.parametrize(
    "options",
    [
        {"single_step": True},
        {"local_error": True},
        {"accumulate": 2},
        {"clip_norm": 1.0},
        {"loss_scale": 2.0},
        {"diff_phase": "forward"},
    ],
)
def test_what_would_change_a_scripts_steps_is_refused(options):
    (name,) = options
    with pytest.raises(InvalidRequestError, match=f"options.{name}: scripts make their own steps"):
        settle(start(**options), served(WATCHING, WATCHING))
