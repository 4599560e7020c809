"""Meeting of two commands by a name."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from padiff_client.rendezvous import Rendezvous, RendezvousOutcome, rendezvous_of
from padiff_rpc.errors import BusyError, InvalidRequestError
from padiff_rpc.v1.words import Side


@pytest.fixture
def rendezvous() -> Iterator[Rendezvous]:
    made = rendezvous_of(uuid.uuid4().hex[:12])
    yield made
    assert not made.folder.exists()


def test_only_this_user_can_enter_the_folder(rendezvous: Rendezvous) -> None:
    with rendezvous.attended(Side.REFERENCE):
        for folder in (rendezvous.folder, rendezvous.folder.parent):
            assert folder.stat().st_mode & 0o777 == 0o700


def test_one_command_attends_as_a_side(rendezvous: Rendezvous) -> None:
    assert not rendezvous.is_attended(Side.REFERENCE)
    with rendezvous.attended(Side.REFERENCE):
        assert rendezvous.is_attended(Side.REFERENCE)
        with rendezvous.attended(Side.CANDIDATE):
            with pytest.raises(BusyError, match="runs already"), rendezvous.attended(Side.REFERENCE):
                pass
        assert rendezvous.is_attended(Side.REFERENCE)


def test_what_an_earlier_command_left_is_not_taken_for_this_ones(rendezvous: Rendezvous) -> None:
    rendezvous.announcement(Side.REFERENCE).write_text("unix:/gone")
    with rendezvous.attended(Side.REFERENCE):
        assert rendezvous.address(Side.REFERENCE) is None
        rendezvous.announcement(Side.REFERENCE).write_text("unix:/here")
        assert rendezvous.address(Side.REFERENCE) == "unix:/here"


def test_an_outcome_reaches_the_other_side_if_it_is_there(rendezvous: Rendezvous) -> None:
    outcome = RendezvousOutcome(text="PASS", is_compared=True)
    with rendezvous.attended(Side.CANDIDATE):
        rendezvous.tell(Side.REFERENCE, outcome)
        assert rendezvous.told(Side.REFERENCE) is None
        with rendezvous.attended(Side.REFERENCE):
            rendezvous.tell(Side.REFERENCE, outcome)
            assert rendezvous.told(Side.REFERENCE) == outcome


def test_what_killed_commands_left_is_swept_and_nothing_that_is_in_use(rendezvous: Rendezvous) -> None:
    with rendezvous.attended(Side.REFERENCE):
        left = rendezvous_of(uuid.uuid4().hex[:12]).folder
        (left / "candidate.lock").touch()
        for folder in (left, rendezvous.folder):
            os.utime(folder, (0, 0))
        rendezvous_of(rendezvous.folder.name)
        assert not left.exists()
        assert rendezvous.is_attended(Side.REFERENCE)


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 41, ".hidden", "two words"])
def test_a_name_that_is_no_plain_one_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="--name"):
        rendezvous_of(name)


def test_a_folder_that_others_may_enter_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("padiff_client.rendezvous.folder_for_sockets", lambda: tmp_path)
    (tmp_path / f"padiff-meeting-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(Exception, match="not this user's alone"):
        rendezvous_of("name")
