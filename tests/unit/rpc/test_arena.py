"""Both ends of an arena: room is given, lent, given back and given again."""

from __future__ import annotations

import gc
import random
import threading
from contextlib import closing

import numpy as np
import pytest

from padiff_rpc import arena as arena_module
from padiff_rpc.arena import Arena, ArenaView, SharedArenas, SharedStream
from padiff_rpc.arena_file import PLACES, TENSORS_AT, make, open_shared
from padiff_rpc.errors import ProtocolError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import ArenaPlace

SIZE = 1 << 20
ROOM = SIZE - TENSORS_AT


class Ends:
    """The two ends of one arena."""

    def __init__(self, folder, size=SIZE):
        with closing(make(folder, size)) as file:
            with closing(open_shared(folder, file.name, file.size, file.nonce)) as found:
                self.view = ArenaView(found)
            self.arena = Arena(file)

    def sent(self, size, fill=7):
        room = self.arena.take(size)
        if room is None:
            return None
        room.content[:] = fill
        return room.place

    def came(self, place):
        return self.view.lent(place)


@pytest.fixture
def ends(tmp_path):
    return Ends(str(tmp_path))


def test_what_the_worker_copies_in_the_coordinator_reads(ends):
    places = [ends.sent(1000, fill) for fill in (1, 2, 3)]
    assert [set(ends.came(place).tolist()) for place in places] == [{1}, {2}, {3}]


def test_captures_begin_at_lines_of_the_cache(ends):
    assert [ends.sent(size).offset % 64 for size in (1, 100, 64, 65)] == [0, 0, 0, 0]


