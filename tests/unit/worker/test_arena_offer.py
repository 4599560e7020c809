"""The offer of an arena, which goes with its lease."""

from __future__ import annotations

import os
from pathlib import Path

from padiff_worker.arena_offers import ArenaOffers
from padiff_worker.settings import WorkerSettings


def test_a_lease_that_ends_takes_the_name_of_what_it_offered_away(tmp_path: Path) -> None:
    offer = ArenaOffers(WorkerSettings(arena_folder=str(tmp_path)))
    offered = offer.offer(to_worker=False)
    other = offer.offer(to_worker=True)
    assert sorted(os.listdir(tmp_path)) == sorted([offered.name, other.name])
    offer.end()
    assert os.listdir(tmp_path) == []


def test_nothing_is_offered_once_the_lease_has_ended(tmp_path: Path) -> None:
    offer = ArenaOffers(WorkerSettings(arena_folder=str(tmp_path)))
    offer.end()
    assert offer.offer(to_worker=False).refusal == "the worker's lease has ended"
    assert os.listdir(tmp_path) == []


def test_each_direction_is_shared_once_it_is_settled(tmp_path: Path) -> None:
    offers = ArenaOffers(WorkerSettings(arena_folder=str(tmp_path)))
    assert (offers.shared.outgoing, offers.shared.incoming) == (None, None)
    offers.offer(to_worker=True)
    offers.settle(to_worker=True, mapped=True)
    assert offers.shared.outgoing is None
    assert offers.shared.incoming is not None
    offers.offer(to_worker=False)
    offers.settle(to_worker=False, mapped=False)
    assert offers.shared.outgoing is None
    assert os.listdir(tmp_path) == []
