"""The offer of an arena, which goes with its lease."""

from __future__ import annotations

import os
from pathlib import Path

from padiff_worker.arena import ArenaOffer
from padiff_worker.settings import WorkerSettings


def test_a_lease_that_ends_takes_the_name_of_what_it_offered_away(tmp_path: Path) -> None:
    offer = ArenaOffer(WorkerSettings(arena_folder=str(tmp_path)))
    offered = offer.offer()
    assert os.listdir(tmp_path) == [offered.name]
    offer.end()
    assert os.listdir(tmp_path) == []


def test_nothing_is_offered_once_the_lease_has_ended(tmp_path: Path) -> None:
    offer = ArenaOffer(WorkerSettings(arena_folder=str(tmp_path)))
    offer.end()
    assert offer.offer().refusal == "the worker's lease has ended"
    assert os.listdir(tmp_path) == []