def test_there_is_no_room_beyond_the_arena_until_a_capture_is_given_back(ends):
    one = ends.came(ends.sent(ROOM // 2))
    other = ends.came(ends.sent(ROOM // 2))
    assert ends.sent(64) is None
    del one
    assert ends.sent(ROOM // 2) is not None
    assert other.size == ROOM // 2


def test_a_capture_larger_than_the_arena_gets_no_room(ends):
    assert ends.sent(SIZE) is None
    assert ends.sent(64) is not None


def test_room_given_back_in_any_order_becomes_one_stretch_again(ends):
    size = ROOM // 8 // 64 * 64
    lent = [ends.came(ends.sent(size)) for _ in range(8)]
    random.Random(3).shuffle(lent)
    while lent:
        lent.pop()
    assert ends.sent(8 * size) is not None


def test_the_lowest_room_is_taken_so_that_no_more_memory_is_touched_than_needed(ends):
    first = ends.sent(1000)
    keeping = ends.came(ends.sent(1000))
    ends.came(first)
    assert ends.sent(500).offset == first.offset
    assert keeping.size == 1000


def test_an_array_made_of_the_lent_one_keeps_the_room(ends):
    came = ends.came(ends.sent(4096))
    made = came.view(np.float32).reshape(32, 32)[3:5].T
    del came
    gc.collect()
    place = ends.arena.take(ROOM)
    assert place is None
    del made
    assert ends.arena.take(ROOM) is not None


def test_places_come_back_as_room_does(ends):
    for _ in range(3 * PLACES):
        ends.came(ends.sent(64))
    assert ends.sent(64) is not None


def test_where_all_places_are_taken_there_is_no_room(ends):
    lent = [ends.came(ends.sent(1)) for _ in range(PLACES)]
    assert ends.sent(1) is None
    del lent[5]
    assert ends.sent(1) is not None


def test_memory_is_scarce_once_more_than_three_quarters_are_lent(ends):
    first = ends.came(ends.sent(SIZE // 2))
    assert not ends.view.is_scarce
    second = ends.came(ends.sent(SIZE // 3))
    assert ends.view.is_scarce
    del first
    assert not ends.view.is_scarce
    assert second.size == SIZE // 3


@pytest.mark.parametrize(
    ("place", "offset", "size"),
    [
        (PLACES, TENSORS_AT, 8),
        (0, TENSORS_AT - 1, 8),
        (0, SIZE - 4, 8),
        (0, TENSORS_AT, 0),
        (0, 1 << 63, 8),
        (0, TENSORS_AT, 1 << 63),
    ],
)
def test_a_place_that_no_capture_can_have_is_refused(ends, place, offset, size):
    with pytest.raises(ProtocolError, match="a tensor claims place"):
        ends.view.lent(ArenaPlace(place=place, offset=offset, bytes=size))


def test_one_place_is_not_lent_twice_at_a_time(ends):
    place = ends.sent(100)
    came = ends.came(place)
    with pytest.raises(ProtocolError, match="where another one still lies"):
        ends.came(place)
    assert came.size == 100


def test_a_full_folder_ends_the_growth_and_no_process(ends, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arena_module, "allocate", full)
    assert ends.sent(64) is None
    assert ends.sent(64) is None


def ahead(ends, size):
    """Returns a stream to whose reader more has been sent than it is to have at a time, and what it has."""
    stream = SharedStream(SharedArenas(outgoing=ends.arena))
    tensor = HostTensor.from_array(np.ones(size, np.uint8))
    return stream, tensor, [ends.came(stream.laid(tensor)) for _ in range(3)]


def test_a_stream_waits_for_its_reader_before_it_takes_more_room(ends, monkeypatch):
    monkeypatch.setattr(arena_module, "_AHEAD_BYTES", 8000)
    stream, tensor, came = ahead(ends, 5000)
    monkeypatch.setattr(arena_module, "_PATIENCE_SECONDS", 60.0)
    looked = threading.Event()
    lent_bytes = ends.arena.lent_bytes

    def looking(stream):
        looked.set()
        return lent_bytes(stream)

    monkeypatch.setattr(ends.arena, "lent_bytes", looking)
    places = []
    sender = threading.Thread(target=lambda: places.append(stream.laid(tensor)))
    sender.start()
    assert looked.wait(10)
    assert places == []
    came.clear()
    sender.join(10)
    assert len(places) == 1


def test_a_stream_does_not_wait_for_its_last_tensor_however_large(ends, monkeypatch):
    monkeypatch.setattr(arena_module, "_AHEAD_BYTES", 8000)
    monkeypatch.setattr(arena_module, "_PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(arena_module.time, "sleep", lambda _: pytest.fail("waits"))
    stream = SharedStream(SharedArenas(outgoing=ends.arena))
    for size in (20_000, 30_000, 5000):
        came = ends.came(stream.laid(HostTensor.from_array(np.ones(size, np.uint8))))  # one is held at a time
        assert came.size == size


def test_a_stream_does_not_wait_for_what_others_have_lent(ends, monkeypatch):
    monkeypatch.setattr(arena_module, "_AHEAD_BYTES", 8000)
    monkeypatch.setattr(arena_module, "_PATIENCE_SECONDS", 60.0)
    kept = ends.sent(20_000)
    monkeypatch.setattr(arena_module.time, "sleep", lambda _: pytest.fail("waits"))
    stream = SharedStream(SharedArenas(outgoing=ends.arena))
    assert stream.laid(HostTensor.from_array(np.ones(5000, np.uint8))) is not None
    assert kept is not None


def test_a_reader_that_keeps_what_it_has_is_waited_for_once(ends, monkeypatch):
    monkeypatch.setattr(arena_module, "_AHEAD_BYTES", 8000)
    monkeypatch.setattr(arena_module, "_PATIENCE_SECONDS", 0.0)
    stream, tensor, came = ahead(ends, 5000)
    assert stream.laid(tensor) is not None
    monkeypatch.setattr(ends.arena, "lent_bytes", lambda stream: pytest.fail("waits again"))
    assert stream.laid(tensor) is not None
    assert len(came) == 3


def test_small_tensors_and_those_without_an_arena_are_to_travel(ends):
    small, large = (HostTensor.from_array(np.ones(size, np.uint8)) for size in (4095, 4096))
    shared = SharedArenas(outgoing=ends.arena)
    assert shared.laid(small) is None
    assert (ends.came(shared.laid(large)) == 1).all()
    assert SharedArenas().laid(large) is None


def test_what_claims_to_lie_where_nothing_is_shared_is_refused():
    with pytest.raises(ProtocolError, match="memory that is not shared"):
        SharedArenas().lent(ArenaPlace(place=0, offset=TENSORS_AT, bytes=8))


def test_random_traffic_never_mixes_captures(ends):
    chance = random.Random(11)
    held = []
    for step in range(3000):
        if held and chance.random() < 0.5:
            came, fill = held.pop(chance.randrange(len(held)))
            assert (came == fill).all()
        size, fill = chance.randrange(1, ROOM // 8), step % 251
        place = ends.sent(size, fill)
        if place is not None:
            held.append((ends.came(place), fill))
    assert all((came == fill).all() for came, fill in held)
